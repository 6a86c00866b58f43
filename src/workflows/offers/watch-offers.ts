import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import type { Offer } from '../../vast/model.js';
import { VastError } from '../../vast/vast-error.js';

/** What has changed since the last look. `gone` is told only of offers that were told before. */
export interface OfferChange {
  kind: 'new' | 'cheaper' | 'gone';
  offer: Offer;
  /** $/hour at the last look; null when it was not there. */
  beforePerHourUsd: number | null;
  atMs: number;
}

export interface WatchWishes {
  /** $/hour with disk; null for less than the cheapest of the first look. */
  belowUsd: number | null;
  intervalMs: number;
  timeoutMs: number | null;
  /** Ends with the first offer that is new or cheaper. */
  untilFound: boolean;
}

export interface WatchDependencies {
  search(): Promise<Offer[]>;
  clock: Clock;
  signal: AbortSignal;
  onChange(change: OfferChange): void;
  /** After the first look that succeeded. */
  onBegin(facts: { offers: number; cheapest: Offer | null; belowUsd: number | null }): void;
  onProblem(problem: ForgeError, nextLookMs: number): void;
}

export interface WatchLog {
  belowUsd: number | null;
  looks: number;
  failedLooks: number;
  changes: OfferChange[];
}

/** Searches again and again, and tells what fell below the price. Ends with the time, with a find, or by its signal (throws). */
export async function watchOffers(
  deps: WatchDependencies,
  wishes: WatchWishes,
  log: WatchLog,
): Promise<'found' | 'timeout'> {
  const { clock, signal } = deps;
  const deadlineMs = wishes.timeoutMs === null ? Number.POSITIVE_INFINITY : clock.now() + wishes.timeoutMs;
  const market = new WatchedMarket(wishes.belowUsd);
  for (let failedInRow = 0; ; ) {
    const startedMs = clock.now();
    const offers = await look(deps, log);
    failedInRow = offers instanceof ForgeError ? failedInRow + 1 : 0;
    const nextMs = startedMs + pauseMs(wishes.intervalMs, failedInRow);
    if (offers instanceof ForgeError) deps.onProblem(offers, Math.max(0, nextMs - clock.now()));
    else {
      const changes = market.take(offers, clock.now());
      if (log.looks === 1)
        deps.onBegin({ offers: offers.length, cheapest: cheapestOf(offers), belowUsd: market.belowUsd });
      log.belowUsd = market.belowUsd;
      log.changes.push(...changes);
      for (const change of changes) deps.onChange(change);
      if (wishes.untilFound && changes.some(({ kind }) => kind !== 'gone')) return 'found';
    }
    const now = clock.now();
    if (now >= deadlineMs) return 'timeout';
    await clock.sleep(Math.max(0, Math.min(nextMs, deadlineMs) - now), signal);
    if (clock.now() >= deadlineMs) return 'timeout';
  }
}

/** A look that failed for a reason that passes is told and repeated; any other ends the watch. */
async function look(deps: WatchDependencies, log: WatchLog): Promise<Offer[] | ForgeError> {
  deps.signal.throwIfAborted();
  try {
    const offers = await deps.search();
    log.looks += 1;
    return offers;
  } catch (error) {
    if (!passes(error)) throw error;
    log.failedLooks += 1;
    return error;
  }
}

function passes(error: unknown): error is ForgeError {
  if (!(error instanceof VastError) || error.exit !== EXIT.apiFailed) return false;
  // 400 and its kin: the question itself is wrong, and stays so.
  const { status } = error.facts;
  return status === null || status < 400 || status === 429 || status >= 500;
}

const LONGEST_PAUSE_MS = 10 * 60_000;

/** Twice as long after each failure in a row, so that an API in trouble is left alone. */
function pauseMs(intervalMs: number, failedInRow: number): number {
  const grown = intervalMs * 2 ** Math.max(0, Math.min(failedInRow, 8) - 1);
  return Math.max(intervalMs, Math.min(grown, LONGEST_PAUSE_MS));
}

function cheapestOf(offers: readonly Offer[]): Offer | null {
  return [...offers].sort((one, other) => one.dphTotal - other.dphTotal)[0] ?? null;
}

/** Smaller moves are rounding of the platform's own. */
const LEAST_DROP = 0.0005;

/** Compares each look with the one before. */
class WatchedMarket {
  /** Infinity when there was nothing at first: then anything is news. */
  private limitUsd: number | null;
  private before: Map<number, Offer> | null = null;
  private readonly told = new Map<number, Offer>();

  constructor(belowUsd: number | null) {
    this.limitUsd = belowUsd;
  }

  get belowUsd(): number | null {
    return Number.isFinite(this.limitUsd) ? this.limitUsd : null;
  }

  take(offers: readonly Offer[], atMs: number): OfferChange[] {
    const now = new Map(offers.map((offer) => [offer.id, offer]));
    const limitUsd = this.limitUsd ?? cheapestOf(offers)?.dphTotal ?? Number.POSITIVE_INFINITY;
    this.limitUsd = limitUsd;
    const found = [...now.values()]
      .filter((offer) => offer.dphTotal < limitUsd)
      .sort((one, other) => one.dphTotal - other.dphTotal || one.id - other.id)
      .flatMap((offer) => this.changeOf(offer, limitUsd, atMs));
    const gone = [...this.told.values()]
      .filter(({ id }) => !now.has(id))
      .map((offer): OfferChange => ({ kind: 'gone', offer, beforePerHourUsd: offer.dphTotal, atMs }));
    for (const { offer } of gone) this.told.delete(offer.id);
    for (const { offer } of found) this.told.set(offer.id, offer);
    this.before = now;
    return [...gone, ...found];
  }

  private changeOf(offer: Offer, limitUsd: number, atMs: number): OfferChange[] {
    const before = this.before?.get(offer.id)?.dphTotal ?? null;
    if (before === null) return [{ kind: 'new', offer, beforePerHourUsd: null, atMs }];
    // Many small steps are a drop as well, so it is measured from what was told last.
    const toldUsd = this.told.get(offer.id)?.dphTotal ?? before;
    const isCheaper = before >= limitUsd || offer.dphTotal < toldUsd * (1 - LEAST_DROP);
    return isCheaper ? [{ kind: 'cheaper', offer, beforePerHourUsd: before, atMs }] : [];
  }
}
