import { EXIT, ForgeError } from '../../errors.js';
import type { Instance, Offer } from '../../vast/model.js';
import { destroyAndConfirm } from '../destroy.js';
import { inOrder } from '../offers/rank-offers.js';
import type { Attempt } from './attempt.js';
import type { Launching } from './launch.js';
import { type LaunchPlan, termsOf, withOffer } from './plan.js';

/** Offers that were gone, in a row, before the market is called empty. */
const LOST_IN_A_ROW = 8;

/** Finds a machine and rents it, in the turn of this computer's launches. Returns the attempt, journalled as rented. */
export async function rentNext(launching: Launching): Promise<Attempt> {
  const { deps, plan } = launching;
  const stage = deps.reporter.stage('rent', 'Renting a machine');
  try {
    const attempt = await deps.inTurn(() => rentInTurn(launching, (text) => stage.detail(text)));
    const { offer, contractId } = attempt;
    stage.done(`Rented ${offer.numGpus}x ${offer.gpuName} as instance ${contractId}`);
    const price = withOffer(plan, offer).price.runningPerHourUsd;
    deps.reporter.event('rented', { instance_id: contractId, machine_id: offer.machineId, price_per_hour_usd: price });
    return attempt;
  } catch (error) {
    stage.failed();
    throw error;
  }
}

async function rentInTurn(launching: Launching, say: (text: string) => void): Promise<Attempt> {
  await refuseUsedLabel(launching);
  let last: unknown = null;
  for (let lost = 0; lost < LOST_IN_A_ROW; lost += 1) {
    const offer = await nextOffer(launching, last);
    const { numGpus, gpuName, id } = offer;
    say(`${numGpus}x ${gpuName}, offer ${id}`);
    try {
      return await rentOffer(launching, offer);
    } catch (error) {
      if (!isOfferGone(error)) throw error;
      last = error;
      await launching.offerLost(offer);
    }
  }
  throw last;
}

/** A bid that was enough a moment ago is another way of being late. */
function isOfferGone(error: unknown): boolean {
  return error instanceof ForgeError && (error.code === 'OFFER_GONE' || error.code === 'BID_TOO_LOW');
}

/** The user's own word for a machine must not stand for two. */
async function refuseUsedLabel({ deps, plan, facts }: Launching): Promise<void> {
  if (!plan.labelIsChosen || facts.attempts.length > 0) return;
  const [taken] = await deps.findByLabel(plan.label);
  if (taken === undefined) return;
  throw new ForgeError(`The label "${plan.label}" is in use by instance ${taken.id}.`, {
    code: 'LABEL_IN_USE',
    exit: EXIT.conflict,
    hint: `Choose another with --label, or: forgectl destroy ${taken.id}`,
    details: { instance_id: taken.id },
  });
}

/** The planned one first; then the market is asked again, since minutes may have passed. */
async function nextOffer(launching: Launching, why: unknown): Promise<Offer> {
  const { deps, plan, facts } = launching;
  // An offer that the user has named is asked for in any case.
  const bought = plan.failOver.search === null ? new Set<number>() : deps.recentlyBought();
  const isNew = (offer: Offer): boolean =>
    !bought.has(offer.id) &&
    !facts.lostOfferIds.includes(offer.id) &&
    !facts.attempts.some((attempt) => attempt.offer.machineId === offer.machineId);
  if (isNew(plan.offer)) return plan.offer;
  const found = plan.failOver.search === null ? [] : await searchAgain(launching);
  const next = found.find(isNew);
  if (next !== undefined) return next;
  throw why ?? noOfferLeft(plan, bought.has(plan.offer.id));
}

async function searchAgain({ deps, plan }: Launching): Promise<Offer[]> {
  const { search, maxPerHourUsd } = plan.failOver;
  if (search === null) return [];
  const banned = new Set(deps.bannedMachineIds());
  const offers = (await deps.searchOffers(search.query)).filter(
    (offer) => !banned.has(offer.machineId) && fits(plan, offer),
  );
  return inOrder(search.order, offers, termsOf(plan)).filter(
    (offer) => withOffer(plan, offer).price.runningPerHourUsd <= maxPerHourUsd,
  );
}

function fits(plan: LaunchPlan, offer: Offer): boolean {
  const bidIsEnough = plan.bidPerHourUsd === null || plan.bidPerHourUsd >= (offer.minBid ?? 0);
  return offer.diskSpaceGb >= plan.request.diskGb && bidIsEnough;
}

function noOfferLeft(plan: LaunchPlan, boughtHere: boolean): ForgeError {
  const why = boughtHere
    ? `Offer ${plan.offer.id} was rented by another launch on this computer a moment ago`
    : `No further machine at up to $${plan.failOver.maxPerHourUsd.toFixed(3)}/h`;
  return new ForgeError(`${why}.`, {
    code: 'NO_OFFER',
    exit: EXIT.noCapacity,
    hint: 'forgectl offers lists what is left.',
  });
}

/** The intent is on disk before the call, and the call is never sent again before the label was looked for. */
async function rentOffer(launching: Launching, offer: Offer): Promise<Attempt> {
  const { deps } = launching;
  const attempt = await launching.intend(offer);
  const contractId = await rentOnce(launching, offer);
  if (contractId === null) {
    await launching.settle(attempt, 'lost');
    throw new ForgeError(`Offer ${offer.id} could not be rented: the platform kept refusing the call.`, {
      code: 'RATE_LIMITED',
      exit: EXIT.apiFailed,
      hint: 'Wait a minute, then try again.',
    });
  }
  await launching.rented(attempt, contractId);
  deps.rememberBought(offer.id);
  return attempt;
}

/** Null when the platform asked to wait each time. Throws when it refused, or when what it did cannot be found out. */
async function rentOnce(launching: Launching, offer: Offer): Promise<number | null> {
  const { deps, plan } = launching;
  for (let sent = 0; sent < SEND_AT_MOST; sent += 1) {
    try {
      return (await deps.rent(withOffer(plan, offer).request)).contractId;
    } catch (error) {
      const leftId = leftContractOf(error);
      if (leftId !== null) return endLeftOver(launching, leftId, error);
      if (isRateLimit(error)) await deps.clock.sleep(RATE_LIMIT_MS, deps.signal);
      // Interrupted in the middle: whoever cleans up looks for the label.
      else if (!hasOutcome(error)) throw error;
      else if (!error.outcomeUnknown) return refused(launching, error);
      const found = await lookForLabel(launching, plan.label);
      if (found !== null) return found.id;
      if (!isRateLimit(error)) return refused(launching, error);
    }
  }
  return null;
}

async function refused(launching: Launching, error: unknown): Promise<never> {
  await launching.settleLast('lost');
  throw error;
}

/** The call was refused, and yet there is a contract: it is ended, read back as gone, before the refusal counts. */
async function endLeftOver(launching: Launching, contractId: number, refusal: unknown): Promise<never> {
  const attempt = launching.facts.attempts.at(-1);
  if (attempt === undefined) throw new Error('a contract was left by no attempt');
  await launching.rented(attempt, contractId);
  await destroyAndConfirm(launching.deps, contractId);
  await launching.settle(attempt, 'lost');
  if (!(refusal instanceof ForgeError)) throw refusal;
  throw new ForgeError(refusal.message, {
    code: refusal.code,
    exit: refusal.exit,
    hint: [`Instance ${contractId}, which it made all the same, was destroyed.`, refusal.hint]
      .filter(Boolean)
      .join('\n'),
    cause: refusal,
    details: { ...refusal.details, destroyed_instance_ids: [contractId] },
  });
}

const SEND_AT_MOST = 3;
/** vast-api 1.3: the penalty for asking too soon. */
const RATE_LIMIT_MS = 12_000;

/**
 * Whether a call without an answer was carried out: the label decides, looked for several times, because the contract may
 * appear late. Throws (exit 15) when the list cannot be read.
 */
export async function lookForLabel({ deps }: Launching, label: string): Promise<Instance | null> {
  let failure: ForgeError | null = null;
  for (let look = 0; look < LABEL_LOOKS; look += 1) {
    if (look > 0) await deps.clock.sleep(LABEL_LOOK_EVERY_MS);
    try {
      const [found] = await deps.findByLabel(label);
      if (found !== undefined) return found;
      failure = null;
    } catch (error) {
      if (!(error instanceof ForgeError) || error.exit === EXIT.interrupted || error.exit === EXIT.terminated)
        throw error;
      failure = error;
    }
  }
  if (failure === null) return null;
  throw new ForgeError(`Whether a machine was rented cannot be found out: ${failure.message}`, {
    code: 'RENT_UNKNOWN',
    exit: EXIT.cleanUpFailed,
    hint: `A machine with the label ${label} may exist and bill.`,
    cause: failure,
    details: { label },
  });
}

const LABEL_LOOKS = 4;
const LABEL_LOOK_EVERY_MS = 5_000;

/** An error of the call itself, which says whether it may have been carried out. */
function hasOutcome(error: unknown): error is Error & { outcomeUnknown: boolean } {
  return error instanceof Error && 'outcomeUnknown' in error;
}

function leftContractOf(error: unknown): number | null {
  const { leftContractId = null } = error instanceof Error ? (error as { leftContractId?: number | null }) : {};
  return leftContractId;
}

function isRateLimit(error: unknown): boolean {
  return error instanceof ForgeError && error.code === 'RATE_LIMITED';
}
