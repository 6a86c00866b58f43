import { BaseCommand } from '../cli/base-command.js';
import { instanceDocument, instanceTable } from '../cli/instance-output.js';

export default class Ls extends BaseCommand<typeof Ls> {
  static override description = 'List your instances: state, price, address, age.';
  static override examples = [
    { description: 'All of them', command: '<%= config.bin %> ls' },
    {
      description: 'Ids of those that run',
      command: '<%= config.bin %> ls --json | jq \'.[] | select(.state == "running").id\'',
    },
  ];

  async run(): Promise<Record<string, unknown>[]> {
    const vast = await this.context.vast();
    const instances = await vast.instances.list();
    if (instances.length === 0) this.context.reporter.info('You have no instances. forgectl launch rents one.');
    else this.answer(await instanceTable(instances, this.context));
    return instances.map((instance) => instanceDocument(instance, this.context.clock.now()));
  }
}
