import { dryRunFlag, instanceArg } from '../../cli/flags.js';
import { InstanceCommand } from '../../cli/instance-command.js';
import { withSession } from '../../cli/venv-access.js';
import { cleanLine } from '../../ui/sanitize.js';
import { freezeNow, writeBackup } from '../../workflows/venv/read-freeze.js';

export default class VenvFreeze extends InstanceCommand<typeof VenvFreeze> {
  static override description =
    "Write down a machine's Python packages where the image keeps its own backups (.venv-backups in the workspace), in the image's format. Nothing is written over; the oldest beyond VENV_BACKUP_COUNT (48) go, as the image does it.";
  static override args = { instance: instanceArg };
  static override flags = { 'dry-run': dryRunFlag };
  static override examples = [
    { description: 'Before an experiment', command: '<%= config.bin %> venv freeze my-forge' },
    { description: 'Only look', command: '<%= config.bin %> venv freeze my-forge --dry-run' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const instance = await this.selectedOne();
    if (this.flags['dry-run']) {
      const { packages } = await withSession(this.context, instance, freezeNow);
      this.answer(packages.map(({ line }) => cleanLine(line)).join('\n'));
      return { instance_id: instance.id, dry_run: true, packages: packages.length, path: null, removed_backups: 0 };
    }
    const written = await withSession(this.context, instance, writeBackup);
    const gone =
      written.removedCount === 0 ? '' : ` ${written.removedCount} older than the last ${written.keptCount} went.`;
    this.answer(`${written.packageCount} packages: ${cleanLine(written.path)}.${gone}`);
    return {
      instance_id: instance.id,
      dry_run: false,
      contract_id: written.contract,
      file: written.file,
      path: written.path,
      packages: written.packageCount,
      removed_backups: written.removedCount,
    };
  }
}
