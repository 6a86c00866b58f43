import { formatDuration } from '../ui/format.js';
import type { ForgeContext } from './context.js';
import { askTunnel, type TunnelStatus } from './tunnel-control.js';
import { type ForwardDocument, formatBytes, rounded } from './tunnel-output.js';
import { type TunnelEntry, TunnelRegistry } from './tunnel-registry.js';

/** One forward of a background tunnel, as `tunnel ls` prints it. */
export interface TunnelRow extends Omit<ForwardDocument, 'local' | 'local_port'> {
  instance_id: number;
  label: string | null;
  local: string | null;
  round_trip_ms: number | null;
  via: string | null;
  address: string | null;
  reconnects: number;
  last_error: string | null;
  pid: number;
}

export async function tunnelRows(context: ForgeContext): Promise<TunnelRow[]> {
  const entries = new TunnelRegistry(context.paths.stateDir, context.name).list();
  const rows = await Promise.all(
    entries.map(async (entry) => rowsOf(await askTunnel(entry.socket, { do: 'status' }).catch(() => silent(entry)))),
  );
  return rows.flat();
}

function silent(entry: TunnelEntry): TunnelStatus {
  const { instance_id, label, pid, since } = entry;
  const nothing = { address: null, via: null, round_trip_ms: null, last_error: null, reconnects: 0 };
  return { instance_id, label, pid, since, state: 'silent', ...nothing, forwards: [], reverse: [] };
}

function rowsOf(status: TunnelStatus): TunnelRow[] {
  const { instance_id, label, pid, state, since, round_trip_ms, via, address, reconnects, last_error } = status;
  const last = last_error?.message ?? null;
  const shared = { instance_id, label, round_trip_ms, via, address, reconnects, last_error: last, pid };
  if (status.forwards.length > 0)
    return status.forwards.map(({ local_port: _port, ...forward }) => ({ ...shared, ...forward }));
  const counts = { bytes_up: 0, bytes_down: 0, connections_open: 0, connections_total: 0 };
  return [{ ...shared, ...counts, service: null, local: null, remote: null, url: null, state, since, reason: null }];
}

export function tunnelTable(rows: readonly TunnelRow[], context: ForgeContext): Promise<string> {
  return context.table(rows, [
    { header: 'INSTANCE', value: (row) => row.label ?? String(row.instance_id) },
    { header: 'SERVICE', value: (row) => row.service ?? row.remote ?? '-' },
    { header: 'LOCAL', value: (row) => row.url ?? row.local ?? '-' },
    { header: 'STATE', value: (row) => row.state },
    { header: 'FOR', value: (row) => formatDuration(Date.now() - Date.parse(row.since)), align: 'right', priority: 3 },
    { header: 'DOWN', value: (row) => formatBytes(row.bytes_down), align: 'right', priority: 4 },
    { header: 'UP', value: (row) => formatBytes(row.bytes_up), align: 'right', priority: 5 },
    { header: 'OPEN', value: (row) => String(row.connections_open), align: 'right', priority: 7 },
    {
      header: 'RTT',
      value: (row) => (row.round_trip_ms === null ? '-' : `${rounded(row.round_trip_ms)} ms`),
      align: 'right',
      priority: 2,
    },
    { header: 'LAST ERROR', value: (row) => row.reason ?? row.last_error ?? '', priority: 6 },
  ]);
}
