import type { ForgeError } from '../../errors.js';
import type { LocalForward } from './local-forward.js';
import type { ReverseForward } from './reverse-forward.js';

/** What a tunnel tells while it lives. Times are wall time, ms. */
export type TunnelEvent =
  | { event: 'listening'; forward: LocalForward }
  | { event: 'connecting'; attempt: number }
  | { event: 'retrying'; attempt: number; inMs: number; error: ForgeError }
  | { event: 'connected'; address: string; via: 'direct' | 'proxy'; roundTripMs: number | null }
  | { event: 'stalled'; reason: string }
  | { event: 'recovered' }
  | { event: 'lost'; reason: string }
  | { event: 'reconnected'; address: string; via: 'direct' | 'proxy'; roundTripMs: number | null; afterMs: number }
  | { event: 'not_ready'; forward: LocalForward; stage: string; reason: string; logTail: string[] }
  | { event: 'ready'; forward: LocalForward; httpStatus: number | null }
  | { event: 'reverse_ready'; reverse: ReverseForward }
  | { event: 'reverse_refused'; reverse: ReverseForward }
  | { event: 'warning'; message: string }
  | { event: 'closed'; reason: string };

export type TellTunnel = (event: TunnelEvent) => void;
