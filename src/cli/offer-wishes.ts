import type { ForgeContext } from './context.js';
import type { OfferWishes } from './offer-flags.js';

interface OfferFlagValues {
  gpu?: string | undefined;
  'num-gpus'?: number | undefined;
  'max-price'?: number | undefined;
  disk?: number | undefined;
  region?: string | undefined;
  reliability?: number | undefined;
  unverified: boolean;
  'any-port': boolean;
  query?: string | undefined;
}

/** Flag, then environment (oclif reads it), then the settings file, then the default. */
export function offerWishes(
  flags: OfferFlagValues,
  context: Pick<ForgeContext, 'settings'>,
  rest: Pick<OfferWishes, 'interruptible' | 'limit'>,
): OfferWishes {
  const { settings } = context;
  return {
    gpu: flags.gpu ?? settings.get('gpu'),
    numGpus: flags['num-gpus'] ?? settings.get('num_gpus'),
    maxPriceUsd: flags['max-price'] ?? settings.get('max_price'),
    diskGb: flags.disk ?? settings.get('disk'),
    region: flags.region ?? settings.get('region'),
    reliability: flags.reliability ?? settings.get('reliability'),
    verified: !flags.unverified,
    directPort: !flags['any-port'],
    query: flags.query ?? null,
    ...rest,
  };
}
