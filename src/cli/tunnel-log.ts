import { appendFileSync, renameSync, statSync } from 'node:fs';
import { cleanLine } from '../ui/sanitize.js';
import type { TunnelEvent } from '../workflows/tunnel/events.js';
import { rounded } from './tunnel-output.js';

const LARGEST_LOG = 1024 * 1024;

/** Lines with their time; a file that has grown large is put aside once. */
export function writeTunnelLog(file: string, text: string): void {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LARGEST_LOG) renameSync(file, `${file}.old`);
  appendFileSync(file, `${new Date().toISOString()} ${cleanLine(text)}\n`, { mode: 0o600 });
}

/** An event as one line; null for what is not worth one. */
export function logLine(event: TunnelEvent): string | null {
  switch (event.event) {
    case 'listening': {
      const { local, name, remote } = event.forward;
      return `listening on ${local} for ${name}${remote === null ? '' : ` (${remote})`}`;
    }
    case 'connecting':
      return event.attempt === 1 ? 'connecting' : null;
    case 'retrying':
      return `try ${event.attempt} failed: ${event.error.message} Again in ${Math.round(event.inMs / 100) / 10} s`;
    case 'connected':
    case 'reconnected':
      return `${event.event} (${event.via}, ${event.address}, round trip ${rounded(event.roundTripMs)} ms)`;
    case 'not_ready':
      return `${event.forward.name} does not answer yet: ${event.stage}: ${event.reason}`;
    case 'ready':
      return `${event.forward.name} is ready${event.httpStatus === null ? '' : ` (HTTP ${event.httpStatus})`}`;
    case 'reverse_ready':
      return `${event.reverse.remote} of the machine leads to ${event.reverse.local}`;
    case 'reverse_refused':
      return `the machine does not open ${event.reverse.remote}; it is tried again`;
    case 'warning':
      return `warning: ${event.message}`;
    case 'recovered':
      return 'the connection answers again';
    default:
      return `${event.event}: ${event.reason}`;
  }
}
