import { Args, type Command, Flags } from '@oclif/core';
import { BaseCommand } from './base-command.js';
import type { EnvRequest } from './env-change.js';
import { looksLikeVariable } from './env-input.js';
import { changeFlags, durationFlag } from './flags.js';
import { splitInstanceWords } from './instance-words.js';

export const envInstanceArg = Args.string({
  description:
    'The instance, by id, C.<id>, label or unique start of a label; "-" or nothing when there is exactly one.',
});

export const inputFlags = {
  'from-file': Flags.string({
    description: 'Take all variables of this file, written as in .env; "-" for stdin.',
    helpValue: 'FILE|-',
  }),
  literal: Flags.boolean({ description: 'Take values as they are typed: "@" and "-" at their start mean nothing.' }),
};

export const restartFlags = {
  restart: Flags.boolean({
    description: 'Restart the services that read it, and wait until they answer. --no-restart: do not ask either.',
    allowNo: true,
  }),
  timeout: durationFlag({
    description: 'With --restart: how long to wait for a service (exit 7).',
    helpValue: '15m',
    default: 15 * 60_000,
    defaultHelp: async () => '15m',
  }),
  ...changeFlags,
};

/** A command about `[INSTANCE] [VARIABLE ..]`. */
export abstract class EnvCommand<T extends typeof Command> extends BaseCommand<T> {
  static override strict = false;

  protected async target() {
    const vast = await this.context.vast();
    return splitInstanceWords(await vast.instances.list(), this.words, {
      selfId: this.context.selfId,
      isWord: looksLikeVariable,
    });
  }
}

export function envRequest(flags: {
  restart?: boolean;
  timeout: number;
  yes?: boolean;
  'dry-run'?: boolean;
}): EnvRequest {
  return {
    restart: flags.restart ?? null,
    yes: Boolean(flags.yes),
    dryRun: Boolean(flags['dry-run']),
    waitMs: flags.timeout,
  };
}
