import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { folderFlag } from '../../cli/snapshot-flags.js';
import { EXIT } from '../../errors.js';

export default class SnapshotShow extends BaseCommand<typeof SnapshotShow> {
  static override description =
    `Show what a snapshot is of. With --verify every content is read and compared with its hash (exit ${EXIT.notReady} when one is damaged).`;
  static override args = { name: Args.string({ description: 'The snapshot.', required: true }) };
  static override flags = {
    dir: folderFlag,
    verify: Flags.boolean({ description: 'Read every content and compare it with its hash.' }),
    'launch-line': Flags.boolean({
      description: 'Print only the line that rents a machine of the same kind, to restore it onto.',
      exclusive: ['verify'],
    }),
  };
  static override examples = [
    { description: 'What it is of', command: '<%= config.bin %> snapshot show before-upgrade' },
    { description: 'Is it whole?', command: '<%= config.bin %> snapshot show before-upgrade --verify' },
    { description: 'A machine for it', command: '<%= config.bin %> snapshot show before-upgrade --launch-line' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { args, context, flags } = this;
    const { showSnapshot } = await import('../../cli/snapshot-folder.js');
    const { damageLines, launchLine, manifestDocument, manifestPairs } = await import('../../cli/snapshot-output.js');
    const wishes = { name: args.name, verify: Boolean(flags.verify) };
    const { manifest, damaged } = await showSnapshot(context, flags.dir ?? null, wishes);
    if (flags['launch-line']) this.answer(launchLine(manifest));
    else {
      this.answer(await context.keyValues(manifestPairs(manifest)));
      if (damaged !== null) this.answer(damageLines(damaged).join('\n'));
    }
    if (damaged !== null && damaged.length > 0) process.exitCode = EXIT.notReady;
    return {
      ...manifestDocument(manifest),
      verified: damaged === null ? null : damaged.length === 0,
      damaged,
      launch_line: launchLine(manifest),
    };
  }
}
