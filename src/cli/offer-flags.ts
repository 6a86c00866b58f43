import { Flags } from '@oclif/core';
import { fractionFlag, positiveNumberFlag } from './flags.js';

/** What takes a filter away that a setting or the environment has put there. */
export const ANY = new Set(['any', '*']);

/** Infinity stands for no limit. */
const priceLimitFlag = Flags.custom<number>({
  parse: async (text, context, options) =>
    ANY.has(text) ? Number.POSITIVE_INFINITY : await parsePrice(text, context, options),
});

const { parse: parsePrice } = positiveNumberFlag();

/** The same filters for `offers` and `launch`. */
export const offerFlags = {
  gpu: Flags.string({
    description: 'GPU model, as the marketplace names it (RTX_4090 or "RTX 4090"); several with commas; "any".',
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
  'max-price': priceLimitFlag({
    description: 'Most to pay while running, GPU and disk together, in $/hour; "any".',
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
    description: 'Where the machine may stand: NA, EU, AS, … or country codes; several with commas; "any".',
    env: 'FORGECTL_REGION',
    helpValue: 'CODES',
    helpGroup: 'OFFER',
  }),
  reliability: fractionFlag({
    description: 'Least reliability of the host, 0 to 1 (0.95); 0 for any.',
    env: 'FORGECTL_RELIABILITY',
    helpValue: '0.95',
    helpGroup: 'OFFER',
  }),
  unverified: Flags.boolean({ description: 'Also hosts that are not verified.', helpGroup: 'OFFER' }),
  'any-port': Flags.boolean({
    description: 'Also hosts without direct ports (reached through a proxy).',
    helpGroup: 'OFFER',
  }),
  'any-cuda': Flags.boolean({
    description: "Also hosts whose driver or card may not run the image's CUDA and torch; those that cannot rank last.",
    helpGroup: 'OFFER',
  }),
  query: Flags.string({
    description: 'More filters in the language of the official client, e.g. "inet_down>500 cuda_vers>=12.8".',
    env: 'FORGECTL_QUERY',
    helpValue: 'TEXT',
    helpGroup: 'OFFER',
  }),
};
