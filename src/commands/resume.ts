import { Flags } from '@oclif/core';
import { dryRunFlag, eventsFlag } from '../cli/flags.js';
import { environment } from '../cli/launch-choice.js';
import { RunCommand, runArg, unknownKind } from '../cli/run-command-base.js';
import { kindOf } from '../cli/run-kinds.js';
import { runDetails, runDocument } from '../cli/run-output.js';

export default class Resume extends RunCommand<typeof Resume> {
  static override description = 'Go on with a run that was cut off, where it stood.';
  static override args = { run: runArg };
  static override flags = {
    env: Flags.string({
      description: 'Value of a variable, which the journal does not hold; may be repeated.',
      helpValue: 'K=V',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'env-file': Flags.string({ description: 'File with a K=V on each line.', helpValue: 'FILE' }),
    'dry-run': dryRunFlag,
    events: eventsFlag,
  };
  static override examples = [
    { description: 'The only run that was cut off', command: '<%= config.bin %> resume' },
    { description: 'By id', command: '<%= config.bin %> resume launch-3f9a2c1d' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const record = this.chosenRun();
    const kind = kindOf(record);
    if (kind === null) throw unknownKind(record);
    if (this.flags['dry-run']) {
      this.answer(`Would go on with:\n${await runDetails(record, this.context)}`);
      return { dry_run: true, run: runDocument(record, this.context.journal) };
    }
    const env = await environment(this.flags);
    const { document, text } = await kind.resume(this.context, this.context.journal.reopen(record.id), { env });
    this.answer(text);
    return document;
  }
}
