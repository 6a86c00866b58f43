import { BaseCommand } from '../../cli/base-command.js';
import { durationFlag } from '../../cli/flags.js';
import { readTunnelRequest, tunnelArgs, tunnelFlags } from '../../cli/tunnel-flags.js';
import { forwardDocument } from '../../cli/tunnel-output.js';
import { EXIT, ForgeError } from '../../errors.js';

export default class TunnelRun extends BaseCommand<typeof TunnelRun> {
  static override strict = false;
  static override description = `Open a tunnel, run a command when the services answer, and close it again.
The command's status is passed on. It finds the address in FORGECTL_TUNNEL_URL, and each service's in FORGECTL_TUNNEL_<SERVICE>.`;
  static override args = tunnelArgs;
  static override flags = {
    ...tunnelFlags,
    timeout: durationFlag({
      description: 'Give up (exit 7) when the services do not answer in this time.',
      env: 'FORGECTL_TIMEOUT',
      helpValue: '10m',
      default: 10 * 60_000,
      defaultHelp: async () => '10m',
    }),
  };
  static override examples = [
    { description: 'A script of yours', command: '<%= config.bin %> tunnel run my-forge -- python3 draw.py' },
    {
      description: 'Any free port',
      command: "<%= config.bin %> tunnel run my-forge 0:forge -- sh -c 'curl $FORGECTL_TUNNEL_URL/sdapi/v1/sd-models'",
    },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { words, command } = this.splitWords();
    const { context, flags } = this;
    const request = await readTunnelRequest(context, words, flags);
    const { runThroughTunnel } = await import('../../cli/tunnel-run.js');
    const { exitCode, tunnel } = await runThroughTunnel(context, request, {
      command,
      timeoutMs: flags.timeout,
      outputToStderr: flags.json,
    });
    process.exitCode = exitCode;
    const forwards = tunnel.forwards.map((forward) => forwardDocument(tunnel, forward, null));
    return { instance_id: request.instance.id, label: request.instance.label, exit_code: exitCode, forwards };
  }

  private splitWords(): { words: string[]; command: [string, ...string[]] } {
    const at = this.argv.indexOf('--');
    const [program, ...rest] = at === -1 ? [] : this.argv.slice(at + 1);
    if (program === undefined) {
      throw new ForgeError('There is no command to run.', {
        code: 'USAGE',
        exit: EXIT.usage,
        hint: 'forgectl tunnel run [INSTANCE] [SERVICE..] -- COMMAND',
      });
    }
    return { words: this.words.slice(0, this.words.length - rest.length - 1), command: [program, ...rest] };
  }
}
