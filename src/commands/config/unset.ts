import { Args } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';

export default class ConfigUnset extends BaseCommand<typeof ConfigUnset> {
  static override description = 'Take a setting out of your settings file; its default counts again.';
  static override args = { key: Args.string({ description: 'Name of the setting, see config ls.', required: true }) };
  static override examples = [{ description: 'Back to the default', command: '<%= config.bin %> config unset disk' }];

  async run(): Promise<Record<string, unknown>> {
    const { settings } = this.context;
    await settings.unset(this.args.key);
    const { key, value, origin } = settings.entry(this.args.key);
    this.answer(`${key} is ${value === null ? 'not set' : value} (${origin}).`);
    return { key, value, origin };
  }
}
