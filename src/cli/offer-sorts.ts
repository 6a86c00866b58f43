import type { OfferVerdict } from '../workflows/offers/rank-offers.js';
import { estimatePrice } from '../workflows/price.js';

export const OFFER_SORTS = ['value', 'price', 'first-hour', 'speed', 'reliability', 'download', 'start'] as const;
export type OfferSort = (typeof OFFER_SORTS)[number];

type Order = (diskGb: number) => (one: OfferVerdict, other: OfferVerdict) => number;

const ORDERS: Record<OfferSort, Order> = {
  value: () => (one, other) => other.value - one.value,
  price: () => (one, other) => one.offer.dphTotal - other.offer.dphTotal,
  'first-hour': (diskGb) => (one, other) =>
    estimatePrice(one.offer, diskGb).firstHourUsd - estimatePrice(other.offer, diskGb).firstHourUsd,
  speed: () => (one, other) => (other.speed ?? 0) - (one.speed ?? 0),
  reliability: () => (one, other) => (other.offer.reliability ?? 0) - (one.offer.reliability ?? 0),
  download: () => (one, other) => (one.downloadMinutes ?? 1e9) - (other.downloadMinutes ?? 1e9),
  start: () => (one, other) => one.bootMinutes - other.bootMinutes,
};

/** `ranked` is best first, which decides between equals. */
export function sortOffers(ranked: readonly OfferVerdict[], sort: OfferSort, diskGb: number): OfferVerdict[] {
  return [...ranked].sort(ORDERS[sort](diskGb));
}
