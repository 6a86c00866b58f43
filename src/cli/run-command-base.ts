import { Args, type Command } from '@oclif/core';
import { EXIT, ForgeError } from '../errors.js';
import type { RunRecord } from '../workflows/journal.js';
import { BaseCommand } from './base-command.js';

export const runArg = Args.string({
  description: 'The run, by id or a unique start of it. May be left out when exactly one was cut off.',
});

/** A command about one run of the journal. */
export abstract class RunCommand<T extends typeof Command> extends BaseCommand<T> {
  static override tellsCutOffRuns = false;

  /** The run that was named, or the only one that was cut off. */
  protected chosenRun(): RunRecord {
    const { run: name } = this.args as { run?: string };
    const { journal } = this.context;
    if (name !== undefined) return journal.find(name);
    return this.onlyCutOff(journal.cutOff());
  }

  private onlyCutOff([only, ...others]: RunRecord[]): RunRecord {
    if (only !== undefined && others.length === 0) return only;
    throw new ForgeError(
      only === undefined ? 'No run was cut off.' : `${others.length + 1} runs were cut off; say which one.`,
      {
        code: only === undefined ? 'NO_RUN' : 'RUN_NEEDED',
        exit: only === undefined ? EXIT.notFound : EXIT.usage,
        hint: 'forgectl runs ls',
      },
    );
  }
}

export function unknownKind(run: RunRecord): ForgeError {
  return new ForgeError(`This forgectl does not know runs of the kind "${run.kind}".`, {
    code: 'RUN_TOO_NEW',
    exit: EXIT.conflict,
    hint: 'Go on with the version that made it.',
    details: { run: run.id },
  });
}
