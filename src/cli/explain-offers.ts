import { EXIT, ForgeError } from '../errors.js';
import type { Vast } from '../vast/vast.js';
import { judgeOffer, type OfferVerdict, rankOffers } from '../workflows/offers/rank-offers.js';
import { type OfferFilter, offerFilters, queryOf } from './offer-filters.js';
import { type OfferWishes, rankTerms } from './offer-wishes.js';

/** Why an offer stands where it stands. */
export interface Explanation {
  verdict: OfferVerdict;
  /** From 1; where it would stand when filters hide it. */
  rank: number;
  /** Matching offers. */
  of: number;
  /** Empty when it is one of the matching ones. */
  hiddenBy: OfferFilter[];
  /** The middle factor of the matching offers, by part; 1 when there are none. */
  middle: Record<string, number>;
  /** The first of the list; null when it is this one. */
  first: OfferVerdict | null;
}

export interface Explanations {
  found: Explanation[];
  missing: number[];
  filters: OfferFilter[];
}

/** One search for the whole field, and one more when an id is not in it. */
export async function explainOffers(vast: Vast, ids: readonly number[], wishes: OfferWishes): Promise<Explanations> {
  const filters = offerFilters(wishes);
  const terms = rankTerms(wishes);
  const ranked = rankOffers(await vast.offers.search(queryOf(filters, wishes)), terms);
  const known = new Set(ranked.map(({ offer }) => offer.id));
  const hidden = await lookUp(
    vast,
    ids.filter((id) => !known.has(id)),
    { filters, wishes },
  );
  const found = ids.flatMap((id): Explanation[] => {
    const shown = ranked.findIndex(({ offer }) => offer.id === id);
    const verdict = ranked[shown] ?? hidden.get(id)?.verdict;
    if (verdict === undefined) return [];
    const better = ranked.filter(({ value }) => value > verdict.value).length;
    const first = ranked[0] === undefined || ranked[0] === verdict ? null : ranked[0];
    return [
      {
        verdict,
        rank: shown === -1 ? better + 1 : shown + 1,
        of: ranked.length,
        hiddenBy: hidden.get(id)?.hiddenBy ?? [],
        middle: middleFactors(ranked),
        first,
      },
    ];
  });
  return { found, missing: ids.filter((id) => !known.has(id) && !hidden.has(id)), filters };
}

async function lookUp(
  vast: Vast,
  ids: readonly number[],
  { filters, wishes }: { filters: readonly OfferFilter[]; wishes: OfferWishes },
): Promise<Map<number, { verdict: OfferVerdict; hiddenBy: OfferFilter[] }>> {
  if (ids.length === 0) return new Map();
  const query = { ...queryOf([], wishes), filters: { id: { in: [...ids] } }, order: [], limit: ids.length };
  const tests = Object.fromEntries(filters.map((filter) => [filter.id, filter.filters]));
  const judged = await vast.offers.judge(query, tests);
  return new Map(
    judged.map(({ offer, failed }) => [
      offer.id,
      {
        verdict: judgeOffer(offer, rankTerms(wishes)),
        hiddenBy: filters.filter(({ id }) => failed.includes(id)),
      },
    ]),
  );
}

function middleFactors(ranked: readonly OfferVerdict[]): Record<string, number> {
  const factors = new Map<string, number[]>();
  for (const { parts } of ranked) {
    for (const { name, factor } of parts) factors.set(name, [...(factors.get(name) ?? []), factor]);
  }
  return Object.fromEntries([...factors].map(([name, all]) => [name, median(all)]));
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 1;
}

export function offersNotThere(ids: readonly number[]): ForgeError {
  const list = ids.join(', ');
  return new ForgeError(
    ids.length === 1 ? `There is no offer ${list}: it was rented or taken back.` : `There are no offers ${list}.`,
    {
      code: 'OFFER_NOT_FOUND',
      exit: EXIT.notFound,
      hint: 'forgectl offers lists what there is.',
      details: { offer_ids: ids },
    },
  );
}
