import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { offerFilters, queryOf } from '../../src/cli/offer-filters.ts';
import { type OfferFlagValues, type OfferWishes, offerWishes } from '../../src/cli/offer-wishes.ts';
import { adviceForNothing, relaxOffers } from '../../src/cli/relax-offers.ts';
import { nothingLines, relaxDocument, relaxLines } from '../../src/cli/relax-output.ts';
import { Settings } from '../../src/config/settings.ts';
import { judgeOffer } from '../../src/workflows/offers/rank-offers.ts';
import { MarketServer } from '../support/market-server.ts';
import { TERMS } from '../support/offer.ts';

let server: MarketServer;
beforeAll(async () => {
  server = await MarketServer.open(1);
});
afterAll(() => server.close());

/** The few flags of the test, read as a shell and the command would. */
function readFlags(command: string): OfferFlagValues {
  const flags: Record<string, unknown> = { unverified: false, 'any-port': false, 'any-cuda': false };
  const words = [...command.matchAll(/'([^']*)'|(\S+)/gu)].map(([, quoted, bare]) => quoted ?? bare ?? '');
  for (let at = 2; at < words.length; at += 1) {
    const name = (words[at] ?? '').replace(/^--/u, '');
    if (typeof flags[name] === 'boolean') flags[name] = true;
    else {
      at += 1;
      const isText = ['gpu', 'region', 'query'].includes(name);
      const value = words[at] ?? '';
      flags[name] = isText ? value : value === 'any' ? Number.POSITIVE_INFINITY : Number(value);
    }
  }
  return flags as unknown as OfferFlagValues;
}

function wishesOf(flags: OfferFlagValues): OfferWishes {
  const settings = new Settings({ configDir: '/nowhere' } as never, {});
  return offerWishes(flags, { settings }, { interruptible: false, bidPerHourUsd: null });
}

async function matching(wishes: OfferWishes): Promise<number[]> {
  return (await server.vast.offers.search(queryOf(offerFilters(wishes), wishes))).map(({ id }) => id);
}

const relax = (command: string) => {
  const argv = command.split(' ').slice(2);
  return relaxOffers(server.vast, wishesOf(readFlags(command)), { command: 'offers', argv });
};

describe('what to give up', () => {
  const flag = (name: string, values: string[]) => fc.constantFrom('', ...values.map((value) => `--${name} ${value}`));
  const command = fc
    .tuple(
      flag('gpu', ['RTX_5090', 'RTX_4090', 'H100_PCIE,B200', 'No_Such_Card']),
      flag('max-price', ['0.05', '0.3', '1.5']),
      flag('region', ['JP', 'EU']),
      flag('reliability', ['0.999', '0.5']),
      flag('num-gpus', ['2', '3']),
      flag('disk', ['300', '9000']),
      flag('query', ['inet_down>3000', 'pcie_bw>99', 'verified=any']),
      fc.constantFrom('', '--unverified', '--any-port'),
    )
    .map((parts) => ['forgectl', 'offers', ...parts.filter((part) => part !== '')].join(' '));

  it('typing the command brings as many offers as it says, with one search for all of it', async () => {
    await fc.assert(
      fc.asyncProperty(command, async (typed) => {
        const before = server.searches;
        const report = await relax(typed);
        expect(server.searches - before).toBe(1);
        const now = await matching(wishesOf(readFlags(typed)));
        expect(report.matching).toBe(now.length);
        for (const { command: advised, offersWithCommand, offers, filters, isLeast } of report.advice.slice(0, 3)) {
          const more = (await matching(wishesOf(readFlags(advised)))).filter((id) => !now.includes(id));
          if (isLeast) expect(usable(more), advised).toBeGreaterThanOrEqual(offersWithCommand);
          else expect(usable(more), advised).toBe(offersWithCommand);
          expect(offersWithCommand).toBeGreaterThan(0);
          expect(offersWithCommand).toBeLessThanOrEqual(offers);
          expect(filters.length).toBe(report.advice[0]?.filters.length);
        }
      }),
      { numRuns: 6 },
    );
  });

  /** --any-cuda also lists what cannot run the image; the advice counts only what may. */
  const usable = (ids: number[]): number =>
    server.market
      .search({ id: { in: ids }, limit: 5000, allocated_storage: 50 })
      .filter(({ compute_cap: card, cuda_max_good: cuda, gpu_name: name }) => {
        const part = { computeCap: card as number, cudaMaxGood: cuda as number, gpuName: String(name) };
        return (
          judgeOffer({ driverVersion: '550.1', cpuArch: null, gpuArch: null, ...part } as never, TERMS).fit.verdict !==
          'no'
        );
      }).length;

  it('eases a number just enough', async () => {
    const { advice } = await relax('forgectl offers --gpu RTX_4090 --max-price 0.1');
    const price = advice.find(({ filters }) => filters[0]?.id === 'max_price');
    expect(price).toMatchObject({ command: 'forgectl offers --gpu RTX_4090 --max-price 0.28', offersWithCommand: 2 });
    expect(price?.offers).toBeGreaterThan(10);
    const reliable = await relax('forgectl offers --gpu RTX_4090 --reliability 0.9999');
    expect(reliable.advice.find(({ filters }) => filters[0]?.id === 'reliability')?.command).toMatch(
      /--reliability 0\.99\d+$/u,
    );
    const disk = await relax('forgectl offers --disk 9000');
    expect(disk.advice[0]?.command).toMatch(/^forgectl offers --disk \d{3,4}$/u);
  });

  it('in words and as data', async () => {
    const some = await relax('forgectl offers --gpu RTX_4090');
    expect(relaxLines(some)[0]).toBe(`${some.matching} offers match.`);
    expect(relaxLines(some).join('\n')).toMatch(/without "RTX 4090": \d+ more offers, from \$/u);
    const none = await relax('forgectl offers --gpu RTX_5090 --region JP --max-price 0.2 --query inet_down>3000');
    expect(nothingLines(none)[0]).toMatch(/^No offer matches\. Giving up one filter is not enough; without 2 of them/u);
    expect(relaxDocument(none)).toMatchObject({
      matching: 0,
      relax: expect.arrayContaining([expect.objectContaining({ filters: ['gpu', 'region'] })]),
    });
    const never = await relax('forgectl offers --query cpu_arch=riscv');
    expect(nothingLines({ ...never, advice: [], unusable: 3 })).toEqual([
      'No offer matches. No filter that can be given up hides one.',
      '  (3 offers would match, but the image cannot run there.)',
    ]);
  });

  it('a search that fails for a while turns nothing into no advice, a wrong one is told', async () => {
    const wishes = wishesOf(readFlags('forgectl offers --gpu X'));
    const typed = { command: 'offers', argv: [] };
    server.failAt = { search: server.searches + 1, status: 500 };
    expect(nothingLines(await adviceForNothing(server.vast, wishes, typed))[0]).toMatch(/^No offer matches\. Widen/u);
    server.failAt = { search: server.searches + 1, status: 401 };
    await expect(adviceForNothing(server.vast, wishes, typed)).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
  });
});
