import { BaseCommand } from '../../cli/base-command.js';

export default class ContextLs extends BaseCommand<typeof ContextLs> {
  static override description = 'List the contexts; the current one is marked.';
  static override examples = [{ description: 'All contexts', command: '<%= config.bin %> context ls' }];

  async run(): Promise<Record<string, unknown>[]> {
    const { contexts, name } = this.context;
    const rows = contexts.list().map((context) => ({
      name: context.name,
      current: context.name === name,
      api_url: context.apiUrl,
      built_in: context.builtIn,
    }));
    this.answer(
      await this.context.table(rows, [
        { header: '', value: (row) => (row.current ? '*' : '') },
        { header: 'NAME', value: (row) => row.name },
        { header: 'API', value: (row) => row.api_url ?? 'not running' },
      ]),
    );
    return rows;
  }
}
