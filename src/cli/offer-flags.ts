import { Flags } from '@oclif/core';
import { parseOfferQuery, regionFilter } from '../vast/offer-query.js';
import type { OfferQuery } from '../vast/offers.js';
import { fractionFlag, positiveNumberFlag } from './flags.js';

/** The same filters for `offers` and `launch`. */
export const offerFlags = {
  gpu: Flags.string({
    description: 'GPU model, as the marketplace names it (RTX_4090 or "RTX 4090"); several with commas.',
    env: 'FORGECTL_GPU',
    helpValue: 'NAME',
    helpGroup: 'OFFER',
  }),
  'num-gpus': Flags.integer({
    description: 'Number of GPUs.',
    env: 'FORGECTL_NUM_GPUS',
    helpValue: 'N',
    min: 1,
    helpGroup: 'OFFER',
  }),
  'max-price': positiveNumberFlag({
    description: 'Most to pay while running, GPU and disk together, in $/hour.',
    env: 'FORGECTL_MAX_PRICE',
    helpValue: 'USD',
    helpGroup: 'OFFER',
  }),
  disk: positiveNumberFlag({
    description: 'Disk in GB. It is part of the price and cannot be changed later.',
    env: 'FORGECTL_DISK',
    helpValue: 'GB',
    helpGroup: 'OFFER',
  }),
  region: Flags.string({
    description: 'Where the machine may stand: NA, EU, AS, … or country codes; several with commas.',
    env: 'FORGECTL_REGION',
    helpValue: 'CODES',
    helpGroup: 'OFFER',
  }),
  reliability: fractionFlag({
    description: 'Least reliability of the host, 0 to 1.',
    env: 'FORGECTL_RELIABILITY',
    helpValue: '0.95',
    helpGroup: 'OFFER',
  }),
  unverified: Flags.boolean({ description: 'Also hosts that are not verified.', helpGroup: 'OFFER' }),
  'any-port': Flags.boolean({
    description: 'Also hosts without direct ports (reached through a proxy).',
    helpGroup: 'OFFER',
  }),
  query: Flags.string({
    description: 'More filters in the language of the official client, e.g. "inet_down>500 cuda_vers>=12.8".',
    env: 'FORGECTL_QUERY',
    helpValue: 'TEXT',
    helpGroup: 'OFFER',
  }),
};

export interface OfferWishes {
  gpu: string | null;
  numGpus: number;
  maxPriceUsd: number | null;
  diskGb: number;
  region: string | null;
  reliability: number;
  verified: boolean;
  directPort: boolean;
  query: string | null;
  interruptible: boolean;
  limit: number;
}

/** CUDA of the image (image README: torch cu128). A host with less cannot start the container. */
const IMAGE_CUDA = 12.8;

/** The filters that were sent, in words: printed, so that nobody wonders why a machine is missing. */
export function describeWishes(wishes: OfferWishes): string {
  const parts = [
    wishes.gpu === null ? null : wishes.gpu.replaceAll('_', ' '),
    `${wishes.numGpus} GPU`,
    `reliability ≥ ${wishes.reliability}`,
    wishes.verified ? 'verified' : null,
    wishes.directPort ? 'direct ports' : null,
    `CUDA ≥ ${IMAGE_CUDA}`,
    `${wishes.diskGb} GB disk`,
    wishes.maxPriceUsd === null ? null : `≤ $${wishes.maxPriceUsd}/h`,
    wishes.region === null ? null : `in ${wishes.region}`,
    wishes.interruptible ? 'interruptible' : null,
    wishes.query,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

/** The user's own query text wins over the defaults, field by field. */
export function offerQuery(wishes: OfferWishes): OfferQuery {
  const filters: OfferQuery['filters'] = {
    rentable: { eq: true },
    rented: { eq: false },
    external: { eq: false },
    ...(wishes.verified ? { verified: { eq: true } } : {}),
    num_gpus: { eq: wishes.numGpus },
    reliability: { gte: wishes.reliability },
    cuda_max_good: { gte: IMAGE_CUDA },
    cpu_arch: { eq: 'amd64' },
    disk_space: { gte: wishes.diskGb },
    ...(wishes.directPort ? { direct_port_count: { gte: 1 } } : {}),
    ...(wishes.maxPriceUsd === null ? {} : { dph_total: { lte: wishes.maxPriceUsd } }),
    ...(wishes.gpu === null ? {} : { gpu_name: gpuFilter(wishes.gpu) }),
    ...(wishes.region === null ? {} : { geolocation: regionFilter(wishes.region) }),
  };
  const own = wishes.query === null ? { filters: {}, dropped: [] } : parseOfferQuery(wishes.query);
  for (const field of own.dropped) delete filters[field];
  return {
    filters: { ...filters, ...own.filters },
    order: [['dph_total', 'asc']],
    limit: wishes.limit,
    type: wishes.interruptible ? 'bid' : 'on-demand',
    allocatedStorageGb: wishes.diskGb,
  };
}

function gpuFilter(text: string): Record<string, string | string[]> {
  const names = text
    .split(',')
    .map((name) => name.trim().replaceAll('_', ' '))
    .filter((name) => name !== '');
  return names.length === 1 ? { eq: names[0] ?? '' } : { in: names };
}
