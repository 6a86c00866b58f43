import { afterEach, describe, expect, it } from 'vitest';
import { VastClient } from '../../src/vast/client.ts';
import { createVast, type Vast } from '../../src/vast/vast.ts';
import { VastError } from '../../src/vast/vast-error.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const DAY_MS = 86_400_000;
const RANGE = { firstDayMs: 20_000 * DAY_MS, lastDayMs: 20_001 * DAY_MS };
const ROW = {
  start: 20_000 * 86_400,
  end: 20_001 * 86_400,
  type: 'instance',
  source: 'instance-12345678',
  amount: 1.25,
  metadata: { label: 'my\u001bforge\n' },
  items: [
    { type: 'gpu', amount: 1 },
    { type: 'disk', amount: 0.2 },
    { type: 'bwd', amount: 0.05 },
  ],
};

let server: ScriptedServer;
let vast: Vast;

async function open(reply: ConstructorParameters<typeof ScriptedServer>[0]): Promise<Vast> {
  server = new ScriptedServer(reply);
  const clock = new FakeClock();
  const client = new VastClient({
    baseUrl: await server.listen(),
    apiKey: () => 'k',
    clock,
    userAgent: 'test',
    timeoutMs: 300,
    random: () => 0,
  });
  vast = createVast(client, clock);
  return vast;
}

afterEach(async () => {
  await vast.close();
  await server.close();
});

const page = (results: unknown[], more: Record<string, unknown> = {}) => ({
  body: { success: true, count: results.length, total: results.length, next_token: null, results, ...more },
});

describe('the bill', () => {
  it('is asked for by whole days, and read by kind, with a clean label', async () => {
    const api = await open(() => page([ROW]));
    const [charge] = await api.charges.list(RANGE);
    expect(charge).toMatchObject({ source: 'instance-12345678', type: 'instance', contractId: 12345678 });
    expect(charge?.label).toBe('my forge');
    expect(charge?.kinds).toEqual({ gpu: 1, disk: 0.2, download: 0.05, upload: 0, other: 0 });
    const filters = JSON.parse(server.calls[0]?.query.get('select_filters') ?? '');
    expect(filters).toEqual({ day: { gte: 20_000 * 86_400, lte: 20_002 * 86_400 - 1 } });
  });

  it('has a rest where the parts do not add up to the amount, so that nothing is lost', async () => {
    const api = await open(() =>
      page([
        { ...ROW, amount: 2 },
        { ...ROW, source: 'volume-7', type: 'volume', amount: 0.5, items: [] },
        { ...ROW, source: 'instance-1', amount: 1.2505 },
      ]),
    );
    const rests = (await api.charges.list(RANGE)).map(({ kinds }) => kinds.other);
    expect(rests[0]).toBeCloseTo(0.75, 9);
    expect(rests.slice(1)).toEqual([0.5, 0]);
  });

  it('is read to its last page', async () => {
    const api = await open(({ query }) =>
      query.get('after_token') === null
        ? page([ROW], { total: 2, next_token: 'more' })
        : page([{ ...ROW, source: 'instance-2' }], { total: 2 }),
    );
    expect(await api.charges.list(RANGE)).toHaveLength(2);
  });

  it('joins a contract that has a row for each of two spans', async () => {
    const api = await open(() => page([ROW, { ...ROW, start: ROW.end, end: ROW.end }]));
    const [charge, ...others] = await api.charges.list(RANGE);
    expect(others).toEqual([]);
    expect(charge?.kinds.gpu).toBe(2);
  });

  it.each([
    ['a page is missing', page([ROW], { total: 2 }), '1 of 2 rows'],
    ['the same token comes twice', page([ROW], { total: 9, next_token: 'x' }), 'twice'],
    ['the rows are no list', { body: { success: true, results: {} } }, 'results'],
    ['an amount is no number', page([{ ...ROW, amount: 'much' }]), 'amount'],
    ['it is not a success', { body: { success: false, msg: 'Invalid date range' } }, 'Invalid date range'],
    ['it is no JSON', { text: '<html>' }, 'not JSON'],
  ])('is an error when %s, never a smaller bill', async (_, reply, words) => {
    const api = await open(() => reply);
    const error = await api.charges.list(RANGE).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(VastError);
    expect((error as VastError).message).toContain(words);
    expect((error as VastError).exit).toBe(14);
  });

  it('is asked for again when the API is busy, and only once when it may be missing', async () => {
    const api = await open((_, nth) =>
      nth === 1 ? { status: 429, text: 'API requests too frequent: endpoint threshold=1.0' } : page([ROW]),
    );
    expect(await api.charges.list(RANGE)).toHaveLength(1);
    expect(server.calls).toHaveLength(2);
    await vast.close();
    await server.close();
    const busy = await open(() => ({ status: 503, body: {} }));
    await expect(busy.charges.list(RANGE, { tries: 1 })).rejects.toThrow('503');
    expect(server.calls).toHaveLength(1);
  });
});
