import type { Clock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import type { Instance, Offer } from '../vast/model.js';
import type { OfferQuery } from '../vast/offers.js';
import { billedNowPerHourUsd, priceOfInstance } from './price.js';

/** vast-api 6: for the whole machine, the upper limit for each GPU. */
const LEAST_BID_USD = 0.001;
const HIGHEST_BID_PER_GPU_USD = 32;

export interface BidFacts {
  instance: Instance;
  /** Stopped because somebody has bid more. */
  outbid: boolean;
  /** GPU and disk on demand, on the same machine; null when it is not offered. */
  onDemandPerHourUsd: number | null;
  /** What is enough now, GPU alone; null when the API does not say. */
  leastBidUsd: number | null;
}

/** Everything that is known before anything is changed. Plain data; `--dry-run` prints it. */
export interface BidPlan {
  instanceId: number;
  bidBeforeUsd: number | null;
  bidUsd: number;
  /** GPU and disk while running; null where the API does not say. */
  runningBeforePerHourUsd: number | null;
  runningAfterPerHourUsd: number | null;
  billedNowPerHourUsd: number | null;
  stoppedPerDayUsd: number | null;
  onDemandPerHourUsd: number | null;
  leastBidUsd: number | null;
  outbid: boolean;
  /** The bid is what it is already. */
  isSame: boolean;
  /** What speaks against it. */
  warnings: string[];
}

/** Throws when the machine takes no bids, or the number is none. */
export function planBid(facts: BidFacts, bidUsd: number): BidPlan {
  const { instance, onDemandPerHourUsd, leastBidUsd, outbid } = facts;
  refuseOnDemand(instance);
  refuseRange(instance, bidUsd);
  const { runningPerHourUsd, stoppedPerDayUsd } = priceOfInstance(instance);
  const { dphBase } = instance;
  const diskPerHourUsd = diskOf(instance, stoppedPerDayUsd);
  const runningAfterPerHourUsd = diskPerHourUsd === null ? null : bidUsd + diskPerHourUsd;
  return {
    instanceId: instance.id,
    bidBeforeUsd: dphBase,
    bidUsd,
    runningBeforePerHourUsd: runningPerHourUsd,
    runningAfterPerHourUsd,
    billedNowPerHourUsd: billedNowPerHourUsd(instance),
    stoppedPerDayUsd,
    onDemandPerHourUsd,
    leastBidUsd,
    outbid,
    isSame: dphBase !== null && isSamePrice(dphBase, bidUsd),
    warnings: warningsOf({ runningAfterPerHourUsd, onDemandPerHourUsd, leastBidUsd, bidUsd, outbid }),
  };
}

/** What the API bills beside the GPU; by its own sum, or by the disk's price. */
function diskOf({ dphTotal, dphBase }: Instance, stoppedPerDayUsd: number | null): number | null {
  if (dphTotal !== null && dphBase !== null) return Math.max(0, dphTotal - dphBase);
  return stoppedPerDayUsd === null ? null : stoppedPerDayUsd / 24;
}

function warningsOf(
  plan: Pick<BidPlan, 'onDemandPerHourUsd' | 'leastBidUsd' | 'bidUsd' | 'outbid' | 'runningAfterPerHourUsd'>,
) {
  const { onDemandPerHourUsd, leastBidUsd, bidUsd, runningAfterPerHourUsd, outbid } = plan;
  const warnings: string[] = [];
  if (onDemandPerHourUsd !== null && runningAfterPerHourUsd !== null && runningAfterPerHourUsd >= onDemandPerHourUsd)
    warnings.push('On demand the same machine costs no more, and nobody could take it away.');
  if (leastBidUsd !== null && bidUsd < leastBidUsd)
    warnings.push(
      outbid
        ? 'That is below the least bid: the machine stays stopped, and its disk is billed.'
        : 'That is below the least bid: the machine will be stopped, and its disk is billed.',
    );
  return warnings;
}

function refuseOnDemand({ id, isBid }: Instance): void {
  if (isBid) return;
  throw new ForgeError(`Instance ${id} was rented on demand: it has a price, and takes no bids.`, {
    code: 'NOT_INTERRUPTIBLE',
    exit: EXIT.conflict,
    hint: 'An instance stays what it was rented as. For an interruptible one: forgectl launch --bid USD',
    details: { instance_id: id },
  });
}

function refuseRange({ id, numGpus }: Instance, bidUsd: number): void {
  const highest = HIGHEST_BID_PER_GPU_USD * Math.max(1, numGpus ?? 1);
  if (bidUsd >= LEAST_BID_USD && bidUsd <= highest) return;
  throw new ForgeError(`A bid for instance ${id} is from $${LEAST_BID_USD} to $${highest} an hour, not $${bidUsd}.`, {
    code: 'BAD_BID',
    exit: EXIT.usage,
    hint: `forgectl show ${id}`,
    details: { instance_id: id, least_usd: LEAST_BID_USD, highest_usd: highest },
  });
}

/** Prices come back as floats of other makes. */
function isSamePrice(one: number, other: number): boolean {
  return Math.abs(one - other) < 5e-7;
}

/** The same cards of the same machine, whoever has them now. */
export function sameMachineQuery({ machineId, numGpus, diskSpaceGb }: Instance): OfferQuery | null {
  if (machineId === null) return null;
  return {
    filters: { machine_id: { eq: machineId }, ...(numGpus === null ? {} : { num_gpus: { eq: numGpus } }) },
    order: [['dph_total', 'asc']],
    limit: 10,
    type: 'on-demand',
    allocatedStorageGb: diskSpaceGb ?? 0,
  };
}

/** What is asked for the same machine. Its least bid is in the instance's own row, unless that only repeats its own bid. */
export function marketOf(
  instance: Instance,
  offers: readonly Offer[],
): Pick<BidFacts, 'onDemandPerHourUsd' | 'leastBidUsd'> {
  const own = offers.filter(({ machineId }) => machineId === instance.machineId);
  const prices = own.map(({ dphTotal }) => dphTotal);
  const bids = own.flatMap(({ minBid }) => minBid ?? []);
  const { minBid, dphBase } = instance;
  const isOwnBid = minBid !== null && dphBase !== null && isSamePrice(minBid, dphBase);
  return {
    onDemandPerHourUsd: prices.length === 0 ? null : Math.min(...prices),
    leastBidUsd: (minBid === null || isOwnBid) && bids.length > 0 ? Math.min(...bids) : minBid,
  };
}

export interface BidDependencies {
  setBid(id: number, usd: number): Promise<void>;
  readInstance(id: number): Promise<Instance | null>;
  clock: Clock;
  signal: AbortSignal;
}

const READ_BACK_MS = 20_000;
const READ_EVERY_MS = 3_000;

/** Sends the bid, then reads it back: whatever the call has answered, what the row says counts. */
export async function changeBid(deps: BidDependencies, { instanceId, bidUsd }: BidPlan): Promise<Instance> {
  const failure = await deps.setBid(instanceId, bidUsd).then(
    () => null,
    (error: unknown) => error,
  );
  if (failure !== null && !mayBeDone(failure)) throw failure;
  const untilMs = deps.clock.now() + READ_BACK_MS;
  for (;;) {
    const row = await deps.readInstance(instanceId);
    if (row === null) throw vanished(instanceId);
    // The documents do not say which of the two is the owner's bid; an accepted call makes either believable.
    const told = failure === null ? [row.dphBase, row.minBid] : [row.dphBase];
    if (told.some((price) => price !== null && isSamePrice(price, bidUsd))) return row;
    if (failure !== null) throw failure;
    if (deps.clock.now() + READ_EVERY_MS > untilMs) throw notSet(row, bidUsd);
    await deps.clock.sleep(READ_EVERY_MS, deps.signal);
  }
}

function mayBeDone(error: unknown): boolean {
  return error instanceof ForgeError && (error as ForgeError & { outcomeUnknown?: boolean }).outcomeUnknown === true;
}

function notSet(row: Instance, bidUsd: number): ForgeError {
  return new ForgeError(
    `The bid of $${bidUsd}/h for instance ${row.id} was accepted, but reads back as $${row.dphBase ?? '?'}/h.`,
    {
      code: 'BID_NOT_SET',
      exit: EXIT.apiFailed,
      hint: `forgectl show ${row.id}`,
      details: { instance_id: row.id, bid_per_hour_usd: row.dphBase },
    },
  );
}

function vanished(id: number): ForgeError {
  return new ForgeError(`Instance ${id} no longer exists.`, {
    code: 'INSTANCE_VANISHED',
    exit: EXIT.notFound,
    hint: 'forgectl ls shows what is left.',
    details: { instance_id: id },
  });
}
