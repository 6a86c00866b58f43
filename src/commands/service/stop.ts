import { actionFlags, ServiceCommand } from '../../cli/service-command.js';

export default class ServiceStop extends ServiceCommand<typeof ServiceStop> {
  static override description =
    'Stop services until the next start or reboot. Caddy, the portal and the tunnel manager are refused without --force: without them the machine cannot be reached from the web.';
  static override flags = { ...actionFlags };
  static override examples = [
    { description: 'Forge, e.g. to free the GPU', command: '<%= config.bin %> service stop my-forge forge' },
    {
      description: 'On the only instance, by the names of supervisor',
      command: '<%= config.bin %> service stop - jupyter tensorboard',
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { flags } = this;
    return this.act({
      action: 'stop',
      force: Boolean(flags.force),
      yes: Boolean(flags.yes),
      dryRun: Boolean(flags['dry-run']),
      waitMs: null,
    });
  }
}
