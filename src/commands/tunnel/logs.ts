import { Args, Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { followLines, lastLines } from '../../cli/tunnel-log-reader.js';
import { TunnelRegistry } from '../../cli/tunnel-registry.js';
import { cleanLine } from '../../ui/sanitize.js';

export default class TunnelLogs extends BaseCommand<typeof TunnelLogs> {
  static override description =
    'Show what a background tunnel has written: connections, losses, answers. By id also after it has ended.';
  static override args = {
    instance: Args.string({ description: 'The instance of the tunnel. May be left out when there is one tunnel.' }),
  };
  static override flags = {
    lines: Flags.integer({ char: 'n', description: 'The last lines.', default: 50, min: 0, max: 100_000 }),
    follow: Flags.boolean({ char: 'f', description: 'Go on as it writes, until it ends.', exclusive: ['json'] }),
  };
  static override examples = [
    { description: 'The last lines', command: '<%= config.bin %> tunnel logs my-forge' },
    { description: 'As it happens', command: '<%= config.bin %> tunnel logs my-forge --follow' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    const registry = new TunnelRegistry(context.paths.stateDir, context.name);
    const id = registry.idWithLog(this.args.instance);
    const file = registry.logOf(id);
    const lines = lastLines(file, flags.lines).map(cleanLine);
    this.answer(lines.join('\n'));
    if (flags.follow)
      await followLines(file, {
        signal: context.interruption.signal,
        isOver: () => registry.find(id) === null,
        onLine: (line) => this.answer(cleanLine(line)),
      });
    context.interruption.signal.throwIfAborted();
    return { instance_id: id, lines };
  }
}
