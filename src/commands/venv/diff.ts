import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { freezeSource, readFreezes } from '../../cli/venv-access.js';
import { differenceDocument, differenceLines } from '../../cli/venv-output.js';
import { EXIT } from '../../errors.js';
import { diffFreezes, isSameFreeze } from '../../instance/freeze.js';

const WHAT = 'now, latest, a backup or the start of its time, INSTANCE:now, INSTANCE:BACKUP, or a file here';

export default class VenvDiff extends BaseCommand<typeof VenvDiff> {
  static override description =
    'Compare the Python packages of two freezes: of two times, of two machines, or of a machine and a file.';
  static override args = {
    before: Args.string({ description: `One side: ${WHAT}.`, default: 'latest' }),
    after: Args.string({ description: 'The other side, likewise; without it: now, on the same machine.' }),
  };
  static override flags = {
    check: Flags.boolean({ description: `Exit ${EXIT.changeAvailable} when they differ.` }),
  };
  static override examples = [
    { description: 'What has changed since the last backup', command: '<%= config.bin %> venv diff' },
    { description: 'Two machines', command: '<%= config.bin %> venv diff one:now other:now' },
    { description: 'A machine and a file', command: '<%= config.bin %> venv diff ./freeze.txt my-forge:now --check' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const first = freezeSource(this.args.before);
    const now = { instance: 'file' in first ? null : first.instance, backup: 'now' };
    const second = this.args.after === undefined ? now : freezeSource(this.args.after);
    const [before, after] = await readFreezes(this.context, [first, second]);
    const difference = diffFreezes(before.packages, after.packages);
    const { reporter } = this.context;
    reporter.info(
      `- ${before.name} (${before.packages.length} packages)\n+ ${after.name} (${after.packages.length} packages)`,
    );
    if (isSameFreeze(difference)) reporter.info('The same packages.');
    else this.answer(differenceLines(difference).join('\n'));
    if (this.flags.check && !isSameFreeze(difference)) process.exitCode = EXIT.changeAvailable;
    return { before: before.name, after: after.name, ...differenceDocument(difference) };
  }
}
