import { INTERNAL_PORTS, PROGRAMS } from '../layout.js';
import type { ServiceDeclaration } from './service.js';

export const syncthing: ServiceDeclaration = {
  name: 'syncthing',
  program: PROGRAMS.syncthing,
  internalPort: INTERNAL_PORTS.syncthing,
  usualPort: 8384,
  scheme: 'http',
  sparesDoNoHarm: true,
  portalTitle: /^syncthing\b/iu,
};
