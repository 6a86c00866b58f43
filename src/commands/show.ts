import { instancesArg } from '../cli/flags.js';
import { InstanceCommand } from '../cli/instance-command.js';
import { instanceDetails, instanceDocument } from '../cli/instance-output.js';

export default class Show extends InstanceCommand<typeof Show> {
  static override description = 'Show what is known of instances: state, price, addresses, image.';
  static override args = { instance: instancesArg };
  static override examples = [
    { description: 'The only instance', command: '<%= config.bin %> show' },
    { description: 'By label', command: '<%= config.bin %> show my-forge' },
  ];

  async run(): Promise<Record<string, unknown> | Record<string, unknown>[]> {
    const instances = await this.selected();
    for (const instance of instances) this.answer(await instanceDetails(instance, this.context));
    const documents = instances.map((instance) => instanceDocument(instance, this.context.clock.now()));
    // One name gives one object, several give a list: `show a --json | jq .state` must not depend on a [0].
    return this.names.length > 1 ? documents : (documents[0] ?? {});
  }
}
