import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { changeFlags, eventsFlag, instanceArg } from '../../cli/flags.js';
import { logTarget } from '../../cli/log-target.js';
import { changePackagesOf, planInstallOf } from '../../cli/venv-change.js';
import { packageWishes } from '../../cli/venv-wishes.js';
import { EXIT } from '../../errors.js';

export default class VenvInstall extends BaseCommand<typeof VenvInstall> {
  static override description =
    `Install Python packages into Forge's environment with torch held as it is. What is replaced is kept first, and put back when anything fails (exit ${EXIT.rolledBack}).`;
  static override strict = false;
  static override args = {
    instance: instanceArg,
    package: Args.string({ description: 'Packages as pip takes them: name, name==1.2, git+https://…' }),
  };
  static override flags = {
    requirement: Flags.string({
      char: 'r',
      description: 'A requirements file of this computer; may be repeated. Lines about torch are left out.',
      helpValue: 'FILE',
      multiple: true,
      multipleNonGreedy: true,
    }),
    ...changeFlags,
    events: eventsFlag,
  };
  static override examples = [
    { description: 'One package', command: '<%= config.bin %> venv install my-forge insightface==0.7.3 --yes' },
    { description: 'A file', command: '<%= config.bin %> venv install my-forge -r requirements.txt' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags, words } = this;
    const vast = await context.vast();
    const { instance, services: packages } = logTarget(await vast.instances.list(), words, context.selfId);
    const wishes = await packageWishes(packages, flags.requirement ?? []);
    const { document, text } = await changePackagesOf(context, instance, {
      makePlan: (session) => planInstallOf(session, wishes),
      dryRun: flags['dry-run'],
      yes: flags.yes,
    });
    this.answer(text);
    return document;
  }
}
