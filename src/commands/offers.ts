import { Flags } from '@oclif/core';
import { BaseCommand } from '../cli/base-command.js';
import { durationFlag, eventsFlag, positiveNumberFlag } from '../cli/flags.js';
import { answerOffers } from '../cli/list-offers.js';
import { offerFlags } from '../cli/offer-flags.js';
import { OFFER_SORTS, type OfferSort } from '../cli/offer-sorts.js';
import { offerWishes } from '../cli/offer-wishes.js';

export default class Offers extends BaseCommand<typeof Offers> {
  static override description =
    'List machines for rent, with the price that you would really pay: GPU, disk and the first download.';
  static override flags = {
    ...offerFlags,
    bid: Flags.boolean({ description: 'Interruptible machines, with the least bid as price.' }),
    sort: Flags.option({
      description: 'Order of the list; "value" is generation speed for the money, see --best of launch.',
      options: OFFER_SORTS,
      default: 'value' as OfferSort,
    })(),
    limit: Flags.integer({ description: 'At most this many.', default: 20, min: 1, max: 1000 }),
    explain: Flags.integer({
      description: "Show the parts of this offer's score and its place, or which filters hide it; may be repeated.",
      helpValue: 'ID',
      multiple: true,
      delimiter: ',',
      min: 1,
      exclusive: ['relax', 'plot', 'watch'],
    }),
    relax: Flags.boolean({
      description: 'Show which filter hides how many offers, and the command without it.',
      exclusive: ['plot', 'watch'],
    }),
    plot: Flags.boolean({
      description: 'Draw price against speed, the best ones marked.',
      exclusive: ['watch'],
    }),
    watch: Flags.boolean({ description: 'Search again and again, and print what is new or became cheaper.' }),
    below: positiveNumberFlag({
      description:
        'With --watch: tell of offers below this price, GPU and disk, in $/hour (the cheapest at the start).',
      helpValue: 'USD',
      dependsOn: ['watch'],
    }),
    interval: durationFlag({
      description: 'With --watch: time between two looks (60s), at least 10s.',
      helpValue: '60s',
      dependsOn: ['watch'],
    }),
    'until-found': Flags.boolean({
      description: 'With --watch: end with 0 at the first offer below the price.',
      dependsOn: ['watch'],
    }),
    timeout: durationFlag({
      description: 'With --watch: end after this time; with --until-found and nothing found that is exit 7.',
      helpValue: '2h',
      dependsOn: ['watch'],
    }),
    events: eventsFlag,
  };
  static override examples = [
    { description: 'The best ones for Forge', command: '<%= config.bin %> offers' },
    {
      description: 'Cheapest 4090s in Europe',
      command: '<%= config.bin %> offers --gpu RTX_4090 --region EU --sort price',
    },
    { description: 'Id of the best offer', command: "<%= config.bin %> offers --limit 1 --json | jq '.[0].id'" },
    { description: 'Why it stands where it stands', command: '<%= config.bin %> offers --explain 8001200' },
    { description: 'Price against speed', command: '<%= config.bin %> offers --plot' },
    {
      description: 'Rent a 4090 as soon as one costs less than 30 cents',
      command:
        '<%= config.bin %> offers --gpu RTX_4090 --watch --below 0.3 --until-found && <%= config.bin %> launch --gpu RTX_4090 --max-price 0.3 --best --yes',
    },
  ];

  async run(): Promise<Record<string, unknown> | Record<string, unknown>[]> {
    const { flags } = this;
    const wishes = offerWishes(flags, this.context, { interruptible: flags.bid, bidPerHourUsd: null });
    return answerOffers(this.context, { flags, wishes, argv: this.argv }, (text) => this.answer(text));
  }
}
