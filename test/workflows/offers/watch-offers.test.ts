import { describe, expect, it } from 'vitest';
import { EXIT, ForgeError } from '../../../src/errors.ts';
import type { Offer } from '../../../src/vast/model.ts';
import { nonsense, refusal, unreachable } from '../../../src/vast/vast-error.ts';
import { type WatchLog, type WatchWishes, watchOffers } from '../../../src/workflows/offers/watch-offers.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { makeOffer } from '../../support/offer.ts';

type Look = Record<number, number> | Error;

const facts = (status: number | null) => ({
  method: 'POST',
  route: '/api/v0/bundles/',
  status,
  apiError: null,
  apiMessage: null,
});

/** Looks at a market whose prices ($/hour by offer id) are given look by look; stops when they run out. */
async function watch(looks: Look[], wishes: Partial<WatchWishes> = {}) {
  const clock = new FakeClock();
  const stop = new AbortController();
  const told: string[] = [];
  const problems: [string, number][] = [];
  const log: WatchLog = { belowUsd: null, looks: 0, failedLooks: 0, changes: [] };
  const left = [...looks];
  const search = async (): Promise<Offer[]> => {
    const next = left.shift();
    if (left.length === 0) stop.abort(new ForgeError('Interrupted.', { code: 'INTERRUPTED', exit: EXIT.interrupted }));
    if (next instanceof Error) throw next;
    return Object.entries(next ?? {}).map(([id, dphTotal]) => makeOffer({ id: Number(id), dphTotal }));
  };
  const end = await watchOffers(
    {
      search,
      clock,
      signal: stop.signal,
      onChange: ({ kind, offer }) => told.push(`${kind} ${offer.id} ${offer.dphTotal}`),
      onBegin: () => {},
      onProblem: ({ code }, ms) => problems.push([code, ms]),
    },
    { belowUsd: null, intervalMs: 60_000, timeoutMs: null, untilFound: false, ...wishes },
    log,
  ).catch((error: ForgeError) => error.code);
  return { end, told, problems, log, sleeps: clock.sleeps };
}

describe('a watch', () => {
  it('tells what is below the price at first, then only what is new or cheaper', async () => {
    const { told, end, log } = await watch(
      [
        { 1: 0.5, 2: 0.29 },
        { 1: 0.5, 2: 0.29 },
        { 1: 0.28, 2: 0.29, 3: 0.2 },
        { 1: 0.28, 2: 0.25, 3: 0.2 },
      ],
      { belowUsd: 0.3 },
    );
    expect(told).toEqual(['new 2 0.29', 'new 3 0.2', 'cheaper 1 0.28', 'cheaper 2 0.25']);
    expect({ end, looks: log.looks }).toEqual({ end: 'INTERRUPTED', looks: 4 });
  });

  it('without a price it is the cheapest of the first look; of nothing, anything', async () => {
    expect(
      (
        await watch([
          { 1: 0.5, 2: 0.4 },
          { 1: 0.45, 2: 0.4 },
          { 1: 0.39, 2: 0.4 },
        ])
      ).told,
    ).toEqual(['cheaper 1 0.39']);
    const { told, log } = await watch([{}, { 7: 9 }]);
    expect(told).toEqual(['new 7 9']);
    expect(log.belowUsd).toBeNull();
  });

  it('tells of a price that comes back after it had risen, of many small steps, and not of rounding', async () => {
    expect((await watch([{ 1: 0.2 }, { 1: 0.4 }, { 1: 0.2 }], { belowUsd: 0.3 })).told).toEqual([
      'new 1 0.2',
      'cheaper 1 0.2',
    ]);
    const steps = [0.25, 0.2499, 0.2498, 0.24979].map((price) => ({ 1: price }));
    expect((await watch(steps, { belowUsd: 0.3 })).told).toEqual(['new 1 0.25', 'cheaper 1 0.2498']);
  });

  it('says that an offer is gone only when it has told of it, and tells of it again when it is back', async () => {
    const { told } = await watch([{ 1: 0.2, 2: 0.9 }, {}, { 1: 0.2 }], { belowUsd: 0.3 });
    expect(told).toEqual(['new 1 0.2', 'gone 1 0.2', 'new 1 0.2']);
  });

  it('ends at the first find when asked to, and with the time when there is none', async () => {
    expect((await watch([{ 1: 0.5 }, { 1: 0.1 }, {}], { belowUsd: 0.3, untilFound: true })).end).toBe('found');
    const { end, log, sleeps } = await watch(Array(99).fill({ 1: 0.5 }), { belowUsd: 0.3, timeoutMs: 150_000 });
    expect({ end, looks: log.looks }).toEqual({ end: 'timeout', looks: 3 });
    expect(sleeps.reduce((sum, ms) => sum + ms)).toBe(150_000);
  });

  it('outlives failures that pass, asks less and less often, and forgets them with the first success', async () => {
    const { told, problems, log } = await watch(
      [
        unreachable(facts(null), new Error('x'), false),
        refusal(facts(500)),
        refusal(facts(429)),
        { 1: 0.2 },
        nonsense(facts(200), 'it is not JSON', false),
        refusal(facts(200)),
        { 1: 0.1 },
      ],
      { belowUsd: 0.3 },
    );
    expect(told).toEqual(['new 1 0.2', 'cheaper 1 0.1']);
    expect(problems).toEqual([
      ['API_UNREACHABLE', 60_000],
      ['API_DOWN', 120_000],
      ['RATE_LIMITED', 240_000],
      ['API_NONSENSE', 60_000],
      ['API_REFUSED', 120_000],
    ]);
    expect(log).toMatchObject({ looks: 2, failedLooks: 5 });
  });

  it('never waits longer than ten minutes, nor shorter than it was asked to', async () => {
    const { sleeps } = await watch(Array(12).fill(refusal(facts(503))), { intervalMs: 50_000 });
    expect(Math.max(...sleeps)).toBe(600_000);
    const slow = await watch(Array(4).fill(refusal(facts(503))), { intervalMs: 3_600_000 });
    expect(Math.min(...slow.sleeps)).toBe(3_600_000);
  });

  it('ends at once when the key or the question is wrong', async () => {
    expect((await watch([refusal(facts(401)), {}])).end).toBe('NOT_SIGNED_IN');
    expect((await watch([refusal(facts(400)), {}])).end).toBe('API_REFUSED');
    const bug = new TypeError('bug');
    expect((await watch([bug as never, {}])).end).toBeUndefined();
  });
});
