import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag } from '../../cli/flags.js';

export default class ContextAdd extends BaseCommand<typeof ContextAdd> {
  static override description = 'Add a context: another account, or another API endpoint.';
  static override args = { name: Args.string({ description: 'Name of the new context.', required: true }) };
  static override flags = {
    'api-url': Flags.string({
      description: 'Base URL of the API.',
      default: 'https://console.vast.ai',
      helpValue: 'URL',
    }),
    'dry-run': dryRunFlag,
    'ssh-key': Flags.string({ description: 'Private key to log in with in this context.', helpValue: 'FILE' }),
  };
  static override examples = [{ description: 'A second account', command: '<%= config.bin %> context add work' }];

  async run(): Promise<Record<string, unknown>> {
    const { name } = this.args;
    const apiUrl = this.flags['api-url'];
    const dryRun = this.flags['dry-run'];
    this.context.contexts.refuseAddition(name, apiUrl);
    if (dryRun) {
      this.answer(`Would add the context ${name}.`);
      return { dry_run: true, name, api_url: apiUrl, ssh_key: this.flags['ssh-key'] ?? null };
    }
    await this.context.contexts.add(name, { apiUrl, sshKey: this.flags['ssh-key'] ?? null });
    this.answer(`The context ${name} is added.`);
    this.context.reporter.info(`Sign in with: forgectl login --context ${name}`);
    return { dry_run: false, name, api_url: apiUrl, ssh_key: this.flags['ssh-key'] ?? null };
  }
}
