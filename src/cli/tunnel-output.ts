import { cleanLine } from '../ui/sanitize.js';
import type { TunnelEvent } from '../workflows/tunnel/events.js';
import type { LocalForward } from '../workflows/tunnel/local-forward.js';
import type { ReverseForward } from '../workflows/tunnel/reverse-forward.js';
import type { Tunnel } from '../workflows/tunnel/tunnel.js';
import type { TunnelStatus } from './tunnel-control.js';
import { shellWord } from './typed-command.js';

/** One forward as data. */
export interface ForwardDocument {
  service: string | null;
  local: string;
  local_port: number | null;
  /** Null for a SOCKS proxy. */
  remote: string | null;
  /** Jupyter's holds its token only where it may be shown. */
  url: string | null;
  state: string;
  since: string;
  reason: string | null;
  bytes_up: number;
  bytes_down: number;
  connections_open: number;
  connections_total: number;
}

export function forwardDocument(tunnel: Tunnel, forward: LocalForward, token: string | null): ForwardDocument {
  const { end, service, traffic, reason, target } = forward;
  const { state, sinceMs } = tunnel.stateOf(forward);
  return {
    service: service?.name ?? (target === null ? 'socks' : null),
    local: forward.local,
    local_port: end.kind === 'tcp' ? end.port : null,
    remote: forward.remote,
    url: urlOf(forward, token),
    state,
    since: new Date(sinceMs).toISOString(),
    reason: reason === null ? null : cleanLine(reason),
    bytes_up: traffic.bytesUp,
    bytes_down: traffic.bytesDown,
    connections_open: traffic.open,
    connections_total: traffic.total,
  };
}

/** A port of the machine that leads here. */
export interface ReverseDocument {
  remote: string;
  local: string;
  state: string;
  reason: string | null;
  bytes_up: number;
  bytes_down: number;
  connections_open: number;
  connections_total: number;
}

export function reverseDocument({ remote, local, port, reason, traffic }: ReverseForward): ReverseDocument {
  return {
    remote,
    local,
    state: port === null ? 'waiting' : 'ready',
    reason,
    bytes_up: traffic.bytesUp,
    bytes_down: traffic.bytesDown,
    connections_open: traffic.open,
    connections_total: traffic.total,
  };
}

export function urlOf({ url }: { url: string | null }, token: string | null): string | null {
  return url === null ? null : tokenUrl(url, token);
}

/** The platform's Jupyter, the only page with TLS of its own, asks for the token. Null when it must not be shown. */
function tokenUrl(url: string, token: string | null): string {
  return token === null || !url.startsWith('https:') ? url : `${url}/?token=${encodeURIComponent(token)}`;
}

/** A background tunnel does not know the token: whoever shows it, does. */
export function withToken(status: TunnelStatus, token: string | null): TunnelStatus {
  return { ...status, forwards: status.forwards.map((forward) => ({ ...forward, url: urlOf(forward, token) })) };
}

export function detachedLines({ forwards, label, instance_id: id }: TunnelStatus): string[] {
  const lines = forwards.map(({ service, remote, url, local, state }) => {
    const name = service ?? remote ?? local;
    return `${name}  ${url ?? local}${state === 'ready' ? '' : `  (${state})`}`;
  });
  const waits = forwards.some(({ state }) => state !== 'ready');
  return waits ? [...lines, `Until it answers: forgectl tunnel wait ${shellWord(label ?? String(id))}`] : lines;
}

/** An event as `--events` prints it: name, then keys. */
export function eventDocument(event: TunnelEvent, tunnel: Tunnel): [string, Record<string, unknown>] {
  const { event: name } = event;
  const { instance } = tunnel.line;
  if (name === 'listening' || name === 'ready')
    return [
      name,
      {
        ...forwardDocument(tunnel, event.forward, instance.jupyterToken),
        ...(name === 'ready' ? { http_status: event.httpStatus } : {}),
      },
    ];
  if (name === 'connecting') return [name, { instance_id: instance.id, attempt: event.attempt }];
  if (name === 'retrying')
    return [
      name,
      {
        attempt: event.attempt,
        in_s: seconds(event.inMs),
        code: event.error.code,
        message: event.error.message,
      },
    ];
  if (name === 'connected' || name === 'reconnected')
    return [
      name,
      {
        address: event.address,
        via: event.via,
        round_trip_ms: rounded(event.roundTripMs),
        ...(name === 'reconnected' ? { after_s: seconds(event.afterMs) } : {}),
      },
    ];
  if (name === 'not_ready')
    return [
      name,
      {
        service: event.forward.service?.name ?? null,
        local: event.forward.local,
        stage: event.stage,
        reason: cleanLine(event.reason),
        log_tail: event.logTail.map(cleanLine),
      },
    ];
  if (name === 'reverse_ready' || name === 'reverse_refused') return [name, { ...reverseDocument(event.reverse) }];
  if (name === 'warning') return [name, { message: event.message }];
  return [name, name === 'recovered' ? {} : { reason: event.reason }];
}

export function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 10) / 10;
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}

/** 1.2 MB */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
