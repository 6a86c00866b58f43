import { Flags } from '@oclif/core';
import { changeFlags } from '../../cli/flags.js';
import { RunCommand, runArg } from '../../cli/run-command-base.js';
import { runState } from '../../cli/run-output.js';
import { EXIT, ForgeError } from '../../errors.js';
import type { RunRecord } from '../../workflows/journal.js';

export default class RunsRm extends RunCommand<typeof RunsRm> {
  static override description =
    'Forget runs. One that was cut off may have left a machine: undo it first, or say --force.';
  static override args = { run: runArg };
  static override flags = {
    ended: Flags.boolean({ description: 'All that have ended, instead of a named one.' }),
    force: Flags.boolean({ description: 'Also one that was cut off.' }),
    'dry-run': changeFlags['dry-run'],
  };
  static override examples = [
    { description: 'One', command: '<%= config.bin %> runs rm launch-3f9a2c1d' },
    { description: 'All that have ended', command: '<%= config.bin %> runs rm --ended' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { journal } = this.context;
    const runs = this.flags.ended ? journal.list().filter(({ state }) => state !== 'open') : [this.chosenRun()];
    for (const run of runs) this.refuseLiving(run);
    if (!this.flags['dry-run']) for (const { id } of runs) journal.remove(id);
    const ids = runs.map(({ id }) => id);
    this.answer(
      `${this.flags['dry-run'] ? 'Would forget' : 'Forgot'} ${ids.length === 0 ? 'nothing' : ids.join(', ')}.`,
    );
    return { dry_run: this.flags['dry-run'], removed: ids };
  }

  private refuseLiving(run: RunRecord): void {
    const state = runState(run, this.context.journal);
    if (state === 'running' || (state === 'cut off' && !this.flags.force)) {
      throw new ForgeError(
        `The run ${run.id} is ${state === 'running' ? 'at work' : 'cut off, and may have left a machine'}.`,
        {
          code: state === 'running' ? 'RUN_LOCKED' : 'RUN_CUT_OFF',
          exit: EXIT.conflict,
          hint: state === 'running' ? 'Wait for it.' : `forgectl undo ${run.id}, or --force`,
          details: { run: run.id },
        },
      );
    }
  }
}
