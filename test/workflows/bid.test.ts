import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXIT, ForgeError } from '../../src/errors.ts';
import type { Instance, Offer } from '../../src/vast/model.ts';
import { type BidDependencies, changeBid, marketOf, planBid, sameMachineQuery } from '../../src/workflows/bid.ts';
import { FakeClock } from '../support/fake-clock.ts';

const machine = (more: Partial<Instance> = {}): Instance =>
  ({
    id: 7,
    machineId: 30,
    numGpus: 2,
    isBid: true,
    dphBase: 0.2,
    dphTotal: 0.21,
    minBid: 0.1,
    diskSpaceGb: 73,
    storageCostPerGbMonth: 0.1,
    actualStatus: 'running',
    ...more,
  }) as Instance;
const facts = (more: object = {}) => ({
  instance: machine(),
  outbid: false,
  onDemandPerHourUsd: 0.5,
  leastBidUsd: 0.1,
  ...more,
});

describe('the plan of a bid', () => {
  it('has the prices before and after, with the disk', () => {
    const plan = planBid(facts(), 0.3);
    expect(plan).toMatchObject({
      bidBeforeUsd: 0.2,
      bidUsd: 0.3,
      runningBeforePerHourUsd: 0.21,
      isSame: false,
      warnings: [],
    });
    expect(plan.runningAfterPerHourUsd).toBeCloseTo(0.31, 6);
    expect(plan.stoppedPerDayUsd).toBeCloseTo(0.24, 6);
  });

  it('warns of a bid that on-demand would undercut, and of one that is too low', () => {
    expect(planBid(facts(), 0.49).warnings).toEqual([expect.stringContaining('On demand')]);
    expect(planBid(facts(), 0.09).warnings).toEqual([expect.stringContaining('will be stopped')]);
    expect(planBid(facts({ outbid: true }), 0.09).warnings).toEqual([expect.stringContaining('stays stopped')]);
    expect(planBid(facts({ onDemandPerHourUsd: null, leastBidUsd: null }), 60).warnings).toEqual([]);
  });

  it('refuses a machine that takes no bids, and numbers that the API does not take', () => {
    const onDemand = facts({ instance: machine({ isBid: false }) });
    expect(() => planBid(onDemand, 0.3)).toThrow(expect.objectContaining({ code: 'NOT_INTERRUPTIBLE', exit: 9 }));
    for (const bid of [0, 0.0009, 64.1, Number.NaN, -1])
      expect(() => planBid(facts(), bid)).toThrow(expect.objectContaining({ code: 'BAD_BID', exit: 2 }));
    for (const bid of [0.001, 64]) expect(planBid(facts(), bid).bidUsd).toBe(bid);
  });

  it('knows the same bid by its value, and survives a row that says nothing', () => {
    expect(planBid(facts(), 0.2).isSame).toBe(true);
    const silent = machine({ dphBase: null, dphTotal: null, storageCostPerGbMonth: null, numGpus: null, minBid: null });
    expect(planBid(facts({ instance: silent }), 0.2)).toMatchObject({ isSame: false, runningAfterPerHourUsd: null });
  });

  it('never has a number that is none', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 64, noNaN: true }),
        fc.double({ min: 0, max: 9, noNaN: true }),
        (bid, base) => {
          const plan = planBid(facts({ instance: machine({ dphBase: base, dphTotal: base + 0.01 }) }), bid);
          const numbers = Object.values(plan).filter((value) => typeof value === 'number');
          return numbers.every(Number.isFinite) && (plan.runningAfterPerHourUsd ?? 0) >= bid;
        },
      ),
    );
  });
});

describe('the market of the same machine', () => {
  const offer = (more: Partial<Offer>): Offer => ({ machineId: 30, dphTotal: 0.5, minBid: 0.15, ...more }) as Offer;

  it('is asked for the same cards with the same disk', () => {
    expect(sameMachineQuery(machine())).toMatchObject({
      filters: { machine_id: { eq: 30 }, num_gpus: { eq: 2 } },
      type: 'on-demand',
      allocatedStorageGb: 73,
    });
    expect(sameMachineQuery(machine({ machineId: null }))).toBeNull();
  });

  it("is read from the cheapest offer of that machine; the least bid from the instance's own row", () => {
    const others = [offer({ dphTotal: 0.1, machineId: 31 }), offer({}), offer({ dphTotal: 0.4 })];
    expect(marketOf(machine(), others)).toEqual({ onDemandPerHourUsd: 0.4, leastBidUsd: 0.1 });
    expect(marketOf(machine({ minBid: 0.2 }), others).leastBidUsd).toBe(0.15);
    expect(marketOf(machine({ minBid: null }), others).leastBidUsd).toBe(0.15);
    expect(marketOf(machine(), [])).toEqual({ onDemandPerHourUsd: null, leastBidUsd: 0.1 });
  });
});

describe('a bid that is sent', () => {
  const plan = planBid(facts(), 0.3);
  const deps = (
    rows: (Instance | null)[],
    setBid = async (): Promise<void> => {},
  ): BidDependencies & { reads: number } => {
    const made = {
      reads: 0,
      setBid,
      readInstance: async () => rows[Math.min(made.reads++, rows.length - 1)] ?? null,
      clock: new FakeClock(),
      signal: new AbortController().signal,
    };
    return made;
  };
  const lost = (outcomeUnknown: boolean) =>
    Object.assign(new ForgeError('no answer', { code: 'API_UNREACHABLE', exit: EXIT.apiFailed }), { outcomeUnknown });

  it('is read back, also when the row follows late', async () => {
    const after = machine({ dphBase: 0.30000001 });
    const own = deps([machine(), machine(), after]);
    expect(await changeBid(own, plan)).toBe(after);
    expect(own.reads).toBe(3);
  });

  it('is an error when it never reads back, or the machine is gone', async () => {
    await expect(changeBid(deps([machine()]), plan)).rejects.toMatchObject({ code: 'BID_NOT_SET', exit: 14 });
    await expect(changeBid(deps([null]), plan)).rejects.toMatchObject({ code: 'INSTANCE_VANISHED', exit: 3 });
  });

  it('whose answer was lost is settled by the row; one that was refused is not looked for', async () => {
    const after = machine({ dphBase: 0.3 });
    expect(
      await changeBid(
        deps([after], () => Promise.reject(lost(true))),
        plan,
      ),
    ).toBe(after);
    await expect(
      changeBid(
        deps([machine()], () => Promise.reject(lost(true))),
        plan,
      ),
    ).rejects.toThrow('no answer');
    const refused = deps([after], () => Promise.reject(lost(false)));
    await expect(changeBid(refused, plan)).rejects.toThrow('no answer');
    expect(refused.reads).toBe(0);
  });
});
