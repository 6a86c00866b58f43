import { INTERNAL_PORTS, PROGRAMS } from '../layout.js';
import type { ServiceDeclaration } from './service.js';

export const tensorboard: ServiceDeclaration = {
  name: 'tensorboard',
  program: PROGRAMS.tensorboard,
  internalPort: INTERNAL_PORTS.tensorboard,
  usualPort: 6006,
  scheme: 'http',
  sparesDoNoHarm: true,
  portalTitle: /^tensorboard\b/iu,
};
