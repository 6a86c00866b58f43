import { actionFlags, ServiceCommand, waitFlags } from '../../cli/service-command.js';

export default class ServiceRestart extends ServiceCommand<typeof ServiceRestart> {
  static override description =
    'Restart services, and look whether they are new processes. Forge reads its variables again.';
  static override flags = { ...waitFlags, ...actionFlags };
  static override examples = [
    { description: 'Forge, and wait for its page', command: '<%= config.bin %> service restart my-forge forge --wait' },
    {
      description: 'On the only instance, by the names of supervisor',
      command: '<%= config.bin %> service restart - jupyter tensorboard',
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { flags } = this;
    return this.act({
      action: 'restart',
      force: Boolean(flags.force),
      yes: Boolean(flags.yes),
      dryRun: Boolean(flags['dry-run']),
      waitMs: flags.wait ? flags.timeout : null,
    });
  }
}
