import type { Instance } from '../vast/model.js';
import type { ForwardSpec } from '../workflows/tunnel/specs.js';

/** What was asked for on the line. */
export interface TunnelRequest {
  instance: Instance;
  /** Services and ports as they may be typed anywhere: paths are absolute. */
  words: string[];
  specs: ForwardSpec[];
  /** -R and -D, as typed. */
  reverse: string[];
  socks: string[];
  /** Every service that the machine has. */
  all: boolean;
  autoPort: boolean;
  /** Where services and plain ports listen; null is the loopback. */
  address: string | null;
  /** Web pages may be called by every name. */
  anyHost: boolean;
  sshKey: string | null;
}
