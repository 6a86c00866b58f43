import type { Offer } from '../vast/model.js';
import { parseOfferQuery, regionFilter } from '../vast/offer-query.js';
import type { Filters, OfferQuery } from '../vast/offers.js';
import { version } from '../workflows/offers/image-needs.js';
import { IMAGE_FILTER } from '../workflows/offers/relax-filters.js';
import type { OfferWishes } from './offer-wishes.js';
import type { FlagChange } from './typed-command.js';

/** One thing that is asked of an offer: how it reads, how the API is asked, and how it is taken back. */
export interface OfferFilter {
  id: string;
  words: string;
  filters: Filters;
  /** Nobody has asked for it: printed with the way to switch it off. */
  isDefault: boolean;
  /** The flag that takes it away; null when that is not to be had. */
  off: FlagChange | null;
  /** For numbers: how it is eased just enough. */
  ease?: Ease;
  /** Set for a field of --query, which is one flag for all of them. */
  queryField?: string;
}

export interface Ease {
  flag: string;
  /** What the filter compares. */
  read: (offer: Offer) => number | null;
  /** The flag is the most, or the least, that is let through, or the only value. */
  kind: 'most' | 'least' | 'exactly';
  digits: number;
}

/** The user's own query text wins over the other filters, field by field. */
export function offerFilters(wishes: OfferWishes): OfferFilter[] {
  const own = parseOfferQuery(wishes.query ?? '');
  const taken = new Set([...own.dropped, ...Object.keys(own.filters)]);
  const others = [...marketFilters(), ...askedFilters(wishes), ...defaultFilters(wishes)].flatMap((filter) => {
    const left = Object.entries(filter.filters).filter(([field]) => !taken.has(field));
    return left.length === 0 ? [] : [{ ...filter, filters: Object.fromEntries(left) }];
  });
  return [...others, ...queryFilters(own, wishes.query ?? '')];
}

/** What is not for rent, or of another trade, is never wanted. */
function marketFilters(): OfferFilter[] {
  const more = { isDefault: true, off: null };
  return [
    { id: 'rentable', words: 'for rent', filters: { rentable: { eq: true } }, ...more },
    { id: 'rented', words: 'not rented', filters: { rented: { eq: false } }, ...more },
    { id: 'external', words: 'on the marketplace itself', filters: { external: { eq: false } }, ...more },
    { id: 'cpu_arch', words: 'amd64', filters: { cpu_arch: { eq: 'amd64' } }, ...more },
  ];
}

/** Asked of every offer, so they are left in when others are relaxed. */
export function isFixed({ off, ease }: OfferFilter): boolean {
  return off === null && ease === undefined;
}

function askedFilters(wishes: OfferWishes): OfferFilter[] {
  const { gpu, numGpus, diskGb, maxPriceUsd, region, bidPerHourUsd } = wishes;
  const asked = (filter: Omit<OfferFilter, 'isDefault'>): OfferFilter => ({ ...filter, isDefault: false });
  return [
    ...(gpu === null
      ? []
      : [
          asked({
            id: 'gpu',
            words: gpuNames(gpu).join(' or '),
            filters: { gpu_name: gpuFilter(gpu) },
            off: { flag: 'gpu', value: 'any' },
          }),
        ]),
    asked({
      id: 'num_gpus',
      words: numGpus === 1 ? '1 GPU' : `${numGpus} GPUs`,
      filters: { num_gpus: { eq: numGpus } },
      off: null,
      ease: { flag: 'num-gpus', read: (offer) => offer.numGpus, kind: 'exactly', digits: 0 },
    }),
    asked({
      id: 'disk',
      words: `${diskGb} GB disk`,
      filters: { disk_space: { gte: diskGb } },
      off: null,
      ease: { flag: 'disk', read: (offer) => offer.diskSpaceGb, kind: 'least', digits: 0 },
    }),
    ...(maxPriceUsd === null
      ? []
      : [
          asked({
            id: 'max_price',
            words: `at most $${maxPriceUsd}/h`,
            filters: { dph_total: { lte: maxPriceUsd } },
            off: { flag: 'max-price', value: 'any' },
            ease: { flag: 'max-price', read: (offer) => offer.dphTotal, kind: 'most', digits: 3 },
          }),
        ]),
    ...(bidPerHourUsd === null
      ? []
      : [
          asked({
            id: 'bid',
            words: `takes a bid of $${bidPerHourUsd}/h`,
            filters: { min_bid: { lte: bidPerHourUsd } },
            off: null,
            ease: { flag: 'bid', read: (offer) => offer.minBid, kind: 'most', digits: 3 },
          }),
        ]),
    ...(region === null
      ? []
      : [
          asked({
            id: 'region',
            words: `in ${region}`,
            filters: { geolocation: regionFilter(region) },
            off: { flag: 'region', value: 'any' },
          }),
        ]),
  ];
}

/** Each of them can be switched off; all are printed. */
function defaultFilters(wishes: OfferWishes): OfferFilter[] {
  const { reliability, reliabilityIsDefault, verified, directPort, image, imageMustRun } = wishes;
  const filters: (OfferFilter & { isOn: boolean })[] = [
    {
      id: 'reliability',
      words: `reliability ≥ ${reliability}`,
      filters: { reliability: { gte: reliability } },
      isDefault: reliabilityIsDefault,
      isOn: reliability > 0,
      off: { flag: 'reliability', value: '0' },
      ease: { flag: 'reliability', read: (offer) => offer.reliability, kind: 'least', digits: 4 },
    },
    {
      id: 'verified',
      words: 'verified',
      filters: { verified: { eq: true } },
      isDefault: true,
      isOn: verified,
      off: { flag: 'unverified', value: null },
    },
    {
      id: 'direct_port',
      words: 'direct ports',
      filters: { direct_port_count: { gte: 1 } },
      isDefault: true,
      isOn: directPort,
      off: { flag: 'any-port', value: null },
    },
    {
      id: IMAGE_FILTER,
      words: `runs the image: CUDA ≥ ${image.cuda.toFixed(1)}, capability ${version(image.leastComputeCap)}–${Math.floor(image.computeCapBelow / 100) - 1}.x`,
      filters: {
        cuda_max_good: { gte: image.cuda },
        compute_cap: { gte: image.leastComputeCap, lt: image.computeCapBelow },
      },
      isDefault: true,
      isOn: imageMustRun,
      off: { flag: 'any-cuda', value: null },
    },
  ];
  return filters.filter(({ isOn }) => isOn).map(({ isOn: _, ...filter }) => filter);
}

function queryFilters({ filters, terms }: ReturnType<typeof parseOfferQuery>, query: string): OfferFilter[] {
  return Object.entries(filters).map(([field, tests]) => ({
    id: `query.${field}`,
    words: terms
      .filter((term) => term.field === field)
      .map((term) => term.text)
      .join(' '),
    filters: { [field]: tests },
    isDefault: false,
    off: { flag: 'query', value: queryWithout(query, [field]) },
    queryField: field,
  }));
}

/** "any", because without a word the default filter of that field would come back. */
export function queryWithout(query: string, fields: readonly string[]): string {
  const kept = parseOfferQuery(query).terms.filter(({ field }) => !fields.includes(field));
  return [...kept.map(({ text }) => text), ...fields.map((field) => `${field}=any`)].join(' ');
}

/** What is sent: all filters, or those that are kept when something is found out about the others. */
export function queryOf(filters: readonly OfferFilter[], wishes: OfferWishes): OfferQuery {
  const merged: Filters = Object.assign({}, ...filters.map((filter) => filter.filters));
  return {
    filters: withCapability(merged),
    order: [['dph_total', 'asc']],
    limit: wishes.limit,
    type: wishes.interruptible ? 'bid' : 'on-demand',
    allocatedStorageGb: wishes.diskGb,
  };
}

/** cuda_max_good without compute_cap hides H100s and H200s that fit (gpuhunt#142), so the one is never sent alone. */
function withCapability(filters: Filters): Filters {
  if (filters['cuda_max_good'] === undefined || filters['compute_cap'] !== undefined) return filters;
  return { ...filters, compute_cap: { gte: 0 } };
}

function gpuFilter(text: string): Record<string, string | string[]> {
  const names = gpuNames(text);
  return names.length === 1 ? { eq: names[0] ?? '' } : { in: names };
}

function gpuNames(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim().replaceAll('_', ' '))
    .filter((name) => name !== '');
}
