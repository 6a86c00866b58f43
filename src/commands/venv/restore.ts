import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { changeFlags, eventsFlag, instanceArg } from '../../cli/flags.js';
import { logTarget } from '../../cli/log-target.js';
import { changePackagesOf, planRestoreOf } from '../../cli/venv-change.js';
import { EXIT, ForgeError } from '../../errors.js';

export default class VenvRestore extends BaseCommand<typeof VenvRestore> {
  static override description =
    `Bring the Python packages of a machine back to a backup: only what differs; torch and what belongs to it stay, lines that cannot be had again are listed with the reason. What is replaced is kept first, and put back when anything fails (exit ${EXIT.rolledBack}).`;
  static override strict = false;
  static override args = {
    instance: instanceArg,
    backup: Args.string({
      description:
        'latest, a file of `venv ls`, CONTRACT/FILE, or the start of its time (2026-01-31). Without it: latest.',
    }),
  };
  static override flags = {
    exact: Flags.boolean({ description: 'Also remove what is there now and not in the backup.' }),
    ...changeFlags,
    events: eventsFlag,
  };
  static override examples = [
    { description: 'What it would do', command: '<%= config.bin %> venv restore my-forge latest --dry-run' },
    { description: 'To a day', command: '<%= config.bin %> venv restore my-forge 2026-01-31 --yes' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags, words } = this;
    const vast = await context.vast();
    const { instance, services: names } = logTarget(await vast.instances.list(), words, context.selfId);
    if (names.length > 1) {
      throw new ForgeError('One backup at a time.', {
        code: 'USAGE',
        exit: EXIT.usage,
        hint: 'forgectl venv restore INSTANCE BACKUP',
      });
    }
    const { document, text } = await changePackagesOf(context, instance, {
      makePlan: (session) => planRestoreOf(session, names[0] ?? 'latest', Boolean(flags.exact)),
      dryRun: flags['dry-run'],
      yes: flags.yes,
    });
    this.answer(text);
    return document;
  }
}
