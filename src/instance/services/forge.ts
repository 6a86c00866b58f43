import { INTERNAL_PORTS, PROGRAMS } from '../layout.js';
import type { ServiceDeclaration } from './service.js';

export const forge: ServiceDeclaration = {
  name: 'forge',
  program: PROGRAMS.forge,
  internalPort: INTERNAL_PORTS.forge,
  usualPort: 7860,
  scheme: 'http',
  sparesDoNoHarm: true,
  portalTitle: /\bforge\b/iu,
};
