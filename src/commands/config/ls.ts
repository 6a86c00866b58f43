import { BaseCommand } from '../../cli/base-command.js';

export default class ConfigLs extends BaseCommand<typeof ConfigLs> {
  static override description = 'List all settings with their values and where each comes from.';
  static override examples = [{ description: 'Everything', command: '<%= config.bin %> config ls' }];

  async run(): Promise<Record<string, unknown>[]> {
    const rows = this.context.settings.entries();
    this.answer(
      await this.context.table(rows, [
        { header: 'SETTING', value: (row) => row.key },
        { header: 'VALUE', value: (row) => (row.value === null ? '-' : String(row.value)) },
        { header: 'FROM', value: (row) => row.origin },
        { header: 'MEANING', value: (row) => row.description },
      ]),
    );
    return rows.map(({ key, value, origin, description }) => ({ key, value, origin, description }));
  }
}
