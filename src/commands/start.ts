import { changeFlags, eventsFlag, instancesArg } from '../cli/flags.js';
import { beginJobsRead } from '../cli/instance-money.js';
import { limitWarning } from '../cli/limit-change.js';
import { PowerCommand } from '../cli/power-command.js';
import type { Instance } from '../vast/model.js';

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

  /** A limit outlives a stop: who starts a machine again must know when it will be ended. */
  protected override async selected(): Promise<Instance[]> {
    const { context } = this;
    const read = beginJobsRead(await context.vast());
    const instances = await super.selected();
    const jobs = await read.value(JOBS_GRACE_MS);
    for (const instance of instances) {
      const warning = jobs === null ? null : limitWarning(instance, jobs, context.clock.now());
      if (warning !== null) context.reporter.warn(warning);
    }
    if (jobs === null) context.reporter.warn(`Limits could not be read: ${read.failure?.message}`);
    return instances;
  }
}

/** Wall time. */
const JOBS_GRACE_MS = 2_000;
