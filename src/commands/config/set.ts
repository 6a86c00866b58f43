import { Args } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag } from '../../cli/flags.js';

export default class ConfigSet extends BaseCommand<typeof ConfigSet> {
  static override description = 'Set a setting in your settings file.';
  static override args = {
    key: Args.string({ description: 'Name of the setting, see config ls.', required: true }),
    value: Args.string({ description: 'The new value.', required: true }),
  };
  static override flags = { 'dry-run': dryRunFlag };
  static override examples = [{ description: 'Always 80 GB', command: '<%= config.bin %> config set disk 80' }];

  async run(): Promise<Record<string, unknown>> {
    const { settings } = this.context;
    const dryRun = this.flags['dry-run'];
    if (dryRun) {
      const { key, value, origin } = settings.check(this.args.key, this.args.value);
      this.answer(`Would set ${key} to ${value}.`);
      return { dry_run: true, key, value, origin };
    }
    await settings.set(this.args.key, this.args.value);
    const { key, value, origin } = settings.entry(this.args.key);
    this.answer(`${key} is ${value}.`);
    if (origin === 'environment')
      this.context.reporter.warn(`The environment sets ${key} too, and wins while it does.`);
    return { dry_run: false, key, value, origin };
  }
}
