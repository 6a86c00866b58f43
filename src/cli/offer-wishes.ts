import { type ImageNeeds, imageNeeds } from '../workflows/offers/image-needs.js';
import type { RankTerms } from '../workflows/offers/score-offer.js';
import type { ForgeContext } from './context.js';
import { ANY } from './offer-flags.js';

export interface OfferFlagValues {
  gpu?: string | undefined;
  'num-gpus'?: number | undefined;
  'max-price'?: number | undefined;
  disk?: number | undefined;
  region?: string | undefined;
  reliability?: number | undefined;
  unverified: boolean;
  'any-port': boolean;
  'any-cuda': boolean;
  query?: string | undefined;
}

/** What is wanted, wherever it was said. */
export interface OfferWishes {
  gpu: string | null;
  numGpus: number;
  maxPriceUsd: number | null;
  diskGb: number;
  region: string | null;
  /** 0 for any. */
  reliability: number;
  /** Nobody asked for that reliability. */
  reliabilityIsDefault: boolean;
  verified: boolean;
  directPort: boolean;
  image: ImageNeeds;
  /** The machine must run the image. */
  imageMustRun: boolean;
  query: string | null;
  interruptible: boolean;
  /** What will be bid, $/hour; null when nobody has said. */
  bidPerHourUsd: number | null;
  limit: number;
}

/** Flag, then environment (oclif reads it), then the settings file, then the default. */
export function offerWishes(
  flags: OfferFlagValues,
  context: Pick<ForgeContext, 'settings'>,
  rest: Pick<OfferWishes, 'interruptible' | 'bidPerHourUsd'>,
): OfferWishes {
  const { settings } = context;
  const maxPrice = flags['max-price'] ?? settings.get('max_price');
  return {
    gpu: unlessAny(flags.gpu ?? settings.get('gpu')),
    numGpus: flags['num-gpus'] ?? settings.get('num_gpus'),
    maxPriceUsd: maxPrice === Number.POSITIVE_INFINITY ? null : maxPrice,
    diskGb: flags.disk ?? settings.get('disk'),
    region: unlessAny(flags.region ?? settings.get('region')),
    reliability: flags.reliability ?? settings.get('reliability'),
    reliabilityIsDefault: flags.reliability === undefined && settings.entry('reliability').origin === 'default',
    verified: !flags.unverified,
    directPort: !flags['any-port'],
    image: imageNeeds(),
    imageMustRun: !flags['any-cuda'],
    query: flags.query?.trim() || null,
    limit: SEARCH_LIMIT,
    ...rest,
  };
}

/** Ranking needs the whole field, not only the cheapest page of it. */
const SEARCH_LIMIT = 1000;

export function rankTerms({ diskGb, image, bidPerHourUsd }: OfferWishes): RankTerms {
  return { diskGb, image, bidPerHourUsd };
}

function unlessAny(text: string | null): string | null {
  return text === null || ANY.has(text.trim().toLowerCase()) ? null : text;
}
