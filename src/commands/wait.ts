import { Flags } from '@oclif/core';
import { durationFlag, eventsFlag, instancesArg } from '../cli/flags.js';
import { InstanceCommand } from '../cli/instance-command.js';
import { readinessDocument, readinessLines } from '../cli/launch-output.js';
import { EXIT, ForgeError } from '../errors.js';
import { awaitReadiness, type ReadinessResult } from '../workflows/readiness/await-readiness.js';
import { RUNGS, type Rung } from '../workflows/readiness/rungs.js';

export default class Wait extends InstanceCommand<typeof Wait> {
  static override description =
    'Wait until instances are ready: the machine, SSH, the boot, provisioning, or Forge itself.';
  static override args = { instance: instancesArg };
  static override flags = {
    for: Flags.option({
      description: 'What to wait for.',
      options: RUNGS,
      default: 'forge' as Rung,
      helpValue: RUNGS.join('|'),
    })(),
    timeout: durationFlag({
      description: 'Give up (exit 7) after this time.',
      env: 'FORGECTL_TIMEOUT',
      helpValue: '40m',
      default: 40 * 60_000,
      defaultHelp: async () => '40m',
    }),
    events: eventsFlag,
  };
  static override examples = [
    { description: 'Until Forge answers', command: '<%= config.bin %> wait my-forge' },
    {
      description: 'Until SSH works, at most five minutes',
      command: '<%= config.bin %> wait my-forge --for ssh --timeout 5m',
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const instances = await this.selected();
    const results: Record<string, unknown>[] = [];
    for (const instance of instances) {
      try {
        const result: ReadinessResult = await awaitReadiness(await this.context.readiness(), {
          instanceId: instance.id,
          goal: this.flags.for,
          timeoutMs: this.flags.timeout,
        });
        this.answer(readinessLines(result).join('\n'));
        results.push({ ...readinessDocument(result), error: null });
      } catch (error) {
        if (!(error instanceof ForgeError) || instances.length === 1 || error.exit === EXIT.interrupted) throw error;
        this.context.reporter.warn(error.message);
        process.exitCode = EXIT.partlyFailed;
        const { code, message, hint, exit } = error;
        results.push({ id: instance.id, error: { code, message, hint, exit } });
      }
    }
    return { instances: results };
  }
}
