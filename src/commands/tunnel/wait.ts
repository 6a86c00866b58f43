import { BaseCommand } from '../../cli/base-command.js';
import { durationFlag } from '../../cli/flags.js';
import { tunnelArgs } from '../../cli/tunnel-flags.js';
import { detachedLines } from '../../cli/tunnel-output.js';
import { TunnelRegistry } from '../../cli/tunnel-registry.js';
import { waitForTunnel } from '../../cli/tunnel-wait.js';

export default class TunnelWait extends BaseCommand<typeof TunnelWait> {
  static override strict = false;
  static override description = 'Wait until services answer through a background tunnel.';
  static override args = tunnelArgs;
  static override flags = {
    timeout: durationFlag({
      description: 'Give up (exit 7) after this time.',
      env: 'FORGECTL_TIMEOUT',
      helpValue: '10m',
      default: 10 * 60_000,
      defaultHelp: async () => '10m',
    }),
  };
  static override examples = [
    { description: 'All of its services', command: '<%= config.bin %> tunnel wait my-forge' },
    { description: 'One, for a minute', command: '<%= config.bin %> tunnel wait my-forge jupyter --timeout 1m' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context } = this;
    const [name, ...names] = this.words;
    const entry = new TunnelRegistry(context.paths.stateDir, context.name).select(name);
    const stage = (await context.stageReporter()).stage('tunnel', `Waiting for ${entry.label ?? entry.instance_id}`);
    try {
      const status = await waitForTunnel({
        entry,
        names,
        timeoutMs: this.flags.timeout,
        signal: context.interruption.signal,
        onWaiting: (text) => stage.detail(text),
      });
      stage.done(status.forwards.map(({ service, remote }) => `${service ?? remote} answers`).join(', '));
      this.answer(detachedLines(status).join('\n'));
      return { ...status };
    } catch (error) {
      stage.failed();
      throw error;
    }
  }
}
