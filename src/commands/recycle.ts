import { changeFlags, eventsFlag, instancesArg } from '../cli/flags.js';
import { PowerCommand } from '../cli/power-command.js';

export default class Recycle extends PowerCommand<typeof Recycle> {
  static override description =
    'Make the container anew from its image. Everything on its disk is lost; the address changes.';
  static override args = { instance: instancesArg };
  static override flags = { ...changeFlags, events: eventsFlag };
  static override examples = [
    { description: 'The only instance', command: '<%= config.bin %> recycle' },
    { description: 'Several, without questions', command: '<%= config.bin %> recycle my-forge 1234567 --yes' },
  ];

  async run(): Promise<Record<string, unknown>> {
    return this.changeAll({
      action: 'recycle',
      harmless: false,
      question: (count) =>
        count === 1
          ? 'Recycle it? Everything on its disk is lost.'
          : `Recycle these ${count}? Everything on their disks is lost.`,
    });
  }
}
