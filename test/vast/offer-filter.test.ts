import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Market } from '../../src/sandbox/vast-api/market.ts';
import type { World } from '../../src/sandbox/world.ts';
import { fitsFilters, type OfferRow } from '../../src/vast/offer-filter.ts';
import { parseOfferQuery, regionFilter } from '../../src/vast/offer-query.ts';
import type { Filters } from '../../src/vast/offers.ts';

/** The sandbox decides with code of its own. */
const market = new Market({ state: { seed: 3, asks: {} }, living: () => [] } as unknown as World);
const rows = market.search({ limit: 5000 }) as OfferRow[];

function idsFrom(filters: Filters): unknown[] {
  return market.search({ ...filters, limit: 5000 }).map(({ id }) => id);
}

describe('filters that are decided here', () => {
  const number = (field: string, values: number[]) =>
    fc
      .record({ operator: fc.constantFrom('gt', 'gte', 'lt', 'lte', 'eq', 'neq'), value: fc.constantFrom(...values) })
      .map(({ operator, value }): Filters => ({ [field]: { [operator]: value } }));
  const filters: fc.Arbitrary<Filters> = fc
    .array(
      fc.oneof(
        number('reliability', [0, 0.9, 0.95, 0.9921, 1]),
        number('reliability2', [0.97]),
        number('num_gpus', [1, 2, 8]),
        number('dph_total', [0.1, 0.4, 2]),
        number('inet_down', [100, 870, 5000]),
        number('compute_cap', [610, 700, 900, 1300]),
        number('pcie_bw', [24.1]),
        number('no_such_column', [1]),
        fc.constantFrom<Filters>(
          { verified: { eq: true } },
          { verified: { eq: false } },
          { external: { eq: false } },
          { rented: { eq: true } },
          { cpu_arch: { eq: 'amd64' } },
          { cpu_arch: { neq: 'amd64' } },
          { gpu_name: { in: ['RTX_4090', 'H100 SXM'] } },
          { gpu_name: { eq: 'RTX_5090' } },
          { gpu_name: { notin: ['RTX 4090'] } },
          { geolocation: regionFilter('EU,JP') },
          { geolocation: { notin: ['US'] } },
          { cuda_max_good: { gte: 12.8 }, compute_cap: { gte: 700, lt: 1300 } },
        ),
      ),
      { maxLength: 4 },
    )
    .map((parts): Filters => Object.assign({}, ...parts));

  it('let through what the API lets through', () => {
    fc.assert(
      fc.property(filters, (wanted) => {
        const there = new Set(idsFrom(wanted));
        const differ = rows.filter((row) => fitsFilters(row, wanted) !== there.has(row['id']));
        expect(differ.map((row) => row['id'])).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });

  it('read columns that are shown in another form than they are filtered by', () => {
    const row = { geolocation: 'Sweden, SE\n', driver_version: '535.86.05', reliability: 0.99, external: null };
    expect(fitsFilters(row, { geolocation: { in: ['SE'] } })).toBe(true);
    expect(fitsFilters(row, parseOfferQuery('driver_version>=535.86.05').filters)).toBe(true);
    expect(fitsFilters(row, parseOfferQuery('driver_version>535.86.05').filters)).toBe(false);
    expect(fitsFilters(row, { reliability2: { gte: 0.99 } })).toBe(true);
    expect(fitsFilters(row, { external: { eq: false } })).toBe(true);
    expect(fitsFilters(row, { external: { eq: true } })).toBe(false);
    expect(fitsFilters(row, { geolocation: { constructor: 1 } as never })).toBe(false);
  });
});

describe('the market of the sandbox', () => {
  it('hides H100s and H200s from a filter on CUDA alone, as the real API does', () => {
    const names = (filters: Filters) =>
      new Set(market.search({ ...filters, limit: 5000 }).map((row) => String(row['gpu_name'])));
    const alone = names({ cuda_max_good: { gte: 12.8 } });
    const both = names({ cuda_max_good: { gte: 12.8 }, compute_cap: { gte: 700 } });
    expect(both.has('H100 NVL')).toBe(true);
    expect(alone.has('H100 NVL')).toBe(false);
    expect(alone.has('RTX 4090')).toBe(true);
  });

  it('has old and new cards, other processors and makers, and hosts that tell little', () => {
    const find = (name: string) => rows.find((row) => row['gpu_name'] === name);
    expect(find('GTX 1080 Ti')?.['compute_cap']).toBe(610);
    expect(find('Tesla V100')?.['compute_cap']).toBe(700);
    expect(find('B200')?.['compute_cap']).toBe(1000);
    expect(find('GH200 SXM')?.['cpu_arch']).toBe('arm64');
    expect(find('MI300X')).toMatchObject({ gpu_arch: 'amd', compute_cap: null, cuda_max_good: null });
    expect(find('H100 PCIE')).toMatchObject({ cuda_max_good: 12.4, driver_version: '550.144.03' });
    expect(find('RTX 4070')).toMatchObject({ dlperf: null, reliability: null, inet_down: null });
  });
});
