import { Flags } from '@oclif/core';
import { BaseCommand } from '../../cli/base-command.js';
import { eventsFlag } from '../../cli/flags.js';
import { readTunnelRequest, tunnelArgs, tunnelFlags } from '../../cli/tunnel-flags.js';
import { detachedLines, withToken } from '../../cli/tunnel-output.js';
import type { TunnelRequest } from '../../cli/tunnel-request.js';
import { holdTunnel, readyLine } from '../../cli/tunnel-session.js';

export default class TunnelCommand extends BaseCommand<typeof TunnelCommand> {
  static override strict = false;
  static override description = `Reach the services of a machine on this computer, by name, as long as you like.
The local ports stay open while the machine reboots, moves to another address, or this computer sleeps; new connections wait up to 10 s for it. "ready" means that the service has answered through the tunnel. An instance that is called ls, stop, logs, run or wait is named by its id.`;
  static override args = tunnelArgs;
  static override flags = {
    ...tunnelFlags,
    detach: Flags.boolean({
      description:
        'In the background: one process an instance, which outlives this terminal. A second call adds to it.',
      exclusive: ['open', 'watch-stdin', 'events'],
    }),
    open: Flags.boolean({ description: 'Open the page in the browser when it answers.' }),
    'watch-stdin': Flags.boolean({ description: 'End when stdin ends, for a parent that may be killed.' }),
    events: eventsFlag,
    serve: Flags.boolean({ description: 'What --detach starts.', hidden: true }),
  };
  static override examples = [
    { description: 'Forge on http://localhost:7860', command: '<%= config.bin %> tunnel my-forge' },
    { description: 'Jupyter, and a port of your own', command: '<%= config.bin %> tunnel my-forge jupyter 9000:8000' },
    {
      description: 'Everything, wherever there is room',
      command: '<%= config.bin %> tunnel my-forge --all --auto-port',
    },
    { description: 'In the background', command: '<%= config.bin %> tunnel my-forge --detach' },
    {
      description: 'Port 9000 of the machine leads to port 3000 here, and a SOCKS proxy to the machine',
      command: '<%= config.bin %> tunnel my-forge -R 9000:3000 -D 1080',
    },
    { description: 'For a script', command: '<%= config.bin %> tunnel my-forge --json --events --watch-stdin' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { context, flags } = this;
    const request = await readTunnelRequest(context, this.words, flags);
    if (flags.serve) return this.serve(request);
    if (flags.detach) return this.detach(request);
    return holdTunnel(context, request, {
      events: flags.events,
      open: flags.open,
      watchStdin: flags['watch-stdin'],
      onReady: (forward, tunnel) => {
        const { jupyterToken } = tunnel.line.instance;
        this.answer(readyLine(forward, context.terminal.stdoutIsTerminal ? jupyterToken : null));
      },
    });
  }

  private async detach(request: TunnelRequest): Promise<Record<string, unknown>> {
    const { detachTunnel } = await import('../../cli/tunnel-detach.js');
    const { status, started } = await detachTunnel(this.context, request);
    const { jupyterToken } = request.instance;
    const { stdoutIsTerminal } = this.context.terminal;
    const shown = withToken(status, this.flags.json || stdoutIsTerminal ? jupyterToken : null);
    this.answer(detachedLines(shown).join('\n'));
    return { ...shown, started };
  }

  private async serve(request: TunnelRequest): Promise<Record<string, unknown>> {
    const { TunnelDaemon } = await import('../../cli/tunnel-daemon.js');
    await new TunnelDaemon(this.context, request).serve();
    return {};
  }
}
