import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { relaxFilters } from '../../../src/workflows/offers/relax-filters.ts';
import { makeOffer, TERMS } from '../../support/offer.ts';

const judged = (id: number, failed: string[], part = {}) => ({ offer: makeOffer({ id, ...part }), failed });

describe('what filters hide', () => {
  it('counts single filters when one is enough, most offers first, best offer first', () => {
    const result = relaxFilters(
      [
        judged(1, ['gpu', 'region']),
        judged(2, ['max_price'], { dphTotal: 0.9 }),
        judged(3, ['max_price'], { dphTotal: 0.6 }),
        judged(4, ['verified']),
        judged(5, []),
      ],
      TERMS,
    );
    expect(result.matching).toBe(1);
    expect(result.relaxations.map(({ filters, offers }) => [filters, offers.map(({ id }) => id)])).toEqual([
      [['max_price'], [3, 2]],
      [['verified'], [4]],
    ]);
  });

  it('takes pairs when no single filter helps, and more when no pair does', () => {
    const pairs = relaxFilters([judged(1, ['a', 'b']), judged(2, ['a', 'b', 'c']), judged(3, ['b', 'c'])], TERMS);
    expect(pairs.relaxations.map(({ filters }) => filters)).toEqual([
      ['a', 'b'],
      ['b', 'c'],
    ]);
    expect(relaxFilters([judged(2, ['a', 'b', 'c'])], TERMS).relaxations[0]?.filters).toEqual(['a', 'b', 'c']);
    expect(relaxFilters([], TERMS)).toEqual({ matching: 0, relaxations: [], unusable: 0 });
  });

  it('does not advise to take a machine that cannot run the image, and says that there are some', () => {
    const pascal = { computeCap: 610 };
    const result = relaxFilters(
      [judged(1, ['image'], pascal), judged(2, ['image', 'gpu'], pascal), judged(3, ['gpu', 'region'])],
      TERMS,
    );
    expect(result.relaxations.map(({ filters }) => filters)).toEqual([['gpu', 'region']]);
    expect(result.unusable).toBe(1);
  });

  it('its numbers are those of a search without the named filters', () => {
    const names = ['a', 'b', 'c', 'd'];
    fc.assert(
      fc.property(fc.array(fc.subarray(names), { maxLength: 30 }), (rows) => {
        const { matching, relaxations } = relaxFilters(
          rows.map((failed, id) => judged(id, failed)),
          TERMS,
        );
        const left = (without: string[]) =>
          rows.filter((failed) => failed.every((name) => without.includes(name))).length;
        expect(matching).toBe(left([]));
        for (const { filters, offers } of relaxations)
          if (filters.length === 1) expect(offers.length).toBe(left(filters) - matching);
        const single = names.some((name) => left([name]) > matching);
        expect(relaxations.some(({ filters }) => filters.length === 1)).toBe(single);
      }),
    );
  });
});
