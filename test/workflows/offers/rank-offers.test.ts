import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Offer } from '../../../src/vast/model.ts';
import { bootMinutes, downloadMinutes } from '../../../src/workflows/offers/boot-estimate.ts';
import { inOrder, judgeOffer, rankOffers } from '../../../src/workflows/offers/rank-offers.ts';
import { PART_NAMES, scoreParts } from '../../../src/workflows/offers/score-offer.ts';
import { estimatePrice } from '../../../src/workflows/price.ts';
import { makeOffer, TERMS } from '../../support/offer.ts';

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });

/** Anything that the API's answer can become, the strange included. */
const anyOffer: fc.Arbitrary<Offer> = fc
  .record({
    id: fc.nat(),
    machineId: fc.nat(50),
    numGpus: fc.integer({ min: 0, max: 16 }),
    gpuRamMb: number(0, 300_000),
    dphTotal: number(0, 50),
    storageCostPerGbMonth: maybe(number(0, 2)),
    inetDownMbitPerS: maybe(number(0, 20_000)),
    inetDownCostPerGb: maybe(number(0, 0.1)),
    dlperf: maybe(number(-1, 2000)),
    reliability: maybe(number(-0.1, 1.1)),
    directPortCount: maybe(fc.integer({ min: -1, max: 1000 })),
    verified: fc.boolean(),
    cudaMaxGood: maybe(fc.constantFrom(0, 11.8, 12.2, 12.4, 12.8, 13)),
    computeCap: maybe(fc.constantFrom(0, 520, 610, 700, 750, 800, 890, 900, 1000, 1100, 1200, 1300)),
    cpuArch: maybe(fc.constantFrom('amd64', 'arm64')),
    gpuName: fc.constantFrom('RTX 4090', 'H100 SXM', 'Tesla V100', 'GTX 1080'),
  })
  .map(makeOffer);

function better(one: Partial<Offer>, other: Partial<Offer> = {}): boolean {
  const ranked = rankOffers([makeOffer({ id: 2, ...other }), makeOffer({ id: 1, ...one })], TERMS);
  return ranked[0]?.offer.id === 1 && (ranked[0]?.value ?? 0) > (ranked[1]?.value ?? 0);
}

describe('the score', () => {
  it('is exactly the product of its parts, each of them there and none negative, whatever the API says', () => {
    fc.assert(
      fc.property(anyOffer, (offer) => {
        const { value, parts } = judgeOffer(offer, TERMS);
        expect(parts.map(({ name }) => name)).toEqual([...PART_NAMES]);
        expect(value).toBe(parts.reduce((product, { factor }) => product * factor, 1));
        for (const { factor } of parts) expect(factor).toBeGreaterThanOrEqual(0);
        expect(Number.isFinite(value)).toBe(true);
      }),
    );
  });

  it('price, disk and download are one price per hour, taken apart', () => {
    const offer = makeOffer();
    const factors = Object.fromEntries(scoreParts(offer, TERMS).map(({ name, factor }) => [name, factor]));
    const { runningPerHourUsd, downloadUsd } = estimatePrice(offer, TERMS.diskGb);
    const product = (factors['price'] ?? 0) * (factors['disk'] ?? 0) * (factors['download'] ?? 0);
    expect(1 / product).toBeCloseTo(runningPerHourUsd + downloadUsd / 2, 9);
    expect(factors['disk']).toBeCloseTo(0.39 / 0.4, 9);
  });

  it('a bid is the price, whatever the host asks', () => {
    const bid = { ...TERMS, bidPerHourUsd: 0.2 };
    const value = (dphTotal: number) => judgeOffer(makeOffer({ dphTotal }), bid).value;
    expect(value(0.05)).toBe(value(5));
    expect(value(0.4)).toBeGreaterThan(judgeOffer(makeOffer(), TERMS).value);
  });
});

describe('the order', () => {
  it('does not depend on the order of the answer', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyOffer, { selector: ({ id }) => id }), (offers) => {
        const ids = (list: Offer[]) => rankOffers(list, TERMS).map((verdict) => verdict.offer.id);
        expect(ids([...offers].reverse())).toEqual(ids(offers));
        expect(ids(offers)).toHaveLength(offers.length);
      }),
    );
  });

  it('the same machine for more money is never higher', () => {
    fc.assert(
      fc.property(anyOffer, number(1.001, 20), (offer, factor) => {
        const cheap = { ...offer, id: 2, dphTotal: offer.dphTotal + 0.01 };
        const dear = { ...cheap, id: 1, dphTotal: cheap.dphTotal * factor };
        expect(rankOffers([dear, cheap], TERMS)[0]?.offer.id).toBe(2);
      }),
    );
  });

  const worse: [string, (offer: Offer) => Partial<Offer>][] = [
    ['slower', ({ dlperf }) => ({ dlperf: (dlperf ?? 5) * 0.9 })],
    ['less reliable', ({ reliability }) => ({ reliability: (reliability ?? 0.9) - 0.05 })],
    [
      'behind a slower line',
      ({ inetDownMbitPerS }) => ({ inetDownMbitPerS: Math.min(inetDownMbitPerS ?? 100, 2500) / 2 }),
    ],
    ['dearer to download to', ({ inetDownCostPerGb }) => ({ inetDownCostPerGb: (inetDownCostPerGb ?? 0) + 0.01 })],
    ['not verified', () => ({ verified: false })],
    ['without direct ports', () => ({ directPortCount: 0 })],
    ['smaller in video memory', ({ gpuRamMb }) => ({ gpuRamMb: gpuRamMb / 2 })],
    ['of fewer facts: no line', () => ({ inetDownMbitPerS: null })],
  ];
  it.each(worse)('the same machine, %s, is never higher', (_, change) => {
    fc.assert(
      fc.property(anyOffer, (offer) => {
        // Where the line is slower than what an untold one is taken for, not telling is no lie.
        const good = { ...offer, dlperf: Math.max(offer.dlperf ?? 50, 50), inetDownMbitPerS: 900 };
        expect(judgeOffer({ ...good, ...change(good) }, TERMS).value).toBeLessThanOrEqual(
          judgeOffer(good, TERMS).value,
        );
      }),
    );
  });

  it('differs where it should', () => {
    expect(better({ dphTotal: 0.3 })).toBe(true);
    expect(better({}, { dlperf: 40 })).toBe(true);
    expect(better({}, { dlperf: null })).toBe(true);
    expect(better({}, { reliability: 0.9 })).toBe(true);
    expect(better({}, { inetDownMbitPerS: 20 })).toBe(true);
    expect(better({}, { directPortCount: 0 })).toBe(true);
    expect(better({}, { gpuRamMb: 8_192 })).toBe(true);
    expect(better({}, { cudaMaxGood: 12.4 })).toBe(true);
    // Two cards at twice the price draw no faster: Forge uses one.
    expect(better({}, { numGpus: 2, dlperf: 180, dphTotal: 0.8 })).toBe(true);
  });

  it('the cheapest counts the first download too, and leaves out what cannot run the image', () => {
    const offers = [
      makeOffer({ id: 1 }),
      makeOffer({ id: 2, dphTotal: 0.42, inetDownCostPerGb: 0 }),
      makeOffer({ id: 3, dphTotal: 0.01, computeCap: 610 }),
    ];
    expect(inOrder('cheapest', offers, TERMS).map(({ id }) => id)).toEqual([2, 1]);
    expect(inOrder('best', offers, TERMS).map(({ id }) => id)).toEqual([2, 1]);
    expect(estimatePrice(makeOffer(), 50).firstHourUsd).toBeCloseTo(0.55);
  });
});

describe('the start', () => {
  it('is the download and what follows it; a faster line than hosts can use makes no difference', () => {
    const at = (inetDownMbitPerS: number | null) => makeOffer({ inetDownMbitPerS });
    expect(downloadMinutes(at(1000))).toBe(2);
    expect(bootMinutes(at(1000))).toBe(6);
    expect(bootMinutes(at(100))).toBe(24);
    expect(bootMinutes(at(20_000))).toBe(bootMinutes(at(2500)));
    expect(downloadMinutes(at(null))).toBeNull();
    expect(bootMinutes(at(null))).toBe(24);
    expect(bootMinutes(at(0))).toBe(24);
  });
});
