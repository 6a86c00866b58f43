import { instanceArg } from '../../cli/flags.js';
import { InstanceCommand } from '../../cli/instance-command.js';
import { readUpgradeHistory } from '../../cli/upgrade-access.js';
import { historyDocument, historyTable } from '../../cli/upgrade-output.js';

export default class UpgradeHistory extends InstanceCommand<typeof UpgradeHistory> {
  static override description =
    'List the upgrades of a machine, whichever computer made them: from, to, when, and how they ended.';
  static override args = { instance: instanceArg };
  static override examples = [{ description: 'Of one machine', command: '<%= config.bin %> upgrade history my-forge' }];

  async run(): Promise<Record<string, unknown>> {
    const instance = await this.selectedOne();
    const upgrades = await readUpgradeHistory(this.context, instance);
    if (upgrades.length === 0) this.context.reporter.info('There was no upgrade yet.');
    else this.answer(await historyTable(upgrades, this.context));
    return { instance_id: instance.id, upgrades: upgrades.map(historyDocument) };
  }
}
