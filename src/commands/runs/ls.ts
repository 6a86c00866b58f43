import { Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { runDocument, runTable } from '../../cli/run-output.js';

export default class RunsLs extends BaseCommand<typeof RunsLs> {
  static override tellsCutOffRuns = false;
  static override description = 'List the runs of this context: what is at work, was cut off, or has ended.';
  static override flags = {
    'cut-off': Flags.boolean({ description: 'Only those that were cut off.' }),
    limit: Flags.integer({ description: 'At most this many.', default: 20, min: 1, max: 1000 }),
  };
  static override examples = [
    { description: 'The last ones', command: '<%= config.bin %> runs ls' },
    { description: 'What waits for resume or undo', command: '<%= config.bin %> runs ls --cut-off --json' },
  ];

  async run(): Promise<Record<string, unknown>[]> {
    const { journal, reporter } = this.context;
    const runs = (this.flags['cut-off'] ? journal.cutOff() : journal.list()).slice(0, this.flags.limit);
    if (runs.length === 0) reporter.info(this.flags['cut-off'] ? 'No run was cut off.' : 'There are no runs.');
    else this.answer(await runTable(runs, this.context));
    return runs.map((run) => runDocument(run, journal));
  }
}
