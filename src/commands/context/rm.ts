import { Args } from '@oclif/core';
import { agreeTo } from '../../cli/agree-to.js';
import { BaseCommand } from '../../cli/base-command.js';
import { changeFlags } from '../../cli/flags.js';

export default class ContextRm extends BaseCommand<typeof ContextRm> {
  static override description = 'Remove a context and the API key that was kept for it. Instances are not touched.';
  static override args = { name: Args.string({ description: 'Name of the context.', required: true }) };
  static override flags = { ...changeFlags };
  static override examples = [{ description: 'Remove one', command: '<%= config.bin %> context rm work --yes' }];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    const { name } = this.args;
    context.contexts.refuseRemoval(name);
    if (flags['dry-run']) {
      this.answer(`Would remove the context ${name} and its key.`);
      return { dry_run: true, name };
    }
    if (!flags.yes) {
      const nothing = 'Nothing was removed.';
      await agreeTo(context, `Remove the context ${name} and its key?`, { nothing });
    }
    await context.contexts.remove(name);
    this.answer(`The context ${name} is removed.`);
    return { dry_run: false, name };
  }
}
