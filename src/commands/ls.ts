import { Flags } from '@oclif/core';
import { BaseCommand } from '../cli/base-command.js';
import { localFacts, outbidHints } from '../cli/instance-facts.js';
import { beginJobsRead, moneyOf } from '../cli/instance-money.js';
import { instanceDocument, instanceTable } from '../cli/instance-output.js';

export default class Ls extends BaseCommand<typeof Ls> {
  static override description =
    'List your instances: state, price now, spent so far, age, time left, address. Spent is an estimate by price and age (~), or the least that it can be (>) where a machine does not run now; --charges reads the bill.';
  static override flags = {
    charges: Flags.boolean({ description: "Read what was spent from the platform's bill: one call more." }),
  };
  static override examples = [
    { description: 'All of them', command: '<%= config.bin %> ls' },
    { description: 'With the exact cost of each', command: '<%= config.bin %> ls --charges' },
    {
      description: 'Ids of those that run',
      command: '<%= config.bin %> ls --json | jq \'.[] | select(.state == "running").id\'',
    },
  ];

  async run(): Promise<Record<string, unknown>[]> {
    const { context } = this;
    const vast = await context.vast();
    const jobs = beginJobsRead(vast);
    const instances = await vast.instances.list();
    const money = await moneyOf(context, instances, { jobs, wantsCharges: this.flags.charges });
    if (instances.length === 0) context.reporter.info('You have no instances. forgectl launch rents one.');
    else this.answer(await instanceTable(instances, money, context));
    for (const hint of outbidHints(instances, context)) context.reporter.info(hint);
    await context.ownStops.settle(instances);
    const nowMs = context.clock.now();
    return instances.map((instance) => ({
      ...instanceDocument(instance, money(instance), nowMs),
      ...localFacts(instance, context),
    }));
  }
}
