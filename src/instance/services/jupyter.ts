import { INTERNAL_PORTS, PROGRAMS } from '../layout.js';
import type { ServiceDeclaration } from './service.js';

/** Run by supervisor; `platformJupyter` is the other one. */
export const jupyter: ServiceDeclaration = {
  name: 'jupyter',
  program: PROGRAMS.jupyter,
  internalPort: INTERNAL_PORTS.jupyter,
  usualPort: 8080,
  scheme: 'http',
  sparesDoNoHarm: true,
  portalTitle: /^jupyter\b/iu,
};

/** In the jupyter launch mode the platform runs it itself, past the image's proxy, with TLS and a token (instance.md 9). */
export const platformJupyter: ServiceDeclaration = { ...jupyter, internalPort: 8080, scheme: 'https' };
