import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { TunnelRegistry } from '../../cli/tunnel-registry.js';
import { stopTunnel } from '../../cli/tunnel-stop.js';

export default class TunnelStop extends BaseCommand<typeof TunnelStop> {
  static override strict = false;
  static override description = 'End background tunnels. The instances are left alone.';
  static override args = {
    instance: Args.string({
      description: 'Instances whose tunnels to end. May be left out when there is one tunnel.',
    }),
  };
  static override flags = {
    all: Flags.boolean({ description: 'All background tunnels of this context.' }),
  };
  static override examples = [
    { description: 'The only one', command: '<%= config.bin %> tunnel stop' },
    { description: 'By label', command: '<%= config.bin %> tunnel stop my-forge' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context } = this;
    const registry = new TunnelRegistry(context.paths.stateDir, context.name);
    const names = this.words.length === 0 ? [undefined] : this.words;
    const entries = this.flags.all ? registry.list() : names.map((name) => registry.select(name));
    const stopped = [...new Map(entries.map((entry) => [entry.instance_id, entry])).values()];
    for (const entry of stopped) {
      await stopTunnel(entry);
      registry.remove(entry);
      this.answer(`The tunnel to ${entry.label ?? entry.instance_id} has ended.`);
    }
    if (stopped.length === 0) context.reporter.info('There are no background tunnels.');
    return { stopped: stopped.map(({ instance_id, label, pid }) => ({ instance_id, label, pid })) };
  }
}
