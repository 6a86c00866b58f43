import { BaseCommand } from '../cli/base-command.js';
import { changeFlags } from '../cli/flags.js';

export default class Logout extends BaseCommand<typeof Logout> {
  static override description = 'Forget the API key that login kept. Keys of other tools and of the environment stay.';
  static override flags = { 'dry-run': changeFlags['dry-run'] };
  static override examples = [{ description: 'Of the current context', command: '<%= config.bin %> logout' }];

  async run(): Promise<Record<string, unknown>> {
    const { context } = this;
    const dryRun = this.flags['dry-run'];
    const removed = dryRun ? await context.savedKeyFile() : await context.deleteKey();
    if (removed === null) this.answer(`No key was kept for the context ${context.name}.`);
    else this.answer(`${dryRun ? 'Would remove' : 'Removed'} the key in ${removed}.`);
    const left = dryRun ? null : await context.credentialSource();
    if (left !== null) context.reporter.warn(`Still signed in by ${left}.`);
    return { context: context.name, dry_run: dryRun, removed, still_signed_in_by: left };
  }
}
