import { Args } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { changeFlags } from '../../cli/flags.js';
import { folderFlag } from '../../cli/snapshot-flags.js';

export default class SnapshotRm extends BaseCommand<typeof SnapshotRm> {
  static override description =
    'Remove a snapshot, also an unfinished one, and the contents that no other snapshot of the folder has.';
  static override args = { name: Args.string({ description: 'The snapshot.', required: true }) };
  static override flags = { dir: folderFlag, ...changeFlags };
  static override examples = [
    { description: 'One', command: '<%= config.bin %> snapshot rm before-upgrade' },
    { description: 'What that would free', command: '<%= config.bin %> snapshot rm before-upgrade --dry-run' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { args, context, flags } = this;
    const { removeSnapshot } = await import('../../cli/snapshot-folder.js');
    const { removedLine } = await import('../../cli/snapshot-output.js');
    const wishes = { name: args.name, yes: Boolean(flags.yes), dryRun: Boolean(flags['dry-run']) };
    const removed = await removeSnapshot(context, flags.dir ?? null, wishes);
    this.answer(removedLine(removed, wishes.dryRun));
    return { dry_run: wishes.dryRun, name: removed.name, freed_bytes: removed.freedBytes };
  }
}
