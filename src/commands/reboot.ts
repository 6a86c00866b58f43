import { changeFlags, eventsFlag, instancesArg } from '../cli/flags.js';
import { PowerCommand } from '../cli/power-command.js';

export default class Reboot extends PowerCommand<typeof Reboot> {
  static override description = 'Stop and start the container; the GPU and the data are kept.';
  static override args = { instance: instancesArg };
  static override flags = { ...changeFlags, events: eventsFlag };
  static override examples = [
    { description: 'The only instance', command: '<%= config.bin %> reboot' },
    { description: 'Several, without questions', command: '<%= config.bin %> reboot my-forge 1234567 --yes' },
  ];

  async run(): Promise<Record<string, unknown>> {
    return this.changeAll({
      action: 'reboot',
      harmless: false,
      question: (count) =>
        count === 1 ? 'Reboot it? What runs on it is ended.' : `Reboot these ${count}? What runs on them is ended.`,
    });
  }
}
