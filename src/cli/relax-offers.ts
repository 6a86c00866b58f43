import { EXIT, ForgeError } from '../errors.js';
import type { Offer } from '../vast/model.js';
import type { JudgedOffer } from '../vast/offers.js';
import type { Vast } from '../vast/vast.js';
import { type Relaxation, relaxFilters } from '../workflows/offers/relax-filters.js';
import { HOURS_PER_MONTH } from '../workflows/price.js';
import { type Ease, isFixed, type OfferFilter, offerFilters, queryOf, queryWithout } from './offer-filters.js';
import { type OfferWishes, rankTerms } from './offer-wishes.js';
import { type FlagChange, retype } from './typed-command.js';

/** The command that was typed, to be typed again with a change. */
export interface Typed {
  command: string;
  argv: readonly string[];
}

/** Filters that are taken back or eased, and what that would give. */
export interface Advice {
  filters: OfferFilter[];
  /** Without them. */
  offers: number;
  /** There may be more: with a smaller disk every price is lower. */
  isLeast: boolean;
  cheapest: Offer;
  /** $/hour; null when no host tells one. */
  leastBidUsd: number | null;
  /** The least that has to be typed; a number is eased, not taken away. */
  command: string;
  /** With the command. */
  offersWithCommand: number;
}

export interface RelaxReport {
  filters: OfferFilter[];
  matching: number;
  advice: Advice[];
  /** Hidden offers on which the image cannot run. */
  unusable: number;
  /** The market is larger than one search shows: numbers are the least there are. */
  isCut: boolean;
}

/** One wide search without the filters that can be relaxed; the rest is counted here. */
export async function relaxOffers(vast: Vast, wishes: OfferWishes, typed: Typed): Promise<RelaxReport> {
  const filters = offerFilters(wishes);
  const { judged, isCut } = await judgeMarket(vast, filters, wishes);
  const { matching, relaxations, unusable } = relaxFilters(
    judged.map((row) => withItsDisk(row, wishes)),
    rankTerms(wishes),
  );
  const advice = relaxations.slice(0, ADVICE_AT_MOST).flatMap((relaxation) => adviceOf(relaxation, wishes, typed));
  return { filters, matching, advice, unusable, isCut };
}

/** Offers that one search brings; the cheapest ones when there are more. */
const WIDE_LIMIT = 3000;
const ADVICE_AT_MOST = 8;

async function judgeMarket(
  vast: Vast,
  filters: readonly OfferFilter[],
  wishes: OfferWishes,
): Promise<{ judged: JudgedOffer[]; isCut: boolean }> {
  const tests = Object.fromEntries(
    filters.filter((filter) => !isFixed(filter)).map((filter) => [filter.id, filter.filters]),
  );
  const judge = (kept: (filter: OfferFilter) => boolean): Promise<JudgedOffer[]> =>
    vast.offers.judge({ ...queryOf(filters.filter(kept), wishes), limit: WIDE_LIMIT }, tests);
  const wide = await judge(isFixed);
  if (wide.length < WIDE_LIMIT) return { judged: wide, isCut: false };
  // The cheapest of the whole market may not have a single card of the wanted model.
  const narrow = await judge((filter) => isFixed(filter) || filter.id === 'gpu');
  const known = new Set(wide.map(({ offer }) => offer.id));
  return { judged: [...wide, ...narrow.filter(({ offer }) => !known.has(offer.id))], isCut: true };
}

/** A machine whose disk is too small is rented with less of it, which makes it cheaper: perhaps cheap enough. */
function withItsDisk({ offer, failed }: JudgedOffer, { diskGb, maxPriceUsd }: OfferWishes): JudgedOffer {
  if (!failed.includes('disk')) return { offer, failed };
  const saved = ((offer.storageCostPerGbMonth ?? 0) * (diskGb - Math.floor(offer.diskSpaceGb))) / HOURS_PER_MONTH;
  const dphTotal = offer.dphTotal - saved;
  const isCheapEnough = maxPriceUsd === null || dphTotal <= maxPriceUsd;
  return { offer: { ...offer, dphTotal }, failed: failed.filter((id) => id !== 'max_price' || !isCheapEnough) };
}

/** Nothing when no flag can bring it about. */
function adviceOf({ filters: ids, offers }: Relaxation, wishes: OfferWishes, typed: Typed): Advice[] {
  const relaxed = offerFilters(wishes).filter(({ id }) => ids.includes(id));
  const target = nearest(relaxed, offers);
  const eased = relaxed.map((filter) => ({ filter, value: easedValue(filter.ease, target) }));
  const changes = eased
    .filter(({ filter }) => filter.queryField === undefined)
    .flatMap(({ filter, value }): FlagChange[] => {
      if (filter.ease !== undefined && value !== null) return [{ flag: filter.ease.flag, value: String(value) }];
      return filter.off === null ? [] : [filter.off];
    });
  const fields = relaxed.flatMap(({ queryField }) => queryField ?? []);
  if (fields.length > 0) changes.push({ flag: 'query', value: queryWithout(wishes.query ?? '', fields) });
  if (changes.length === 0) return [];
  const isAdmitted = (offer: Offer): boolean => eased.every(({ filter, value }) => admits(filter.ease, value, offer));
  return [
    {
      filters: relaxed,
      offers: offers.length,
      isLeast: ids.includes('disk'),
      cheapest: [...offers].sort((one, other) => one.dphTotal - other.dphTotal)[0] as Offer,
      leastBidUsd: leastOf(offers.flatMap(({ minBid }) => minBid ?? [])),
      command: retype(typed.command, typed.argv, changes),
      offersWithCommand: offers.filter(isAdmitted).length,
    },
  ];
}

function leastOf(numbers: readonly number[]): number | null {
  return numbers.length === 0 ? null : Math.min(...numbers);
}

/** The one for which a single number has to move least; of several filters, the best one. `offers` is best first. */
function nearest([first, second]: readonly OfferFilter[], offers: readonly Offer[]): Offer {
  const ease = second === undefined ? first?.ease : undefined;
  if (ease === undefined || ease.kind === 'exactly') return offers[0] as Offer;
  const distance = (offer: Offer): number => {
    const held = ease.read(offer);
    return held === null ? Number.MAX_VALUE : held * (ease.kind === 'most' ? 1 : -1);
  };
  return [...offers].sort((one, other) => distance(one) - distance(other))[0] as Offer;
}

/** Rounded so that the offer is let through; null when the filter can only be taken away. */
function easedValue(ease: Ease | undefined, offer: Offer): number | null {
  const held = ease?.read(offer) ?? null;
  if (ease === undefined || held === null) return null;
  const scale = 10 ** ease.digits;
  const round = ease.kind === 'most' ? Math.ceil : Math.floor;
  // The tiny step undoes what multiplying adds: 0.29 * 100 is 28.999…
  return round(Number((held * scale).toFixed(6))) / scale;
}

function admits(ease: Ease | undefined, value: number | null, offer: Offer): boolean {
  const held = ease?.read(offer) ?? null;
  if (ease === undefined || value === null) return true;
  if (held === null) return false;
  if (ease.kind === 'exactly') return held === value;
  return ease.kind === 'most' ? held <= value : held >= value;
}

/** For an empty answer. Null when the second search failed: that must not turn "nothing" into an error. */
export async function adviceForNothing(vast: Vast, wishes: OfferWishes, typed: Typed): Promise<RelaxReport | null> {
  try {
    return await relaxOffers(vast, wishes, typed);
  } catch (error) {
    if (error instanceof ForgeError && error.exit === EXIT.apiFailed) return null;
    throw error;
  }
}
