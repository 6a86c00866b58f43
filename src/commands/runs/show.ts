import { Args } from '@oclif/core';
import { RunCommand } from '../../cli/run-command-base.js';
import { runDetails, runDocument } from '../../cli/run-output.js';

export default class RunsShow extends RunCommand<typeof RunsShow> {
  static override description = 'Show one run: its steps, its machines, and how it ended.';
  static override args = {
    run: Args.string({ description: 'The run, by id or a unique start of it; the last one when left out.' }),
  };
  static override examples = [{ description: 'By id', command: '<%= config.bin %> runs show launch-3f9a2c1d' }];

  async run(): Promise<Record<string, unknown>> {
    const { journal } = this.context;
    const run = this.args.run === undefined ? (journal.list()[0] ?? this.chosenRun()) : this.chosenRun();
    this.answer(await runDetails(run, this.context));
    return { ...runDocument(run, journal), plan: run.plan, facts: run.facts };
  }
}
