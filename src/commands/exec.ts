import { Flags } from '@oclif/core';
import { execIntoDocument, execIntoLines } from '../cli/exec-answer.js';
import { dryRunFlag, instancesArg } from '../cli/flags.js';
import { RemoteCommand, remoteCommandFlags } from '../cli/remote-command.js';
import { runOnOne } from '../cli/remote-run.js';
import { nameOf } from '../cli/select-instances.js';
import { shellWord } from '../cli/typed-command.js';
import { EXIT, ForgeError } from '../errors.js';
import { commandLine } from '../instance/remote-session.js';
import type { Instance } from '../vast/model.js';

export default class Exec extends RemoteCommand<typeof Exec> {
  static override description = [
    'Run a command on instances as their services run: with venv, node and variables, in $WORKSPACE.',
    'Several words after -- are a command and its arguments, passed exactly. One word is a line for bash: quote it, and it may hold &&, | and $VAR.',
    "stdin, stdout and stderr are the command's own, and so is the exit code: 128+n for a signal; 255: no connection. Ctrl-C goes to the command; the second one leaves it alone.",
    'Several instances run it at once: their lines carry their names, each gets all of stdin, and the exit code is 12 when one fails. With --json the output is in the document, the first MiB of each stream.',
  ].join('\n\n');
  static override args = { instance: instancesArg };
  static override usage = 'exec [INSTANCE...] [FLAGS] -- COMMAND...';
  static override flags = {
    ...remoteCommandFlags,
    all: Flags.boolean({ description: 'On all instances that run.' }),
    parallel: Flags.integer({ description: 'Instances at once.', default: 8, min: 1, max: 100, helpValue: 'N' }),
    'dry-run': dryRunFlag,
  };
  static override examples = [
    { description: 'A command and its arguments', command: '<%= config.bin %> exec web -- pip list --outdated' },
    { description: 'A line for the shell', command: "<%= config.bin %> exec web -- 'cd models && du -sh * | sort -h'" },
    { description: 'A script from here', command: '<%= config.bin %> exec web -- bash -s < setup.sh' },
    { description: 'On all, as one document', command: '<%= config.bin %> exec --all --json -- nvidia-smi -L' },
  ];

  async run(): Promise<Record<string, unknown>> {
    const { flags } = this;
    if (this.remoteWords === null || this.remoteWords.length === 0) throw commandMissing(this.words);
    const line = commandLine({ words: this.remoteWords, raw: flags.raw, directory: flags.cwd ?? null });
    const instances = flags.all ? await this.allRunning() : await this.selected();
    if (flags['dry-run']) return this.showPlan(instances, line);
    const isFleet = flags.all || instances.length > 1;
    if (flags.tty && (isFleet || this.jsonEnabled())) throw terminalForMany();
    const request = {
      line,
      withStdin: !flags['no-stdin'],
      timeoutMs: flags.timeout ?? null,
      sshKey: flags['ssh-key'] ?? null,
      parallel: flags.parallel,
    };
    if (this.jsonEnabled()) return execIntoDocument(this.context, instances, { ...request, isFleet });
    if (isFleet) await execIntoLines(this.context, instances, request);
    else
      process.exitCode = await runOnOne(this.context, instances[0] as Instance, {
        ...request,
        wantsTerminal: flags.tty,
      });
    return {};
  }

  private async allRunning(): Promise<Instance[]> {
    if (this.words.length > 0) throw usage('--all and names exclude each other.', 'Give one of them.');
    const vast = await this.context.vast();
    return (await vast.instances.list()).filter(({ actualStatus }) => actualStatus === 'running');
  }

  private showPlan(instances: readonly Instance[], line: string): Record<string, unknown> {
    this.answer([`Would run on ${instances.map(nameOf).join(', ')}:`, line].join('\n'));
    return { dry_run: true, command: line, instances: instances.map(({ id, label }) => ({ id, label })) };
  }
}

function commandMissing(words: readonly string[]): ForgeError {
  const [instance = 'INSTANCE', ...command] = words.map(shellWord);
  const example = `${instance} -- ${command.length === 0 ? 'ls' : command.join(' ')}`;
  return usage('There is no command: it stands after "--".', `forgectl exec ${example}`);
}

function terminalForMany(): ForgeError {
  return usage('--tty is for one instance and for people.', 'Leave out --tty, or --json, or the other instances.');
}

function usage(message: string, hint: string): ForgeError {
  return new ForgeError(message, { code: 'USAGE', exit: EXIT.usage, hint });
}
