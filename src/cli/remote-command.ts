import type { Command } from '@oclif/core';
import { Flags } from '@oclif/core';
import { EXIT, ForgeError } from '../errors.js';
import { durationFlag } from './flags.js';
import { InstanceCommand } from './instance-command.js';

/** What `exec` and `ssh -- CMD` have in common. */
export const remoteCommandFlags = {
  raw: Flags.boolean({
    description: 'Run it as ssh would: in the home directory, without venv, node and the variables that services have.',
    exclusive: ['cwd'],
  }),
  cwd: Flags.string({
    description: 'Run it in this directory instead of $WORKSPACE; a relative one is below $WORKSPACE.',
    helpValue: 'DIR',
  }),
  tty: Flags.boolean({
    char: 't',
    description: 'Give the command a terminal (vim, htop, python). stdout and stderr become one.',
  }),
  'no-stdin': Flags.boolean({
    char: 'n',
    description: 'Do not read stdin, e.g. in a "while read" loop.',
    exclusive: ['tty'],
  }),
  timeout: durationFlag({
    description: 'End the command (exit 7) when it takes longer.',
    helpValue: '10m',
  }),
  'ssh-key': Flags.string({
    description: 'Private key to log in with.',
    env: 'FORGECTL_SSH_KEY',
    helpValue: 'FILE',
  }),
};

/** A command line in two parts: forgectl's own words, and after "--" those of the remote command, which nobody parses. */
export abstract class RemoteCommand<T extends typeof Command> extends InstanceCommand<T> {
  /** Null when there is no "--". */
  protected remoteWords: string[] | null = null;

  override async init(): Promise<void> {
    const end = this.argv.indexOf('--');
    if (end !== -1) {
      this.remoteWords = this.argv.slice(end + 1);
      this.argv = this.argv.slice(0, end);
    }
    await super.init();
  }
}

/** A connection that did not come about, or broke: all smaller numbers may be the remote command's own. */
export function asNoConnection(error: unknown): unknown {
  if (!(error instanceof ForgeError) || (error.exit !== EXIT.sshFailed && error.exit !== EXIT.notReady)) return error;
  const { message, code, hint, details, cause } = error;
  return new ForgeError(message, { code, exit: EXIT.noConnection, hint, details, cause });
}
