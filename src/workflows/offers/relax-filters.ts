import type { Offer } from '../../vast/model.js';
import type { JudgedOffer } from '../../vast/offers.js';
import { rankOffers } from './rank-offers.js';
import type { RankTerms } from './score-offer.js';

/** Filters without which there would be these offers, best first. */
export interface Relaxation {
  filters: string[];
  offers: Offer[];
}

export interface RelaxResult {
  /** Offers that pass every filter. */
  matching: number;
  /** The fewest filters that have to go: single ones when one is enough, else pairs, and so on. Most offers first. */
  relaxations: Relaxation[];
  /** Offers that pass every other filter, and on which the image cannot run. */
  unusable: number;
}

/** The name under which the filter on driver and card is judged. */
export const IMAGE_FILTER = 'image';

/** What each filter hides. Dropping one cannot help an offer that the image does not run on, so such offers do not count. */
export function relaxFilters(judged: readonly JudgedOffer[], terms: RankTerms): RelaxResult {
  const verdicts = new Map(
    rankOffers(
      judged.map(({ offer }) => offer),
      terms,
    ).map((verdict, rank) => [verdict.offer.id, { rank, runs: verdict.fit.verdict !== 'no' }]),
  );
  const hidden = judged.filter(({ failed }) => failed.length > 0);
  const usable = hidden.filter(({ offer }) => verdicts.get(offer.id)?.runs);
  const fewest = Math.min(...usable.map(({ failed }) => failed.length));
  const groups = new Map<string, Relaxation>();
  for (const { offer, failed } of usable.filter((row) => row.failed.length === fewest)) {
    const key = failed.join('\n');
    const group = groups.get(key) ?? { filters: failed, offers: [] };
    group.offers.push(offer);
    groups.set(key, group);
  }
  const rank = ({ id }: Offer): number => verdicts.get(id)?.rank ?? 0;
  for (const { offers } of groups.values()) offers.sort((one, other) => rank(one) - rank(other));
  return {
    matching: judged.length - hidden.length,
    relaxations: [...groups.values()].sort(
      (one, other) => other.offers.length - one.offers.length || one.filters.join().localeCompare(other.filters.join()),
    ),
    unusable: hidden.filter((row) => !usable.includes(row) && row.failed.join() === IMAGE_FILTER).length,
  };
}
