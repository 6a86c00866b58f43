import { Args } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { dryRunFlag } from '../../cli/flags.js';

export default class ConfigUnset extends BaseCommand<typeof ConfigUnset> {
  static override description = 'Take a setting out of your settings file; its default counts again.';
  static override args = { key: Args.string({ description: 'Name of the setting, see config ls.', required: true }) };
  static override flags = { 'dry-run': dryRunFlag };
  static override examples = [{ description: 'Back to the default', command: '<%= config.bin %> config unset disk' }];

  async run(): Promise<Record<string, unknown>> {
    const { settings } = this.context;
    if (this.flags['dry-run']) {
      const now = settings.entry(this.args.key);
      this.answer(`Would take ${now.key} (${now.value ?? 'not set'}, ${now.origin}) out of the settings file.`);
      return { dry_run: true, key: now.key, value: now.value, origin: now.origin };
    }
    await settings.unset(this.args.key);
    const { key, value, origin } = settings.entry(this.args.key);
    this.answer(`${key} is ${value === null ? 'not set' : value} (${origin}).`);
    return { dry_run: false, key, value, origin };
  }
}
