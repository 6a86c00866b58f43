import { instancesArg } from '../cli/flags.js';
import { InstanceCommand } from '../cli/instance-command.js';
import { localFacts, outbidHints } from '../cli/instance-facts.js';
import { beginJobsRead, moneyOf } from '../cli/instance-money.js';
import { instanceDetails, instanceDocument } from '../cli/instance-output.js';

export default class Show extends InstanceCommand<typeof Show> {
  static override description = 'Show what is known of instances: state, price, spent so far, limit, addresses, image.';
  static override args = { instance: instancesArg };
  static override examples = [
    { description: 'The only instance', command: '<%= config.bin %> show' },
    { description: 'By label', command: '<%= config.bin %> show my-forge' },
  ];

  async run(): Promise<Record<string, unknown> | Record<string, unknown>[]> {
    const { context } = this;
    const jobs = beginJobsRead(await context.vast());
    const instances = await this.selected();
    const money = await moneyOf(context, instances, { jobs, wantsCharges: true });
    for (const instance of instances) this.answer(await instanceDetails(instance, money(instance), context));
    for (const hint of outbidHints(instances, context)) context.reporter.info(hint);
    const nowMs = context.clock.now();
    const documents = instances.map((instance) => ({
      ...instanceDocument(instance, money(instance), nowMs),
      ...localFacts(instance, context),
    }));
    // One name gives one object, several give a list: `show a --json | jq .state` must not depend on a [0].
    return this.names.length > 1 ? documents : (documents[0] ?? {});
  }
}
