import type { Contract, World } from '../world.js';
import { type Answer, jsonQuery, numberQuery, ok, type Route, refuse } from './answers.js';
import type { Contracts } from './contracts.js';
import type { Copies } from './copies.js';
import type { FaultList } from './faults.js';
import { BadRequest, type Filter, matches, sortRows } from './filter.js';
import { instanceRow } from './instance-row.js';
import type { Market } from './market.js';
import { bidRoutes } from './routes-bids.js';

interface Deps {
  world: World;
  market: Market;
  contracts: Contracts;
  copies: Copies;
  faults: FaultList;
}

/** Computed columns cannot be filtered (published spec: show instances). */
const COMPUTED = new Set([
  'dph_total',
  'dph_base',
  'num_gpus',
  'duration',
  'ports',
  'uptime_mins',
  'storage_total_cost',
]);
const MAX_PAGE = 25;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a table, one entry a route
export function instanceRoutes(deps: Deps): Route[] {
  const { world } = deps;
  /** Wraps a handler that needs a living contract. */
  const on =
    (handle: (contract: Contract, body: Record<string, unknown>) => Answer) =>
    ({ params, body }: { params: Record<string, string>; body: Record<string, unknown> }): Answer => {
      const contract = world.find(Number(params['id']));
      return contract === undefined
        ? refuse(404, 'no_such_instance', `Instance ${params['id']} not found.`)
        : handle(contract, body);
    };
  const instance = '/api/v0/instances/{id}/';
  const write = { scope: 'instance_write', instanceKey: true } as const;
  return [
    {
      method: 'GET',
      path: '/api/v1/instances/',
      scope: 'instance_read',
      threshold: 1,
      handle: ({ query }) => listPage(deps, query),
    },
    {
      method: 'GET',
      path: '/api/v0/instances/',
      scope: 'instance_read',
      handle: () => ok({ success: false, error: 'deprecated_endpoint', msg: 'Use /api/v1/instances/' }),
    },
    {
      method: 'GET',
      path: instance,
      scope: 'instance_read',
      threshold: 2,
      instanceKey: true,
      handle: ({ params }) => ok({ instances: single(deps, Number(params['id'])) }),
    },
    {
      method: 'PUT',
      path: instance,
      ...write,
      threshold: 1,
      handle: on((contract, body) => change(deps, contract, body)),
    },
    {
      method: 'DELETE',
      path: instance,
      ...write,
      threshold: 3,
      handle: on((contract) => done(() => deps.contracts.destroy(contract))),
    },
    {
      method: 'PUT',
      path: '/api/v0/instances/reboot/{id}/',
      ...write,
      threshold: 1,
      handle: on((contract) => whenRunning(contract, () => deps.contracts.reboot(contract))),
    },
    {
      method: 'PUT',
      path: '/api/v0/instances/recycle/{id}/',
      scope: 'instance_write',
      threshold: 1,
      handle: on((contract) => whenRunning(contract, () => deps.contracts.recycle(contract))),
    },
    {
      method: 'PUT',
      path: '/api/v0/instances/',
      scope: 'instance_write',
      threshold: 1,
      handle: ({ body }) => many(deps, body['ids'], (contract) => change(deps, contract, { state: body['state'] })),
    },
    {
      method: 'POST',
      path: '/api/v0/instances/start/',
      scope: 'instance_write',
      threshold: 2,
      handle: ({ body }) =>
        many(deps, body['IDs'] ?? body['ids'], (contract) => change(deps, contract, { state: 'running' })),
    },
    {
      method: 'DELETE',
      path: '/api/v0/instances/',
      scope: 'instance_write',
      threshold: 3,
      handle: ({ body }) =>
        many(deps, body['instance_ids'], (contract) => done(() => deps.contracts.destroy(contract))),
    },
    {
      method: 'GET',
      path: '/api/v0/instances/balance/{id}/',
      scope: 'instance_read',
      threshold: 3,
      handle: on((contract) => ok({ success: true, instance_id: contract.id, balance: 0 })),
    },
    {
      method: 'PUT',
      path: '/api/v0/instances/prepay/{id}/',
      scope: 'instance_write',
      threshold: 2,
      handle: on(() => refuse(411, 'insufficient_credit', 'The sandbox takes no deposits.')),
    },
    ...keyRoutes(deps, on),
    ...bidRoutes(deps),
  ];
}

type On = (handle: (contract: Contract, body: Record<string, unknown>) => Answer) => Route['handle'];

function keyRoutes({ world, contracts }: Deps, on: On): Route[] {
  const path = '/api/v0/instances/{id}/ssh/';
  return [
    // A JSON string inside JSON (vast-api 7).
    {
      method: 'GET',
      path,
      scope: 'instance_read',
      handle: on((contract) =>
        ok({
          success: true,
          ssh_keys: JSON.stringify(contract.keys.map(({ id, publicKey }) => ({ id, public_key: publicKey }))),
        }),
      ),
    },
    {
      method: 'POST',
      path,
      scope: 'instance_write',
      handle: on((contract, body) => {
        const key = String(body['ssh_key'] ?? '').trim();
        if (!/^(ssh|ecdsa|sk-)\S* \S+/u.test(key)) return refuse(400, 'invalid_args', 'Invalid ssh key');
        if (!contract.keys.some(({ publicKey }) => publicKey === key))
          contract.keys.push({ id: world.newId(), publicKey: key });
        contracts.setKeys(contract);
        return ok({ success: true, msg: 'SSH key added to instance.' });
      }),
    },
    {
      method: 'DELETE',
      path: '/api/v0/instances/{id}/ssh/{key}/',
      scope: 'instance_write',
      threshold: 2,
      handle: ({ params }) => {
        const contract = world.find(Number(params['id']));
        if (contract === undefined) return refuse(404, 'no_such_instance', 'Instance not found.');
        const left = contract.keys.filter(({ id }) => String(id) !== params['key']);
        if (left.length === contract.keys.length) return refuse(404, 'no_such_ssh_key', 'SSH key not found.');
        contract.keys = left;
        contracts.setKeys(contract);
        return ok({ success: true, msg: 'SSH key removed.' });
      },
    },
  ];
}

/** Unknown ids are null with 200. The port map is missing here on half of the hosts (traps 10). */
function single(deps: Deps, id: number): Record<string, unknown> | null {
  const contract = deps.world.find(id);
  if (contract === undefined) return null;
  const row = instanceRow(contract, deps);
  const hasMap = contract.machineId % 2 === 0;
  return hasMap || row['ports'] === null
    ? row
    : { ...row, ports: Object.keys(row['ports'] as object).map(Number.parseInt) };
}

function change({ world, contracts }: Deps, contract: Contract, body: Record<string, unknown>): Answer {
  const { state, label } = body;
  if (label !== undefined) {
    if (typeof label !== 'string' || label.length > 1024) return refuse(400, 'label_too_long', 'Label is too long');
    return done(() => {
      contract.label = label === '' ? null : label;
      world.save();
    });
  }
  if (state === 'stopped') return done(() => contracts.stop(contract));
  if (state !== 'running') return refuse(400, 'invalid_args', "Invalid args: 'state' must be running or stopped");
  if (world.state.user.creditUsd <= 0) return refuse(400, 'missing_billing', 'Your account has insufficient credit.');
  return done(() => contracts.start(contract));
}

function done(act: () => void): Answer {
  act();
  return ok({ success: true });
}

function whenRunning(contract: Contract, act: () => void): Answer {
  return contract.phase === 'running' ? done(act) : refuse(400, 'invalid_args', 'The instance is not running.');
}

function many({ world }: Deps, ids: unknown, act: (contract: Contract) => Answer): Answer {
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > 100)
    return refuse(400, 'invalid_args', 'Invalid args: 1 to 100 ids are needed');
  const found = ids.map((id) => world.find(Number(id)));
  const missing = ids.filter((_, index) => found[index] === undefined);
  if (missing.length > 0) return refuse(404, 'no_such_instance', `Instances not found: ${missing.join(', ')}`);
  for (const contract of found) if (contract !== undefined) act(contract);
  return ok({ success: true, updated: ids });
}

/** Keyset pages: the token holds the last row's place. */
function listPage(deps: Deps, query: URLSearchParams): Answer {
  const all = deps.world.living().map((contract) => instanceRow(contract, deps));
  const filter = (jsonQuery(query, 'select_filters') ?? {}) as Filter;
  for (const column of Object.keys(filter)) {
    if (COMPUTED.has(column) || (all[0] !== undefined && !Object.hasOwn(all[0], column)))
      throw new BadRequest(`Column '${column}' cannot be filtered`);
  }
  const order = jsonQuery(query, 'order_by') ?? [];
  if (!Array.isArray(order)) throw new BadRequest('Invalid order_by');
  const rows = sortRows(
    all.filter((row) => matches(row, filter)),
    [...(order as unknown[]), { col: 'id', dir: 'asc' }],
  );
  const asked = numberQuery(query, 'limit', MAX_PAGE);
  const limit = asked <= 0 ? 5 : Math.min(MAX_PAGE, asked);
  const from = startOf(rows, query.get('after_token'));
  const page = rows.slice(from, from + limit);
  const counts: Record<string, number> = {};
  for (const row of rows) counts[String(row['label'] ?? '')] = (counts[String(row['label'] ?? '')] ?? 0) + 1;
  const last = page.at(-1);
  return ok({
    success: true,
    instances_found: page.length,
    total_instances: rows.length,
    label_counts: counts,
    next_token:
      last !== undefined && from + limit < rows.length
        ? Buffer.from(JSON.stringify({ values: { id: last['id'] } })).toString('base64')
        : null,
    instances: selectColumns(page, jsonQuery(query, 'select_cols')),
  });
}

function startOf(rows: Record<string, unknown>[], token: string | null): number {
  if (token === null || token === '') return 0;
  try {
    const { values } = JSON.parse(Buffer.from(token, 'base64').toString('utf8')) as { values: { id: number } };
    const at = rows.findIndex((row) => row['id'] === values.id);
    if (at >= 0) return at + 1;
    // The row was destroyed meanwhile: go on with the ids above it.
    const next = rows.findIndex((row) => Number(row['id']) > values.id);
    return next === -1 ? rows.length : next;
  } catch {
    throw new BadRequest('invalid_token');
  }
}

function selectColumns(rows: Record<string, unknown>[], columns: unknown): Record<string, unknown>[] {
  if (!Array.isArray(columns) || columns.includes('*')) return rows;
  return rows.map((row) => Object.fromEntries(columns.map((column: string) => [column, row[column] ?? null])));
}
