import { changeFlags, eventsFlag, instancesArg } from '../cli/flags.js';
import { stateOf } from '../cli/instance-facts.js';
import { PowerCommand } from '../cli/power-command.js';

export default class Stop extends PowerCommand<typeof Stop> {
  static override description = 'Stop instances. The disk is kept and goes on being billed.';
  static override args = { instance: instancesArg };
  static override flags = { ...changeFlags, events: eventsFlag };
  static override examples = [
    { description: 'The only instance', command: '<%= config.bin %> stop' },
    { description: 'Several, without questions', command: '<%= config.bin %> stop my-forge 1234567 --yes' },
  ];

  async run(): Promise<Record<string, unknown>> {
    return this.changeAll({
      action: 'stop',
      harmless: true,
      question: (count) => (count === 1 ? 'Stop it?' : `Stop these ${count}?`),
      // One that was outbid would come back by itself: stopping it is no empty word.
      alreadyDone: (instance) =>
        instance.actualStatus === 'exited' &&
        instance.intendedStatus === 'stopped' &&
        stateOf(instance, this.context) !== 'outbid',
    });
  }
}
