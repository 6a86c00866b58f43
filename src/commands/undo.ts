import { changeFlags, eventsFlag } from '../cli/flags.js';
import { RunCommand, runArg, unknownKind } from '../cli/run-command-base.js';
import { kindOf } from '../cli/run-kinds.js';
import { runDetails, runDocument } from '../cli/run-output.js';
import { EXIT, ForgeError } from '../errors.js';

export default class Undo extends RunCommand<typeof Undo> {
  static override description =
    'Take back what a run that was cut off has made: a launch is destroyed and read back as gone, an upgrade is put back and proved.';
  static override args = { run: runArg };
  static override flags = { ...changeFlags, events: eventsFlag };
  static override examples = [
    { description: 'The only run that was cut off', command: '<%= config.bin %> undo' },
    { description: 'By id, without a question', command: '<%= config.bin %> undo launch-3f9a2c1d --yes' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context } = this;
    const record = this.chosenRun();
    const kind = kindOf(record);
    if (kind === null) throw unknownKind(record);
    const details = await runDetails(record, context);
    if (this.flags['dry-run']) {
      this.answer(`Would take back:\n${details}`);
      return { dry_run: true, run: runDocument(record, context.journal) };
    }
    await this.confirm(details, kind.question);
    const { document, text } = await kind.undo(context, context.journal.reopen(record.id));
    this.answer(text);
    return document;
  }

  private async confirm(details: string, question: string): Promise<void> {
    if (this.flags.yes) return;
    const { prompts, terminal, reporter } = this.context;
    if (!terminal.canPrompt) throw prompts.needAnswer(['--yes'], 'A confirmation');
    reporter.info(details);
    if (await prompts.confirm(question)) return;
    throw new ForgeError('Nothing was changed.', { code: 'CANCELLED', exit: EXIT.interrupted });
  }
}
