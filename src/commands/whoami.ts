import { BaseCommand } from '../cli/base-command.js';
import { formatUsd } from '../ui/format.js';

export default class Whoami extends BaseCommand<typeof Whoami> {
  static override description = 'Show the account, its credit, where the key comes from, and what the key may not do.';
  static override examples = [
    { description: 'Who am I', command: '<%= config.bin %> whoami' },
    { description: 'Credit left', command: '<%= config.bin %> whoami --json | jq .credit_usd' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context } = this;
    const vast = await context.vast();
    const user = await vast.account.getUser();
    const source = (await context.credentialSource()) ?? 'unknown';
    const scopes = await vast.account.probeScopes();
    const missing = scopes.filter((scope) => scope.granted === false).map((scope) => scope.category);
    const unknown = scopes.filter((scope) => scope.granted === null).map((scope) => scope.category);
    const lines = [
      ['Account', user.email ?? `user ${user.id}`],
      ['Credit', user.creditUsd === null ? 'not shown by the API' : formatUsd(user.creditUsd)],
      ['Context', `${context.name} (${context.apiUrl})`],
      ['Key from', source],
      ['Missing scopes', missing.length === 0 ? 'none' : missing.join(', ')],
      ...(unknown.length === 0 ? [] : [['Not checkable', unknown.join(', ')]]),
    ];
    this.answer(await context.keyValues(lines as [string, string][]));
    return {
      email: user.email,
      user_id: user.id,
      credit_usd: user.creditUsd,
      context: context.name,
      api_url: context.apiUrl,
      key_source: source,
      missing_scopes: missing,
      unknown_scopes: unknown,
    };
  }
}
