import { explainScope, NEW_ONLY } from '../../../cli/account-variables.js';
import { BaseCommand } from '../../../cli/base-command.js';

export default class EnvAccountLs extends BaseCommand<typeof EnvAccountLs> {
  static override description =
    'Variables of the account, by name: the API never tells their values. Every new container gets them.';
  static override examples = [{ description: 'Which there are', command: '<%= config.bin %> env account ls' }];

  async run(): Promise<Record<string, unknown>> {
    const { secrets } = await this.context.vast();
    const names = (await explainScope('user_read', () => secrets.list())).sort();
    this.answer(names.length === 0 ? 'The account has no variables.' : names.join('\n'));
    if (names.length > 0) this.context.reporter.info(NEW_ONLY);
    return { variables: names.map((name) => ({ name, value: null, hidden: true })) };
  }
}
