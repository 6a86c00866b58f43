import { Flags } from '@oclif/core';
import { changeFlags, instanceArg } from '../../cli/flags.js';
import { InstanceCommand } from '../../cli/instance-command.js';
import { reloadServices } from '../../cli/reload-services.js';

export default class ServiceReload extends InstanceCommand<typeof ServiceReload> {
  static override description =
    'Let supervisor read its configuration again, and start, restart or remove the programs that changed. The others go on.';
  static override args = { instance: instanceArg };
  static override flags = {
    all: Flags.boolean({
      description: 'supervisorctl reload: restart supervisord itself and every program, changed or not.',
    }),
    ...changeFlags,
  };
  static override examples = [
    {
      description: 'After a change below /etc/supervisor/conf.d',
      command: '<%= config.bin %> service reload my-forge',
    },
    { description: 'What it would do', command: '<%= config.bin %> service reload my-forge --dry-run' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { all, yes, 'dry-run': dryRun } = this.flags;
    const request = { all: Boolean(all), yes: Boolean(yes), dryRun: Boolean(dryRun) };
    const { document, text } = await reloadServices(this.context, await this.selectedOne(), request);
    this.answer(text);
    return document;
  }
}
