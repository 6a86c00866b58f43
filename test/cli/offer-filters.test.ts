import { describe, expect, it } from 'vitest';
import { filterLines } from '../../src/cli/filter-lines.ts';
import { offerFilters, queryOf, queryWithout } from '../../src/cli/offer-filters.ts';
import { type OfferFlagValues, type OfferWishes, offerWishes } from '../../src/cli/offer-wishes.ts';
import { Settings } from '../../src/config/settings.ts';

const NO_FLAGS: OfferFlagValues = { unverified: false, 'any-port': false, 'any-cuda': false };

function wishes(flags: Partial<OfferFlagValues> = {}, env: Record<string, string> = {}): OfferWishes {
  const settings = new Settings({ configDir: '/nowhere' } as never, env);
  return offerWishes({ ...NO_FLAGS, ...flags }, { settings }, { interruptible: false, bidPerHourUsd: null });
}

const sent = (asked: OfferWishes) => queryOf(offerFilters(asked), asked).filters;

describe('what the API is asked', () => {
  it('the defaults: for rent, verified, reliable, with direct ports, and able to run the image', () => {
    expect(sent(wishes())).toEqual({
      rentable: { eq: true },
      rented: { eq: false },
      external: { eq: false },
      cpu_arch: { eq: 'amd64' },
      num_gpus: { eq: 1 },
      disk_space: { gte: 50 },
      reliability: { gte: 0.95 },
      verified: { eq: true },
      direct_port_count: { gte: 1 },
      cuda_max_good: { gte: 12.8 },
      compute_cap: { gte: 700, lt: 1300 },
    });
  });

  it.each([
    [{ reliability: 0 }, ['reliability']],
    [{ unverified: true }, ['verified']],
    [{ 'any-port': true }, ['direct_port_count']],
    [{ 'any-cuda': true }, ['cuda_max_good', 'compute_cap']],
    [{ query: 'verified=any external=any' }, ['external', 'verified']],
    [{ query: 'cpu_arch=any' }, ['cpu_arch']],
  ])('%j takes the default away', (flags, gone) => {
    const all = sent(wishes());
    const left = sent(wishes(flags));
    expect(Object.keys(all).filter((field) => !(field in left))).toEqual(gone);
  });

  it('CUDA is never asked for without the card, which would hide H100s', () => {
    for (const query of ['compute_cap=any', 'cuda_vers>=12.4', 'cuda_vers>=12.4 compute_cap=any']) {
      for (const more of [{}, { 'any-cuda': true }]) {
        const filters = sent(wishes({ query, ...more }));
        if (filters['cuda_max_good'] !== undefined) expect(filters['compute_cap'], query).toBeDefined();
      }
    }
    expect(sent(wishes({ query: 'compute_cap>=800' }))['compute_cap']).toEqual({ gte: 800 });
  });

  it('"any" takes away what a setting or the environment has put there', () => {
    const env = { FORGECTL_GPU: 'RTX_4090', FORGECTL_REGION: 'EU', FORGECTL_MAX_PRICE: '0.5' };
    expect(sent(wishes({}, env))).toMatchObject({ gpu_name: { eq: 'RTX 4090' }, dph_total: { lte: 0.5 } });
    const none = sent(wishes({ gpu: 'any', region: '*', 'max-price': Number.POSITIVE_INFINITY }, env));
    for (const field of ['gpu_name', 'geolocation', 'dph_total']) expect(none).not.toHaveProperty(field);
  });

  it('a bid has to be enough', () => {
    expect(sent({ ...wishes(), bidPerHourUsd: 0.2 })['min_bid']).toEqual({ lte: 0.2 });
  });
});

describe('what is printed of it', () => {
  it('the defaults with the way to switch each off, broken between items', () => {
    const lines = filterLines(offerFilters(wishes({ gpu: 'RTX_4090,RTX_5090' })), wishes(), ' → 7 offers');
    expect(lines[0]).toBe('Filters:  RTX 4090 or RTX 5090, 1 GPU, 50 GB disk → 7 offers');
    const defaults = lines.slice(1).join(' ').replaceAll(/\s+/gu, ' ');
    for (const off of ['--reliability 0', '--unverified', '--any-port', '--any-cuda']) expect(defaults).toContain(off);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('what was asked for is no default any more', () => {
    const text = (asked: OfferWishes) => filterLines(offerFilters(asked), asked);
    expect(text(wishes({ reliability: 0.9 }))[0]).toContain('reliability ≥ 0.9');
    expect(text(wishes({}, { FORGECTL_RELIABILITY: '0.99' }))[0]).toContain('reliability ≥ 0.99');
    const none = { reliability: 0, unverified: true, 'any-port': true, 'any-cuda': true };
    expect(text(wishes(none))).toEqual(['Filters:  1 GPU, 50 GB disk']);
  });
});

describe('a query without one of its fields', () => {
  it('keeps the others as they were typed, and lets no default come back', () => {
    const query = 'inet_down>500 reliability>0.999 gpu_ram>=24 inet_down<9000';
    expect(queryWithout(query, ['inet_down'])).toBe('reliability>0.999 gpu_ram>=24 inet_down=any');
    expect(queryWithout(query, ['reliability', 'gpu_ram'])).toBe(
      'inet_down>500 inet_down<9000 reliability=any gpu_ram=any',
    );
    expect(sent(wishes({ query: queryWithout(query, ['reliability']) }))).not.toHaveProperty('reliability');
    expect(sent(wishes({ query }))['reliability']).toEqual({ gt: 0.999 });
  });
});
