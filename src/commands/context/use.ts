import { Args } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag } from '../../cli/flags.js';

export default class ContextUse extends BaseCommand<typeof ContextUse> {
  static override description = 'Make a context the current one.';
  static override args = { name: Args.string({ description: 'Name of the context.', required: true }) };
  static override flags = { 'dry-run': dryRunFlag };
  static override examples = [
    { description: 'Play without an account', command: '<%= config.bin %> context use sandbox' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { name } = this.args;
    if (this.flags['dry-run']) {
      this.context.contexts.get(name);
      this.answer(`Would make ${name} the current context.`);
      return { dry_run: true, current: this.context.contexts.currentName };
    }
    await this.context.contexts.use(name);
    this.answer(`The current context is ${name}.`);
    return { dry_run: false, current: name };
  }
}
