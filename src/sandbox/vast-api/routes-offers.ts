import type { World } from '../world.js';
import { type Answer, ok, type Route, refuse } from './answers.js';
import type { Contracts } from './contracts.js';
import { readEnv } from './launch-fields.js';
import type { Market } from './market.js';

interface Deps {
  world: World;
  market: Market;
  contracts: Contracts;
}

const RUNTYPES = ['ssh', 'jupyter', 'args', 'ssh_proxy', 'ssh_direct', 'jupyter_proxy', 'jupyter_direct'];
/** Spellings that the official client sends (vast-api 4.2). */
const HISTORIC_RUNTYPES = ['jupyter_direc ssh_direc ssh_proxy', 'jupyter_proxy ssh_proxy', 'ssh_direc ssh_proxy'];
const MAX_SCRIPT = 4096;

export function offerRoutes(deps: Deps): Route[] {
  const { market, world } = deps;
  return [
    {
      method: 'POST',
      path: '/api/v0/bundles/',
      scope: 'misc',
      perMinute: 10,
      handle: ({ body }) => ok({ offers: market.search(body) }),
    },
    {
      method: 'PUT',
      path: '/api/v0/search/asks/',
      scope: 'misc',
      perMinute: 10,
      handle: ({ body }) => ok({ offers: market.search((body['q'] ?? {}) as Record<string, unknown>) }),
    },
    {
      method: 'GET',
      path: '/api/v0/gpu_names/unique/',
      scope: 'open',
      handle: () =>
        ok({ gpu_names: [...new Set(market.search({ limit: 10_000 }).map((row) => row['gpu_name']))].sort() }),
    },
    {
      method: 'PUT',
      path: '/api/v0/asks/{id}/',
      scope: 'instance_write',
      threshold: 4.5,
      handle: ({ params, body }) => rent(deps, Number(params['id']), body),
    },
    {
      method: 'POST',
      path: '/api/v0/asks/bulk/',
      scope: 'instance_write',
      threshold: 4.5,
      handle: ({ body }) => {
        const ids = Array.isArray(body['ids']) ? body['ids'].map(Number) : [];
        if (ids.length === 0 || ids.length > 64)
          return refuse(400, 'invalid_args', "Invalid args: 'ids' must hold 1 to 64 offers");
        const results = ids.map((id) => ({ ask_id: id, ...(rent(deps, id, body).body as object) }));
        return ok({ success: true, results });
      },
    },
    {
      method: 'PUT',
      path: '/api/v0/launch_instance/',
      scope: 'instance_write',
      threshold: 5,
      handle: ({ body }) => {
        const [first] = market.search({ ...((body['q'] ?? {}) as Record<string, unknown>), limit: 1 });
        return first === undefined
          ? refuse(404, 'no_such_ask', 'No offer matches')
          : rent({ ...deps, world }, Number(first['id']), body);
      },
    },
  ];
}

/** vast-api 4. The answer of `PUT /asks/{id}/`. */
function rent({ world, market, contracts }: Deps, offerId: number, body: Record<string, unknown>): Answer {
  const template = findTemplate(world, body['template_hash_id']);
  if (template === undefined) return refuse(400, 'invalid_args', 'error 400/3471: Invalid template_hash_id');
  const wrong = checkFields(body, template);
  if (wrong !== null) return refuse(400, wrong.error, wrong.msg, { ask_id: offerId });
  const ask = market.available(offerId);
  if (ask === undefined) {
    return refuse(404, 'invalid_args', `error 404/3603: no_such_ask Instance type by id ${offerId} is not available.`, {
      ask_id: offerId,
    });
  }
  const bid = typeof body['price'] === 'number' ? body['price'] : null;
  const unavailable = bid !== null && bid < ask.row.min_bid;
  if (unavailable && body['cancel_unavail'] === true) {
    return refuse(410, 'no_such_ask', `error 410/3907: no_such_ask Instance type ${offerId} is no longer available.`, {
      ask_id: offerId,
    });
  }
  const disk = diskOf(body, template);
  if (disk > ask.row.disk_space)
    return refuse(400, 'invalid_args', `error 400/3479: disk ${disk} GB is more than the offer has`, {
      ask_id: offerId,
    });
  if (world.state.user.creditUsd <= 0)
    return refuse(400, 'insufficient_credit', 'Your account has insufficient credit. Please add credit.', {
      ask_id: offerId,
    });
  const contract = contracts.create({
    offerId,
    label: typeof body['label'] === 'string' && body['label'] !== '' ? body['label'] : null,
    image: imageOf(body, template),
    runtype: String(body['runtype'] ?? (body['args'] || body['args_str'] ? 'args' : 'ssh')),
    onstart: String(body['onstart'] ?? template?.['onstart'] ?? ''),
    env: { ...readEnv(template?.['env']), ...readEnv(body['env']) },
    template,
    diskGb: disk,
    bidPrice: bid,
    start: !unavailable && body['target_state'] !== 'stopped',
  });
  return ok({ success: true, new_contract: contract.id, instance_api_key: contract.apiKey });
}

/** Null: none was asked for. Undefined: there is no such template. */
function findTemplate(world: World, hash: unknown): Record<string, unknown> | null | undefined {
  if (hash === undefined || hash === null || hash === '') return null;
  return world.state.templates.find((template) => template['hash_id'] === hash);
}

function checkFields(
  body: Record<string, unknown>,
  template: Record<string, unknown> | null,
): { error: string; msg: string } | null {
  const bad = (msg: string) => ({ error: 'invalid_args', msg: `error 400/3467: Invalid args: ${msg}` });
  const { image, label, disk, runtype, price, onstart, env } = body;
  if (template === null && (typeof image !== 'string' || image === '')) return bad("'image' is required");
  if (typeof image === 'string' && image.length > 1024) return bad("'image' is too long");
  if (label !== undefined && label !== null && (typeof label !== 'string' || label.length > 256))
    return bad("'label' must be a string of at most 256 characters");
  if (disk !== undefined && disk !== null && (typeof disk !== 'number' || disk < 8))
    return bad("'disk' must be a number of at least 8");
  if (runtype !== undefined && runtype !== null && ![...RUNTYPES, ...HISTORIC_RUNTYPES].includes(String(runtype)))
    return bad("'runtype' is not known");
  if (price !== undefined && price !== null && (typeof price !== 'number' || price < 0.001 || price > 128))
    return { error: 'invalid_price', msg: 'error 400/3468: Invalid price' };
  if (String(onstart ?? '').length + String(body['args_str'] ?? '').length > MAX_SCRIPT)
    return bad("'onstart' is too long");
  if (env !== undefined && env !== null && typeof env !== 'string' && (typeof env !== 'object' || Array.isArray(env)))
    return bad("'env' must be an object");
  const long = Object.entries(readEnv(env)).find(([, value]) => value.length > 256);
  return long === undefined ? null : bad(`value of '${long[0]}' is longer than 256 characters`);
}

function imageOf(body: Record<string, unknown>, template: Record<string, unknown> | null): string {
  if (typeof body['image'] === 'string' && body['image'] !== '') return body['image'];
  const { image, tag } = template as { image: string; tag?: string };
  return tag === undefined || tag === '' || image.includes(':') ? image : `${image}:${tag}`;
}

/** API default 8 GB; a template's recommendation counts when the request does not say (traps 2). */
function diskOf(body: Record<string, unknown>, template: Record<string, unknown> | null): number {
  if (typeof body['disk'] === 'number') return body['disk'];
  const recommended = template?.['recommended_disk_space'];
  return typeof recommended === 'number' ? recommended : 8;
}
