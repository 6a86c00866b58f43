import { instanceArg } from '../../cli/flags.js';
import { InstanceCommand } from '../../cli/instance-command.js';
import { withSession } from '../../cli/venv-access.js';
import { backupDocument, backupTable } from '../../cli/venv-output.js';
import { listBackups } from '../../workflows/venv/read-freeze.js';

export default class VenvLs extends InstanceCommand<typeof VenvLs> {
  static override description =
    "List the backups of a machine's Python packages: the image's own, those of `venv freeze`, and those that came along from another machine.";
  static override args = { instance: instanceArg };
  static override examples = [{ description: 'Of one machine', command: '<%= config.bin %> venv ls my-forge' }];

  async run(): Promise<Record<string, unknown>> {
    const instance = await this.selectedOne();
    const backups = await withSession(this.context, instance, listBackups);
    const nowMs = Date.now();
    if (backups.length === 0) {
      this.context.reporter.info(`There is no backup yet. forgectl venv freeze ${instance.id} makes one.`);
    } else this.answer(await backupTable(backups, this.context, nowMs));
    return { instance_id: instance.id, backups: backups.map((backup) => backupDocument(backup, nowMs)) };
  }
}
