import { Args, Flags } from '@oclif/core';
import { INSTANCE_WORDS } from '../cli/flags.js';
import { RemoteCommand, remoteCommandFlags } from '../cli/remote-command.js';
import { EXIT, ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';

export default class Ssh extends RemoteCommand<typeof Ssh> {
  static override description = [
    'Open a shell on an instance, or run a command there.',
    "The shell is the image's own: in tmux, so that what runs goes on when the connection ends. At the start of a line, ~. ends a connection that hangs. Without a terminal it reads commands from stdin.",
    "With a command after -- it is exec for one instance: see there. The exit code is the shell's or the command's; 255: no connection.",
  ].join('\n\n');
  static override args = {
    instance: Args.string({
      description: `The instance, by ${INSTANCE_WORDS}. May be left out when there is exactly one.`,
    }),
  };
  static override usage = 'ssh [INSTANCE] [FLAGS] [-- COMMAND...]';
  static override flags = {
    ...remoteCommandFlags,
    'no-tmux': Flags.boolean({
      description: 'A plain shell outside of tmux, this time; ~/.no_auto_tmux stays as it is.',
    }),
    stdio: Flags.boolean({
      description: 'For ProxyCommand: stdin and stdout become the connection of an SSH client. See ssh-config.',
      exclusive: ['raw', 'cwd', 'tty', 'no-stdin', 'timeout', 'no-tmux'],
    }),
  };
  static override examples = [
    { description: 'A shell', command: '<%= config.bin %> ssh my-forge' },
    { description: 'A command', command: '<%= config.bin %> ssh my-forge -- nvidia-smi' },
    { description: 'A program that needs a terminal', command: '<%= config.bin %> ssh my-forge --tty -- htop' },
  ];

  async run(): Promise<Record<string, unknown>> {
    if (this.flags.stdio) {
      if (this.jsonEnabled()) throw usage('--stdio and --json exclude each other.', 'Leave out --json.');
      return this.connectStdio();
    }
    const { flags } = this;
    const isShell = this.remoteWords === null || this.remoteWords.length === 0;
    if (isShell) this.refuseForShell();
    else if (flags.tty && this.jsonEnabled())
      throw usage('--tty and --json exclude each other.', 'Leave one of them out.');
    // As with ssh, `forgectl ssh | tee log` is a terminal too.
    const hasTerminal = process.stdin.isTTY === true;
    const line = await this.line(isShell, hasTerminal);
    const instance = await this.one();
    const request = {
      line,
      wantsTerminal: flags.tty || (isShell && hasTerminal),
      withStdin: !flags['no-stdin'],
      timeoutMs: flags.timeout ?? null,
      sshKey: flags['ssh-key'] ?? null,
    };
    const [{ execIntoDocument }, { runOnOne }] = await Promise.all([
      import('../cli/exec-answer.js'),
      import('../cli/remote-run.js'),
    ]);
    if (this.jsonEnabled())
      return execIntoDocument(this.context, [instance], { ...request, parallel: 1, isFleet: false });
    process.exitCode = await runOnOne(this.context, instance, request);
    return {};
  }

  /** Without a terminal a shell reads its commands from stdin, as with ssh, and runs them as exec would. */
  private async line(isShell: boolean, hasTerminal: boolean): Promise<string | null> {
    const { commandLine, shellOutsideTmux } = await import('../instance/remote-session.js');
    const { raw, cwd, tty } = this.flags;
    if (!isShell) return commandLine({ words: this.remoteWords ?? [], raw, directory: cwd ?? null });
    if (!hasTerminal && !tty) return commandLine({ words: ['bash', '-s'], raw: false, directory: null });
    return this.flags['no-tmux'] ? shellOutsideTmux() : null;
  }

  private refuseForShell(): void {
    const { raw, cwd } = this.flags;
    if (!raw && cwd === undefined && !this.jsonEnabled()) return;
    const flag = raw ? '--raw' : cwd === undefined ? '--json' : '--cwd';
    throw usage(`${flag} needs a command after "--".`, 'forgectl ssh INSTANCE -- COMMAND');
  }

  private async one(): Promise<Instance> {
    const [instance, ...others] = await this.selected();
    if (instance !== undefined && others.length === 0) return instance;
    throw usage('ssh is for one instance.', 'forgectl exec A B -- COMMAND runs a command on several.');
  }

  /** Budgeted as `ls` is (an SSH client waits for it), so what a shell needs is not loaded. */
  private async connectStdio(): Promise<Record<string, unknown>> {
    const { pipeStdio, pipeStdioToLast } = await import('../cli/stdio-stream.js');
    const sshKey = this.flags['ssh-key'] ?? null;
    const [name = ''] = this.words;
    const id = /^\d+$/u.test(name) ? Number(name) : null;
    let instance: Instance | null = null;
    try {
      if (id !== null && this.words.length === 1) instance = await (await this.context.vast()).instances.get(id);
      instance ??= await this.one();
    } catch (error) {
      if (id === null || !(error instanceof ForgeError) || error.exit !== EXIT.apiFailed) throw error;
      await pipeStdioToLast(this.context, id, error);
      return {};
    }
    await pipeStdio(this.context, instance, { sshKey });
    return {};
  }
}

function usage(message: string, hint: string): ForgeError {
  return new ForgeError(message, { code: 'USAGE', exit: EXIT.usage, hint });
}
