import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Charge, type Instance, NO_CHARGE, type Volume } from '../../src/vast/model.ts';
import { burnOf, creditLastsMs } from '../../src/workflows/cost/burn.ts';
import { contractCosts } from '../../src/workflows/cost/contract-costs.ts';
import { DayCache } from '../../src/workflows/cost/day-cache.ts';
import { estimateSpending, estimateSpentUsd } from '../../src/workflows/cost/estimate.ts';
import { readSpending, type SpendingReader, totalUsd } from '../../src/workflows/cost/spending.ts';
import { DAY_MS, type DayWindow, daysOf, lastDays } from '../../src/workflows/cost/utc-days.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NOW = Date.UTC(2026, 10, 24, 13, 30);
const TODAY = Date.UTC(2026, 10, 24);
const HOUR_MS = 3_600_000;

/** What a platform knows: $ of GPU by contract and day. */
type Books = Record<string, Record<number, number>>;

const charge = (source: string, startMs: number, endMs: number, gpu: number): Charge => ({
  source,
  type: 'instance',
  contractId: Number(source.split('-')[1]),
  label: source,
  startMs,
  endMs,
  kinds: { ...NO_CHARGE, gpu },
});

/** Answers with the sums of the days that were asked for, or (`whole`) of all days, as one may read the documents. */
function reader(books: Books, whole = false): SpendingReader & { asked: DayWindow[]; told: string[] } {
  const asked: DayWindow[] = [];
  const told: string[] = [];
  return {
    asked,
    told,
    cache: null,
    onDay: (number, count) => told.push(`${number}/${count}`),
    read: async (window) => {
      asked.push(window);
      return Object.entries(books).flatMap(([source, days]) => {
        const all = Object.keys(days).map(Number);
        const inside = all.filter((day) => day >= window.firstDayMs && day <= window.lastDayMs);
        const counted = whole ? all : inside;
        if (inside.length === 0) return [];
        const sum = counted.reduce((total, day) => total + (days[day] ?? 0), 0);
        return [charge(source, Math.min(...counted), Math.max(...counted), sum)];
      });
    },
  };
}

const sums = (days: { charges: Charge[] }[] | null) =>
  days?.map(({ charges }) => charges.reduce((sum, row) => sum + totalUsd(row), 0));
const day = (back: number): number => TODAY - back * DAY_MS;

describe('what was spent', () => {
  it('takes one call for contracts of a single day', async () => {
    const books = reader({ 'instance-1': { [day(0)]: 2 }, 'instance-2': { [day(3)]: 1 } });
    const spending = await readSpending(books, lastDays(NOW, 5), true);
    expect(books.asked).toHaveLength(1);
    expect(sums(spending.days)).toEqual([0, 1, 0, 0, 2]);
    expect(spending.today.map(({ source }) => source)).toEqual(['instance-1']);
    expect(spending.estimateReason).toBeNull();
  });

  it('takes a call for each day of a contract of several, and only today without a chart', async () => {
    const books = reader({ 'instance-1': { [day(0)]: 2, [day(1)]: 0.5, [day(2)]: 1 }, 'instance-2': { [day(4)]: 9 } });
    const spending = await readSpending(books, lastDays(NOW, 5), true);
    expect(sums(spending.days)).toEqual([9, 0, 1, 0.5, 2]);
    expect(books.told).toEqual(['1/3', '2/3', '3/3']);
    const short = reader({ 'instance-1': { [day(0)]: 2, [day(1)]: 0.5 } });
    const today = await readSpending(short, lastDays(NOW, 30), false);
    expect(short.asked).toHaveLength(2);
    expect(today.days).toBeNull();
    expect(today.today.map(totalUsd)).toEqual([2]);
    expect(today.charges.map(totalUsd)).toEqual([2.5]);
  });

  it.each([true, false])(
    'a platform that gives whole contracts instead of the days asked for is spread evenly and called an estimate',
    async (wantsDays) => {
      const books = reader({ 'instance-1': { [day(0)]: 1, [day(1)]: 1, [day(2)]: 4, [day(40)]: 34 } }, true);
      const spending = await readSpending(books, lastDays(NOW, 10), wantsDays);
      expect(spending.estimateReason).toContain('instance-1');
      // 40 $ in 41 days from the first to the last, of which 10 are asked for.
      expect(totalUsd(spending.charges[0] as Charge)).toBeCloseTo((40 / 41) * 10, 6);
      expect(totalUsd(spending.today[0] as Charge)).toBeCloseTo(40 / 41, 6);
      if (wantsDays) expect(sums(spending.days)?.every((sum) => Math.abs(sum - 40 / 41) < 1e-9)).toBe(true);
    },
  );

  it('the days add up to the whole, whatever the platform has charged', async () => {
    const amounts = fc.array(
      fc.record({
        id: fc.integer({ min: 1, max: 4 }),
        back: fc.integer({ min: 0, max: 9 }),
        usd: fc.double({ min: 0.001, max: 50, noNaN: true }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(amounts, async (entries) => {
        const books: Books = {};
        for (const { id, back, usd } of entries) {
          const days = books[`instance-${id}`] ?? {};
          days[day(back)] = (days[day(back)] ?? 0) + usd;
          books[`instance-${id}`] = days;
        }
        const spending = await readSpending(reader(books), lastDays(NOW, 10), true);
        const whole = entries.reduce((sum, { usd }) => sum + usd, 0);
        expect(sums(spending.days)?.reduce((sum, usd) => sum + usd, 0)).toBeCloseTo(whole, 6);
        expect(spending.charges.reduce((sum, row) => sum + totalUsd(row), 0)).toBeCloseTo(whole, 6);
        expect(spending.estimateReason).toBeNull();
      }),
      { numRuns: 60 },
    );
  });

  it('a failure of one of the days is a failure of all', async () => {
    const books = reader({ 'instance-1': { [day(0)]: 2, [day(1)]: 0.5 } });
    const read = books.read;
    books.read = async (window) => {
      if (window.firstDayMs === window.lastDayMs) throw new Error('a page is missing');
      return read(window);
    };
    await expect(readSpending(books, lastDays(NOW, 5), true)).rejects.toThrow('a page is missing');
  });
});

describe('days that are remembered', () => {
  const directory = mkdtempSync(join(tmpdir(), 'forgectl days '));
  const file = join(directory, 'charges', 'vast.json');
  afterEach(() => rmSync(join(directory, 'charges'), { recursive: true, force: true }));
  const clock = new FakeClock();
  clock.advance(NOW - clock.now());

  it("are those that are over for a day; the file is the user's alone, and another account's is not read", async () => {
    const books: Books = { 'instance-1': Object.fromEntries([0, 1, 2, 3].map((back) => [day(back), 1])) };
    for (const calls of [5, 3]) {
      const cache = new DayCache(file, 7, clock);
      const source = { ...reader(books), cache };
      const spending = await readSpending(source, lastDays(NOW, 5), true);
      await cache.save();
      expect(sums(spending.days)).toEqual([0, 1, 1, 1, 1]);
      expect(source.asked).toHaveLength(calls);
    }
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(new DayCache(file, 7, clock).get(day(3))).toHaveLength(1);
    expect(new DayCache(file, 8, clock).get(day(3))).toBeNull();
    expect(Object.keys(JSON.parse(readFileSync(file, 'utf8')).days)).toEqual(['2026-11-22', '2026-11-21']);
  });

  it.each([
    '',
    '{"version":1',
    '[]',
    '{"version":1,"userId":7,"days":{"2026-11-21":[{"source":1}]}}',
    '{"version":1,"userId":7,"days":null}',
  ])('a file with %j in it is no file', async (text) => {
    const cache = new DayCache(file, 7, clock);
    cache.put(day(3), []);
    await cache.save();
    writeFileSync(file, text);
    expect(new DayCache(file, 7, clock).get(day(3))).toBeNull();
  });
});

const machine = (more: Partial<Instance> = {}): Instance =>
  ({
    id: 1,
    label: 'mine',
    actualStatus: 'running',
    intendedStatus: 'running',
    dphTotal: 0.52,
    storageCostPerGbMonth: 0.2,
    diskSpaceGb: 73,
    startDateMs: NOW - 10 * HOUR_MS,
    ...more,
  }) as Instance;
const volume = {
  id: 9,
  label: 'models',
  diskSpaceGb: 365,
  storageCostPerGbMonth: 0.1,
  startDateMs: NOW - 48 * HOUR_MS,
} as Volume;

describe('what is billed now', () => {
  it('is the machines that run, the disks of the others, and volumes', () => {
    const burn = burnOf(
      [machine(), machine({ actualStatus: 'exited' }), machine({ actualStatus: 'loading' })],
      [volume],
    );
    expect(burn).toMatchObject({ running: 1, notRunning: 2, volumes: 1, isComplete: true });
    expect(burn.runningPerHourUsd).toBeCloseTo(0.52, 9);
    expect(burn.disksPerHourUsd).toBeCloseTo(0.04, 9);
    expect(burn.volumesPerHourUsd).toBeCloseTo(0.05, 9);
    expect(burn.perHourUsd).toBeCloseTo(0.61, 9);
  });

  it('says when a price is not known', () => {
    expect(burnOf([machine({ dphTotal: null })], []).isComplete).toBe(false);
    expect(burnOf([], [{ ...volume, storageCostPerGbMonth: null }]).isComplete).toBe(false);
  });

  it('tells how long the credit lasts: never ending when nothing burns, nothing when it is used up', () => {
    expect(creditLastsMs(6.1, { perHourUsd: 0.61 })).toBeCloseTo(10 * HOUR_MS, 3);
    expect(creditLastsMs(6.1, { perHourUsd: 0 })).toBeNull();
    expect(creditLastsMs(null, { perHourUsd: 1 })).toBeNull();
    expect(creditLastsMs(-2, { perHourUsd: 1 })).toBe(0);
  });
});

describe('an estimate', () => {
  it('is price times age for what runs, the disk alone for what does not, and nothing where a price is missing', () => {
    expect(estimateSpentUsd(machine(), NOW)).toBeCloseTo(5.2, 9);
    expect(estimateSpentUsd(machine({ actualStatus: 'exited' }), NOW)).toBeCloseTo(0.2, 9);
    expect(estimateSpentUsd(machine({ dphTotal: null }), NOW)).toBeNull();
    expect(estimateSpentUsd(machine({ startDateMs: null }), NOW)).toBeNull();
  });

  it('of days adds up to that of the window, and begins with the rental', () => {
    const facts = { instances: [machine({ startDateMs: NOW - 30 * HOUR_MS })], volumes: [volume], nowMs: NOW };
    const window = lastDays(NOW, 7);
    const spending = estimateSpending(facts, window, 'because');
    const whole = spending.charges.reduce((sum, row) => sum + totalUsd(row), 0);
    expect(whole).toBeCloseTo(30 * 0.52 + 48 * 0.05, 9);
    expect(sums(spending.days)?.reduce((sum, usd) => sum + usd, 0)).toBeCloseTo(whole, 9);
    expect(sums(spending.days)?.slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect(spending.days).toHaveLength(daysOf(window).length);
    expect(spending.estimateReason).toBe('because');
  });
});

describe('the bill by contract', () => {
  it('names what is gone, what is there, and what is not on the bill yet', () => {
    const spending = {
      window: lastDays(NOW, 2),
      charges: [charge('instance-1', day(1), day(0), 3), charge('instance-4', day(1), day(1), 5)],
      today: [charge('instance-1', day(0), day(0), 1)],
      days: null,
      estimateReason: null,
    };
    const costs = contractCosts(spending, {
      instances: [machine(), machine({ id: 2, label: null })],
      volumes: [volume],
    });
    expect(costs.map(({ source, exists, totalUsd: usd, todayUsd }) => [source, exists, usd, todayUsd])).toEqual([
      ['instance-4', false, 5, 0],
      ['instance-1', true, 3, 1],
      ['instance-2', true, 0, 0],
      ['volume-9', true, 0, 0],
    ]);
    expect(costs.map(({ nowPerHourUsd }) => nowPerHourUsd)).toEqual([0, 0.52, 0.52, expect.closeTo(0.05, 9)]);
    const [unseen] = contractCosts(
      { ...spending, charges: [charge('volume-3', day(0), day(0), 1)] },
      { instances: [], volumes: null },
    );
    expect(unseen).toMatchObject({ exists: null, nowPerHourUsd: null });
  });
});
