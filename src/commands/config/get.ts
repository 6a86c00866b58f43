import { Args } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';

export default class ConfigGet extends BaseCommand<typeof ConfigGet> {
  static override description = 'Print one setting.';
  static override args = { key: Args.string({ description: 'Name of the setting, see config ls.', required: true }) };
  static override examples = [{ description: 'The disk size', command: '<%= config.bin %> config get disk' }];

  async run(): Promise<Record<string, unknown>> {
    const { key, value, origin } = this.context.settings.entry(this.args.key);
    this.answer(value === null ? '' : String(value));
    return { key, value, origin };
  }
}
