import { INTERNAL_PORTS, PROGRAMS } from '../layout.js';
import type { ServiceDeclaration } from './service.js';

export const portal: ServiceDeclaration = {
  name: 'portal',
  program: PROGRAMS.portal,
  internalPort: INTERNAL_PORTS.portal,
  usualPort: 1111,
  scheme: 'http',
  sparesDoNoHarm: true,
  portalTitle: /^instance portal$/iu,
};
