import { Args } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { folderFlag } from '../../cli/snapshot-flags.js';

export default class SnapshotLs extends BaseCommand<typeof SnapshotLs> {
  static override description = 'List the snapshots in a folder. Without a machine and without an account.';
  static override args = { folder: Args.string({ description: 'The folder, as with --dir.' }) };
  static override flags = { dir: folderFlag };
  static override examples = [
    { description: 'In ~/forgectl-snapshots', command: '<%= config.bin %> snapshot ls' },
    { description: 'On another disk', command: '<%= config.bin %> snapshot ls /mnt/backup' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { args, context, flags } = this;
    const { listSnapshots } = await import('../../cli/snapshot-folder.js');
    const { storedDocument, storedTable } = await import('../../cli/snapshot-output.js');
    const { place, stored } = await listSnapshots(context, args.folder ?? flags.dir ?? null);
    if (stored.length === 0) context.reporter.info(`There is no snapshot in ${place}.`);
    else this.answer(await storedTable(stored, context));
    return { place, snapshots: stored.map(storedDocument) };
  }
}
