import { actionFlags, ServiceCommand, waitFlags } from '../../cli/service-command.js';

export default class ServiceStart extends ServiceCommand<typeof ServiceStart> {
  static override description = 'Start services. One that runs already is left alone.';
  static override flags = { ...waitFlags, ...actionFlags };
  static override examples = [
    { description: 'Tensorboard', command: '<%= config.bin %> service start my-forge tensorboard' },
    {
      description: 'On the only instance, by the names of supervisor',
      command: '<%= config.bin %> service start - jupyter tensorboard',
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { flags } = this;
    return this.act({
      action: 'start',
      force: Boolean(flags.force),
      yes: Boolean(flags.yes),
      dryRun: Boolean(flags['dry-run']),
      waitMs: flags.wait ? flags.timeout : null,
    });
  }
}
