import { Flags } from '@oclif/core';
import { BaseCommand } from '../cli/base-command.js';
import { describeWishes, offerFlags, offerQuery } from '../cli/offer-flags.js';
import { offerDocument, offerTable } from '../cli/offer-output.js';
import { offerWishes } from '../cli/offer-wishes.js';
import { rankOffers } from '../workflows/launch/rank-offers.js';
import { estimatePrice } from '../workflows/price.js';

const SORTS = ['value', 'price', 'first-hour', 'speed', 'reliability', 'download'] as const;

export default class Offers extends BaseCommand<typeof Offers> {
  static override description =
    'List machines for rent, with the price that you would really pay: GPU, disk and the first download.';
  static override flags = {
    ...offerFlags,
    bid: Flags.boolean({ description: 'Interruptible machines, with the least bid as price.' }),
    sort: Flags.option({
      description: 'Order of the list; "value" is generation speed for the money, see --best of launch.',
      options: SORTS,
      default: 'value' as (typeof SORTS)[number],
    })(),
    limit: Flags.integer({ description: 'At most this many.', default: 20, min: 1, max: 1000 }),
  };
  static override examples = [
    { description: 'The best ones for Forge', command: '<%= config.bin %> offers' },
    {
      description: 'Cheapest 4090s in Europe',
      command: '<%= config.bin %> offers --gpu RTX_4090 --region EU --sort price',
    },
    { description: 'Id of the best offer', command: "<%= config.bin %> offers --limit 1 --json | jq '.[0].id'" },
  ];

  async run(): Promise<Record<string, unknown>[]> {
    const wishes = offerWishes(this.flags, this.context, { interruptible: this.flags.bid, limit: SEARCH_LIMIT });
    const vast = await this.context.vast();
    const offers = await vast.offers.search(offerQuery(wishes));
    const ranked = rankOffers(offers, wishes.diskGb);
    const sorted = ranked.sort(ORDERS[this.flags.sort](wishes.diskGb)).slice(0, this.flags.limit);
    this.context.reporter.info(`Filters: ${describeWishes(wishes)}`);
    if (sorted.length === 0) {
      this.context.reporter.info('No offer matches. Widen --region, --max-price, --reliability or --gpu.');
    } else {
      this.answer(await offerTable(sorted, wishes.diskGb, this.context));
      if (ranked.length > sorted.length) {
        this.context.reporter.info(`${sorted.length} of ${ranked.length} offers; --limit shows more.`);
      }
    }
    return sorted.map((verdict) => offerDocument(verdict, wishes.diskGb));
  }
}

/** Ranking needs the whole field, not only the cheapest page of it. */
const SEARCH_LIMIT = 1000;

type Verdict = ReturnType<typeof rankOffers>[number];
type Order = (diskGb: number) => (one: Verdict, other: Verdict) => number;

const ORDERS: Record<(typeof SORTS)[number], Order> = {
  value: () => (one, other) => other.value - one.value,
  price: () => (one, other) => one.offer.dphTotal - other.offer.dphTotal,
  'first-hour': (diskGb) => (one, other) =>
    estimatePrice(one.offer, diskGb).firstHourUsd - estimatePrice(other.offer, diskGb).firstHourUsd,
  speed: () => (one, other) => (other.offer.dlperf ?? 0) - (one.offer.dlperf ?? 0),
  reliability: () => (one, other) => (other.offer.reliability ?? 0) - (one.offer.reliability ?? 0),
  download: () => (one, other) => (one.downloadMinutes ?? 1e9) - (other.downloadMinutes ?? 1e9),
};
