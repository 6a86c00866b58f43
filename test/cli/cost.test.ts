import { describe, expect, it } from 'vitest';
import { selectCosts } from '../../src/cli/cost-filter.ts';
import { creditWarning } from '../../src/cli/cost-output.ts';
import type { CostReport } from '../../src/cli/cost-report.ts';
import { OptionalRead } from '../../src/cli/optional-read.ts';
import { timeLeft, timeLeftText } from '../../src/cli/time-left.ts';
import { EXIT, ForgeError } from '../../src/errors.ts';
import type { Instance } from '../../src/vast/model.ts';
import type { ContractCost } from '../../src/workflows/cost/contract-costs.ts';

const HOUR_MS = 3_600_000;
const cost = (source: string, label: string | null): ContractCost =>
  ({ source, type: source.split('-')[0], id: Number(source.split('-')[1]), label }) as ContractCost;
const ALL = [
  cost('instance-1', 'forge'),
  cost('instance-2', 'forge'),
  cost('instance-3', 'forge-two'),
  cost('volume-3', 'models'),
  cost('instance-4', '12'),
];

describe('costs by name', () => {
  it.each([
    [[], ['instance-1', 'instance-2', 'instance-3', 'volume-3', 'instance-4']],
    [['forge'], ['instance-1', 'instance-2']],
    [['forge-'], ['instance-3']],
    [['3'], ['instance-3', 'volume-3']],
    [['C.3'], ['instance-3']],
    [
      ['V.3', '1'],
      ['instance-1', 'volume-3'],
    ],
    [['self'], ['instance-2']],
    [['12'], ['instance-4']],
  ])('%j are %j', (names, sources) => {
    expect(selectCosts(ALL, names, 2).map(({ source }) => source)).toEqual(sources);
  });

  it.each([['nothing'], ['99'], [''], ['for']])('%j is nobody, or could be several: exit 3', (name) => {
    expect(() => selectCosts(ALL, [name], null)).toThrow(ForgeError);
    try {
      selectCosts(ALL, [name], null);
    } catch (error) {
      expect((error as ForgeError).exit).toBe(3);
    }
  });
});

describe('the time left', () => {
  const machine = (more: Partial<Instance>): Instance =>
    ({ intendedStatus: 'running', endDateMs: 100 * HOUR_MS, ...more }) as Instance;
  const limit = (action: 'stop' | 'destroy', hours: number) => ({ jobId: 1, action, atMs: hours * HOUR_MS });
  it.each([
    ['stops in 2h 10m', machine({}), limit('stop', 2 + 1 / 6)],
    ['destroyed in 2h 00m', machine({}), limit('destroy', 2)],
    ['ends in 4d 4h', machine({}), null],
    ['ends in 4d 4h', machine({}), limit('stop', 200)],
    ['ends in 4d 4h', machine({ intendedStatus: 'stopped' }), limit('stop', 2)],
    ['destroyed in 2h 00m', machine({ intendedStatus: 'stopped' }), limit('destroy', 2)],
    ['ended', machine({ endDateMs: -1 }), null],
    ['-', machine({ endDateMs: null }), null],
  ])('%s', (text, instance, found) => {
    expect(timeLeftText(timeLeft(instance, found), 0)).toBe(text);
  });
});

describe('the credit', () => {
  const report = (creditUsd: number | null, perHourUsd: number): CostReport =>
    ({
      creditUsd,
      creditLastsMs: creditUsd === null || perHourUsd === 0 ? null : (creditUsd / perHourUsd) * HOUR_MS,
      burn: { perHourUsd },
    }) as CostReport;
  it('is warned of when it lasts less than a day, and when it is used up', () => {
    expect(creditWarning(report(5, 0.5))).toContain('10h 00m');
    expect(creditWarning(report(0, 0.5))).toContain('used up');
    expect(creditWarning(report(5, 0.1))).toBeNull();
    expect(creditWarning(report(1, 0))).toBeNull();
    expect(creditWarning(report(null, 1))).toBeNull();
  });
});

describe('a read that a command can do without', () => {
  it('is null when it fails or is late, and says why', async () => {
    const failure = new ForgeError('down', { code: 'API_DOWN', exit: EXIT.apiFailed });
    const failed = new OptionalRead(Promise.reject(failure));
    expect([await failed.value(), failed.failure]).toEqual([null, failure]);
    const late = new OptionalRead(new Promise(() => {}));
    expect(await late.value(5)).toBeNull();
    expect(late.failure?.code).toBe('API_SLOW');
    expect(await new OptionalRead(Promise.resolve(7)).value(1000)).toBe(7);
  });

  it('does not hide a bug', async () => {
    await expect(new OptionalRead(Promise.reject(new TypeError('bug'))).value()).rejects.toThrow('bug');
  });
});
