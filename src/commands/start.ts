import { changeFlags, eventsFlag, instancesArg } from '../cli/flags.js';
import { PowerCommand } from '../cli/power-command.js';

export default class Start extends PowerCommand<typeof Start> {
  static override description = 'Start stopped instances. GPU time is charged again.';
  static override args = { instance: instancesArg };
  static override flags = { ...changeFlags, events: eventsFlag };
  static override examples = [
    { description: 'The only instance', command: '<%= config.bin %> start' },
    { description: 'Several, without questions', command: '<%= config.bin %> start my-forge 1234567 --yes' },
  ];

  async run(): Promise<Record<string, unknown>> {
    return this.changeAll({
      action: 'start',
      harmless: true,
      question: (count) => (count === 1 ? 'Start it?' : `Start these ${count}?`),
      alreadyDone: (instance) => instance.actualStatus === 'running' && instance.intendedStatus === 'running',
    });
  }
}
