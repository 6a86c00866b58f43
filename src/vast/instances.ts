import type { Clock } from '../clock.js';
import type { VastClient, VastRequest } from './client.js';
import { isRecord } from './client.js';
import type { CreateRequest, Instance, InstanceSshKey } from './model.js';
import { readNothing } from './schema/fields.js';
import { readContract, readInstance, readInstancePage, readResultUrl } from './schema/instance.js';
import { nonsense, VastError } from './vast-error.js';

const LIST = '/api/v1/instances/';
const ONE = '/api/v0/instances/{id}/';
/** The API's maximum a page (vast-api 5.2). */
const PAGE_SIZE = 25;
const MAX_PAGES = 400;

interface LogOptions {
  tailLines: number;
  /** The host's log of the container instead of the container's own. */
  daemon: boolean;
  /** Only lines that hold this text. */
  filter?: string;
}

export function instancesApi(client: VastClient, clock: Clock) {
  const list = (filters: Record<string, unknown> = {}): Promise<Instance[]> => listAll(client, filters);

  /** Whose row has no port map on the route of one instance (traps 10): they are read from the list, which has it. */
  const withoutPorts = new Set<number>();

  /** One row, null when the contract is gone. */
  async function get(
    id: number,
    limits: Pick<VastRequest<unknown>, 'tries' | 'timeoutMs'> = {},
  ): Promise<Instance | null> {
    const listed = withoutPorts.has(id) ? (await list({ id: { eq: id } }))[0] : undefined;
    // Not in the list is asked about once more: "gone" ends a wait for good.
    if (listed !== undefined) return listed;
    const row = await client.request({
      method: 'GET',
      route: ONE,
      params: { id },
      query: { owner: 'me' },
      read: readInstance,
      ...limits,
    });
    if (row === null || row.ports !== null || row.actualStatus !== 'running') return row;
    withoutPorts.add(id);
    return (await list({ id: { eq: id } }))[0] ?? row;
  }

  const put = (route: string, id: number, body: unknown): Promise<undefined> =>
    client.request({ method: 'PUT', route, params: { id }, body, read: readNothing });

  return {
    list: () => list(),
    get,
    findByLabel: (label: string) => list({ label: { eq: label } }),
    create: (request: CreateRequest) => create(client, request),
    setState: (id: number, state: 'running' | 'stopped') => put(ONE, id, { state }),
    setLabel: (id: number, label: string) => put(ONE, id, { label }),
    /** $/hour for the whole machine. */
    setBid: (id: number, price: number) => put('/api/v0/instances/bid_price/{id}/', id, { client_id: 'me', price }),
    reboot: (id: number) => put('/api/v0/instances/reboot/{id}/', id, {}),
    recycle: (id: number) => put('/api/v0/instances/recycle/{id}/', id, {}),
    destroy: (id: number) => destroy(client, id),
    async attachKey(id: number, publicKey: string): Promise<void> {
      await client.request({
        method: 'POST',
        route: '/api/v0/instances/{id}/ssh/',
        params: { id },
        body: { ssh_key: publicKey },
        read: readNothing,
      });
    },
    async detachKey(id: number, keyId: number): Promise<void> {
      await client.request({
        method: 'DELETE',
        route: '/api/v0/instances/{id}/ssh/{key}/',
        params: { id, key: keyId },
        read: readNothing,
      });
    },
    /** The keys of the instance; the API sends a JSON string inside JSON (vast-api 7). */
    async listKeys(id: number): Promise<InstanceSshKey[]> {
      return client.request({
        method: 'GET',
        route: '/api/v0/instances/{id}/ssh/',
        params: { id },
        read: readInstanceKeys,
      });
    },
    /** Container output (or the host daemon's); null when the store did not have it in time. */
    logs: (id: number, options: LogOptions) => requestLogs(client, clock, id, options),
    /** `ls` or `du` on the machine's files, also of one that is stopped (vast-api 6.1); null as for `logs`. No quoting. */
    async look(id: number, command: string): Promise<string | null> {
      const { result_url: url } = await client.request({
        method: 'PUT',
        route: '/api/v0/instances/command/{id}/',
        params: { id },
        body: { command },
        read: readResultUrl,
      });
      return awaitResult(client, clock, { url, limitMs: LOOK_LIMIT_MS });
    },
  };
}

async function listAll(client: VastClient, filters: Record<string, unknown>): Promise<Instance[]> {
  const rows = new Map<number, Instance>();
  const tokens = new Set<string>();
  let token: string | undefined;
  let total: number | null = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await client.request({
      method: 'GET',
      route: LIST,
      query: {
        limit: PAGE_SIZE,
        order_by: [{ col: 'id', dir: 'asc' }],
        ...(Object.keys(filters).length === 0 ? {} : { select_filters: filters }),
        ...(token === undefined ? {} : { after_token: token }),
      },
      read: readInstancePage,
    });
    for (const row of answer.instances ?? []) rows.set(row.id, row);
    total = answer.total_instances ?? total;
    if (answer.instances === null && (answer.total_instances ?? 0) > 0)
      throw incomplete(`no rows, though it counts ${answer.total_instances}`);
    const next = answer.next_token ?? '';
    if (next === '') {
      // A machine may be destroyed between two pages; on a single page the counts must agree.
      if (page === 0 && total !== null && rows.size < total)
        throw incomplete(`${rows.size} of ${total} rows and no further page`);
      return [...rows.values()];
    }
    if (tokens.has(next)) throw incomplete('the same page token came twice');
    tokens.add(next);
    token = next;
  }
  throw incomplete(`more than ${MAX_PAGES} pages`);
}

/** A list with a hole is an error: a missing instance goes on billing unseen. */
function incomplete(why: string): VastError {
  return nonsense(
    { method: 'GET', route: LIST, status: 200, apiError: null, apiMessage: null },
    `the list is not complete: ${why}`,
    false,
  );
}

/** vast-api 4: `cancel_unavail` true, or a machine without a free GPU becomes a stopped contract that bills its disk. */
async function create(client: VastClient, request: CreateRequest): Promise<{ contractId: number }> {
  const { offerId, label, image, templateHashId, diskGb, env, runtype, onstart, bidPrice } = request;
  const { new_contract: contractId } = await client.request({
    method: 'PUT',
    route: '/api/v0/asks/{id}/',
    params: { id: offerId },
    body: {
      client_id: 'me',
      ...(image === undefined ? {} : { image }),
      ...(templateHashId === undefined ? {} : { template_hash_id: templateHashId }),
      disk: diskGb,
      env,
      runtype,
      ...(onstart === undefined ? {} : { onstart }),
      label,
      target_state: 'running',
      cancel_unavail: true,
      ...(bidPrice === undefined ? {} : { price: bidPrice }),
    },
    read: readContract,
  });
  return { contractId };
}

/** Gone already is done. Only a 404 about the instance counts: a 404 can also mean a bad key (traps 12). */
async function destroy(client: VastClient, id: number): Promise<void> {
  try {
    await client.request({ method: 'DELETE', route: ONE, params: { id }, body: {}, read: readNothing });
  } catch (error) {
    if (!(error instanceof VastError) || error.code !== 'API_NOT_FOUND') throw error;
  }
}

function readInstanceKeys(body: unknown): InstanceSshKey[] {
  const held = isRecord(body) ? body['ssh_keys'] : null;
  const parsed: unknown = typeof held === 'string' ? JSON.parse(held === '' ? '[]' : held) : held;
  if (!Array.isArray(parsed)) throw new Error('ssh_keys: not a list');
  return parsed.map((key) => {
    if (!isRecord(key)) return { id: null, publicKey: String(key) };
    const { id } = key;
    return {
      id: typeof id === 'number' ? id : null,
      publicKey: String(key['public_key'] ?? key['key'] ?? key['ssh_key'] ?? ''),
    };
  });
}

/** The store answers 404 until the host has written the file; the official client gives up after 9 s, which is too early. */
const RESULT_LIMIT_MS = 45_000;
/** A tree of a hundred thousand files on a slow disk. */
const LOOK_LIMIT_MS = 5 * 60_000;
const FIRST_RESULT_MS = 2_000;
const RESULT_POLL_MS = 1_000;

async function requestLogs(client: VastClient, clock: Clock, id: number, options: LogOptions): Promise<string | null> {
  const { tailLines, daemon, filter } = options;
  const { result_url: url } = await client.request({
    method: 'PUT',
    route: '/api/v0/instances/request_logs/{id}/',
    params: { id },
    // Values are strings on this route (vast-api 6.2).
    body: {
      tail: String(tailLines),
      ...(filter === undefined ? {} : { filter }),
      ...(daemon ? { daemon_logs: 'true' } : {}),
    },
    read: readResultUrl,
  });
  return awaitResult(client, clock, { url, limitMs: RESULT_LIMIT_MS });
}

async function awaitResult(
  client: VastClient,
  clock: Clock,
  { url, limitMs }: { url: string; limitMs: number },
): Promise<string | null> {
  const deadlineMs = clock.now() + limitMs;
  // The host needs a moment: an earlier look would only spend a call.
  for (let waitMs = FIRST_RESULT_MS; clock.now() < deadlineMs; waitMs = RESULT_POLL_MS) {
    await client.wait(waitMs);
    const text = await client.fetchResult(url);
    if (text !== null) return text;
  }
  return null;
}
