import { afterEach, describe, expect, it } from 'vitest';
import { VastClient } from '../../src/vast/client.ts';
import { createVast, type Vast } from '../../src/vast/vast.ts';
import { VastError } from '../../src/vast/vast-error.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const KEY = 'k3y-that-must-never-be-seen';
const REQUEST = {
  offerId: 77,
  label: 'unique',
  diskGb: 50,
  env: { HF_TOKEN: 'hf_verysecret1', '-p 7860:7860': '1' },
  runtype: 'ssh_direct',
  image: 'vastai/forge',
};
const ROW = { id: 1, label: 'a', actual_status: 'loading', ports: null };

let server: ScriptedServer | null = null;
let vast: Vast | null = null;
const wire: string[] = [];

async function open(
  reply: ConstructorParameters<typeof ScriptedServer>[0],
  clock = new FakeClock(),
  timeoutMs = 400,
): Promise<Vast> {
  server = new ScriptedServer(reply);
  wire.length = 0;
  const client = new VastClient({
    baseUrl: await server.listen(),
    apiKey: () => KEY,
    clock,
    userAgent: 'test',
    timeoutMs,
    random: () => 0.5,
    onWire: (entry) => wire.push(JSON.stringify(entry)),
  });
  vast = createVast(client, clock);
  return vast;
}

afterEach(async () => {
  await vast?.close();
  await server?.close();
});

async function failure(work: Promise<unknown>): Promise<VastError> {
  const error = await work.then(
    (value) => new Error(`answered ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(VastError);
  expect(JSON.stringify(error) + String(error)).not.toContain(KEY);
  return error as VastError;
}

describe('what an answer means', () => {
  it.each([
    [401, { error: 'auth_error', msg: 'Invalid user key' }, 'NOT_SIGNED_IN', 4],
    [404, { error: 'auth_error', msg: 'Invalid user key' }, 'NOT_SIGNED_IN', 4],
    [404, { msg: 'Session expired. Please log in again.' }, 'NOT_SIGNED_IN', 4],
    [401, { msg: 'Two Factor Authentication required' }, 'TWO_FACTOR', 4],
    [403, { error: 'not_authorized', msg: 'no' }, 'NOT_PERMITTED', 4],
    [404, { error: 'no_such_instance', msg: 'gone' }, 'API_NOT_FOUND', 3],
    [400, { error: 'invalid_args', msg: 'bad' }, 'API_REFUSED', 14],
    [400, { error: 'missing_billing', msg: 'add a card' }, 'NO_CREDIT', 6],
    [500, { msg: 'oops' }, 'API_DOWN', 14],
    [200, { success: false, error: 'deprecated_endpoint' }, 'API_REFUSED', 14],
    [200, { instances: 'nonsense' }, 'API_NONSENSE', 14],
    [200, {}, 'API_NONSENSE', 14],
  ])('%i %j is %s, exit %i', async (status, body, code, exit) => {
    const api = await open(() => ({ status, body }));
    const error = await failure(api.instances.get(1));
    expect({ code: error.code, exit: error.exit }).toEqual({ code, exit });
    expect(error.message).toContain('GET /api/v0/instances/{id}/');
  });

  it('a list that is empty by mistake is an error, never "no instances"', async () => {
    for (const body of [
      { success: false, error: 'deprecated_endpoint' },
      { instances: null, total_instances: 3 },
      {},
      { instances: {} },
    ]) {
      const api = await open(() => ({ body }));
      await failure(api.instances.list());
      await api.close();
      await server?.close();
    }
  });

  it('a list with a hole is an error: a page short, or the same token twice', async () => {
    const short = await open(() => ({ body: { instances: [ROW], total_instances: 2, next_token: null } }));
    expect((await failure(short.instances.list())).message).toContain('1 of 2 rows');
    await short.close();
    await server?.close();
    const loop = await open(() => ({ body: { instances: [ROW], total_instances: 2, next_token: 'again' } }));
    expect((await failure(loop.instances.list())).message).toContain('twice');
  });

  it('reads all pages', async () => {
    const api = await open(({ query }) => ({
      body:
        query.get('after_token') === null
          ? { instances: [ROW], next_token: 't', total_instances: 2 }
          : { instances: [{ ...ROW, id: 2 }], next_token: '', total_instances: 2 },
    }));
    expect((await api.instances.list()).map((row) => row.id)).toEqual([1, 2]);
  });

  it('garbage, a cut body, a cut connection and silence are errors with a hint', async () => {
    for (const reply of [{ text: '<html>' }, 'half', 'cut', 'hang'] as const) {
      const api = await open(() => reply, new FakeClock(), 150);
      const error = await failure(api.instances.get(1));
      expect(['API_NONSENSE', 'API_UNREACHABLE']).toContain(error.code);
      expect(error.hint).toBeTruthy();
      await api.close();
      await server?.close();
    }
  });

  it('asks the list for the ports when the single row does not carry a map', async () => {
    const running = { ...ROW, actual_status: 'running', ports: [22, 7860] };
    const api = await open(({ path }) => ({
      body: path.startsWith('/api/v1')
        ? { instances: [{ ...running, ports: { '22/tcp': [{ HostPort: '41022' }] } }], total_instances: 1 }
        : { instances: running },
    }));
    expect((await api.instances.get(1))?.ports).toEqual([{ containerPort: '22/tcp', hostPort: 41022 }]);
  });

  it('strips control characters and bidi overrides from what strangers wrote', async () => {
    const api = await open(() => ({
      body: { instances: { ...ROW, status_msg: '\u001b[31mred\u202e\nline\n', public_ipaddr: '1.2.3.4\n' } },
    }));
    expect(await api.instances.get(1)).toMatchObject({ statusMsg: '[31mred line', publicIpaddr: '1.2.3.4' });
  });
});

describe('what is sent again', () => {
  it('a row that is wanted soon: not even once, and a call that hangs does not keep the next one waiting', async () => {
    const api = await open(
      (_call, nth) => (nth === 1 ? 'hang' : { body: { instances: ROW } }),
      new FakeClock(),
      60_000,
    );
    const limits = { tries: 1, timeoutMs: 100 };
    expect(await failure(api.instances.get(1, limits))).toMatchObject({ exit: 14 });
    expect(await api.instances.get(1, limits)).toMatchObject({ id: 1 });
    expect(server?.calls).toHaveLength(2);
  });

  it.each([
    ['cut'],
    ['hang'],
    ['half'],
    [{ status: 500 }],
    [{ status: 502 }],
    [{ status: 429, text: 'API requests too frequent: endpoint threshold=4.5' }],
    [{ text: 'garbage' }],
    [{ body: { success: false } }],
    [{ body: {} }],
  ] as const)('the renting call never, after %j', async (reply) => {
    const api = await open(() => reply as never, new FakeClock(), 150);
    const error = await failure(api.instances.create(REQUEST));
    expect(server?.calls).toHaveLength(1);
    const executedMaybe =
      !(typeof reply === 'object' && 'status' in reply && reply.status === 429) &&
      !(typeof reply === 'object' && 'body' in reply && 'success' in reply.body);
    expect(error.outcomeUnknown).toBe(executedMaybe);
  });

  it.each([[404], [409], [410]])('an offer that answers %i is gone, exit 5', async (status) => {
    const api = await open(() => ({ status, body: { error: 'no_such_ask', msg: 'gone' } }));
    expect(await failure(api.instances.create(REQUEST))).toMatchObject({ code: 'OFFER_GONE', exit: 5 });
  });

  it('reads are, after what passes, with growing pauses', async () => {
    const clock = new FakeClock();
    const api = await open((_, nth) => (nth < 3 ? { status: 503 } : { body: { instances: null } }), clock);
    expect(await api.instances.get(1)).toBeNull();
    expect(server?.calls).toHaveLength(3);
  });

  it('a 429 waits at least as long as the API says, for any call but the renting one', async () => {
    const clock = new FakeClock();
    const api = await open(
      (_, nth) =>
        nth === 1
          ? { status: 429, text: 'API requests too frequent: endpoint threshold=5.5' }
          : { body: { success: true } },
      clock,
    );
    await api.instances.setState(1, 'stopped');
    expect(Math.max(...clock.sleeps)).toBeGreaterThanOrEqual(5500);
  });

  it('a locked two-factor login is not a rate limit', async () => {
    const api = await open(() => ({ status: 429, body: { error: 'tfa_locked', msg: 'locked' } }));
    await failure(api.account.getUser());
    expect(server?.calls).toHaveLength(1);
  });

  it('a write whose answer never came is not, and says that it may have happened', async () => {
    const api = await open(() => 'cut');
    const error = await failure(api.instances.setState(1, 'running'));
    expect(server?.calls).toHaveLength(1);
    expect(error.outcomeUnknown).toBe(true);
  });

  it('destroying what is gone is done; a 404 about the key is not', async () => {
    const gone = await open(() => ({ status: 404, body: { error: 'no_such_instance', msg: 'not found' } }));
    await gone.instances.destroy(1);
    await gone.close();
    await server?.close();
    const locked = await open(() => ({ status: 404, body: { error: 'auth_error', msg: 'Invalid user key' } }));
    expect((await failure(locked.instances.destroy(1))).exit).toBe(4);
  });
});

describe('pace and secrecy', () => {
  it('two calls of one route keep the documented distance, other routes do not wait', async () => {
    const clock = new FakeClock();
    const api = await open(({ path }) => ({ body: path.includes('current') ? { id: 1 } : { instances: null } }), clock);
    await api.instances.get(1);
    await api.account.getUser();
    expect(clock.sleeps).toEqual([]);
    await api.instances.get(2);
    expect(clock.sleeps).toEqual([2000]);
  });

  it('ten searches a minute pass at once, the eleventh waits', async () => {
    const clock = new FakeClock();
    const api = await open(() => ({ body: { offers: [] } }), clock);
    for (let nth = 0; nth < 10; nth += 1)
      await api.offers.search({ filters: {}, order: [], limit: 1, type: 'on-demand', allocatedStorageGb: 5 });
    expect(clock.sleeps).toEqual([]);
    await api.offers.search({ filters: {}, order: [], limit: 1, type: 'on-demand', allocatedStorageGb: 5 });
    expect(clock.sleeps).toHaveLength(1);
  });

  it('the wire log shows calls but neither key, token, nor values of variables', async () => {
    const api = await open(() => ({ body: { success: true, new_contract: 5, instance_api_key: 'inst-secret' } }));
    expect(await api.instances.create(REQUEST)).toEqual({ contractId: 5 });
    const log = wire.join('\n');
    expect(log).toContain('/api/v0/asks/77/');
    for (const secret of [KEY, 'hf_verysecret1', 'inst-secret']) expect(log).not.toContain(secret);
    expect(server?.calls[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(server?.calls[0]?.body).toMatchObject({ cancel_unavail: true, disk: 50, label: 'unique', env: REQUEST.env });
    expect(server?.calls[0]?.body).not.toHaveProperty('price');
  });

  it('does not carry the key to another host by a redirect, nor to the result store', async () => {
    const api = await open(({ path }) =>
      path.includes('request_logs')
        ? { body: { success: true, result_url: '/store/x' } }
        : path.startsWith('/store')
          ? { text: 'log line' }
          : { status: 302, headers: { location: 'http://127.0.0.1:1/' } },
    );
    await failure(api.account.getUser());
    expect(server?.calls).toHaveLength(1);
    expect(await api.instances.logs(1, { tailLines: 5, daemon: false })).toBe('log line');
    expect(server?.calls.at(-1)?.headers.authorization).toBeUndefined();
  });
});

describe('a renting call that is refused and carried out in one answer', () => {
  const refused = { success: false, error: 'invalid_price', msg: 'Your bid is too low', new_contract: 31 };
  it.each([
    [200, refused, 'BID_TOO_LOW'],
    [400, refused, 'BID_TOO_LOW'],
    [410, { ...refused, error: 'no_such_ask', msg: 'gone', new_contract: '31' }, 'OFFER_GONE'],
    [500, { ...refused, msg: 'internal' }, 'API_DOWN'],
  ])('%i names the contract that is left', async (status, body, code) => {
    const api = await open(() => ({ status, body }));
    expect(await failure(api.instances.create(REQUEST))).toMatchObject({ code, leftContractId: 31 });
    expect(server?.calls).toHaveLength(1);
  });

  it.each([null, 0, -1, 'x', {}, 1.5])('new_contract %j is none', async (none) => {
    const api = await open(() => ({ status: 400, body: { ...refused, new_contract: none } }));
    expect(await failure(api.instances.create(REQUEST))).toMatchObject({ leftContractId: null });
  });

  it('a bid that is not enough is asked to make no contract at all', async () => {
    const api = await open(() => ({ body: { success: true, new_contract: 5 } }));
    await api.instances.create({ ...REQUEST, bidPrice: 0.1 });
    expect(server?.calls[0]?.body).toMatchObject({ cancel_unavail: true, price: 0.1 });
  });

  it('any other call names none', async () => {
    const api = await open(() => ({ status: 400, body: refused }));
    expect(await failure(api.instances.setBid(1, 0.1))).toMatchObject({ leftContractId: null });
  });
});

describe('SSH keys of the account', () => {
  it('are listed without those that were deleted, and with whatever somebody has pasted', async () => {
    const rows = [
      { id: 1, key: 'ssh-ed25519 AAAA\u0007 me\n', created_at: '2026-01-02T03:04:05Z', deleted_at: null },
      { id: 2, public_key: 'ssh-rsa BBBB', created_at: 1_767_323_045, deleted_at: '2026-02-01T00:00:00Z' },
      { id: '3', public_key: '', key: 'not a key', created_at: 1_767_323_045 },
      { id: 4, key: { nested: true }, created_at: 'yesterday' },
    ];
    for (const body of [rows, { keys: rows }]) {
      const api = await open(() => ({ body }));
      expect(await api.sshKeys.list()).toEqual([
        { id: 1, publicKey: 'ssh-ed25519 AAAA  me', createdAt: '2026-01-02T03:04:05.000Z' },
        { id: 3, publicKey: 'not a key', createdAt: '2026-01-02T03:04:05.000Z' },
        { id: 4, publicKey: '', createdAt: null },
      ]);
      await api.close();
      await server?.close();
    }
    await open(() => ({ body: [] }));
  });

  it('404 means none, unless it is about the API key; anything else is no list', async () => {
    const none = await open(() => ({ status: 404, body: { success: false, msg: 'No SSH keys found for the user.' } }));
    expect(await none.sshKeys.list()).toEqual([]);
    await none.close();
    await server?.close();
    const locked = await open(() => ({ status: 404, body: { error: 'auth_error', msg: 'Invalid user key' } }));
    expect(await failure(locked.sshKeys.list())).toMatchObject({ code: 'NOT_SIGNED_IN', exit: 4 });
    await locked.close();
    await server?.close();
    const wrong = await open(() => ({ body: { success: true } }));
    expect(await failure(wrong.sshKeys.list())).toMatchObject({ code: 'API_NONSENSE', exit: 14 });
  });

  it("a team's API key is told to attach the key to instances", async () => {
    const body = { success: false, error: 'team_ssh_keys_not_supported', msg: 'Team SSH keys are not supported.' };
    const api = await open(() => ({ status: 400, body }));
    const error = await failure(api.sshKeys.add('ssh-ed25519 A'));
    expect(error).toMatchObject({ code: 'TEAM_KEYS', exit: 4 });
    expect(error.hint).toContain('forgectl keys attach INSTANCE');
  });
});
