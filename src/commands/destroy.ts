import { changeFlags, eventsFlag, instancesArg } from '../cli/flags.js';
import { PowerCommand } from '../cli/power-command.js';

export default class Destroy extends PowerCommand<typeof Destroy> {
  static override description = 'Destroy instances: the contract ends, and everything on the disk is lost.';
  static override args = { instance: instancesArg };
  static override flags = { ...changeFlags, events: eventsFlag };
  static override examples = [
    { description: 'The only instance', command: '<%= config.bin %> destroy' },
    { description: 'Several, without questions', command: '<%= config.bin %> destroy my-forge 1234567 --yes' },
  ];

  async run(): Promise<Record<string, unknown>> {
    return this.changeAll({
      action: 'destroy',
      harmless: false,
      question: (count) =>
        count === 1
          ? 'Destroy it? Everything on its disk is lost.'
          : `Destroy these ${count}? Everything on their disks is lost.`,
    });
  }
}
