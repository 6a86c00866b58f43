import { Config, Errors, flush, run } from '@oclif/core';
import { EXIT, ForgeError } from '../errors.js';
import { editDistance } from './nearest.js';

/** Parses, runs and turns oclif's "not found" into our own error. */
export async function runCommand(argv: string[], root: string): Promise<void> {
  const config = await Config.load(root);
  try {
    await run(argv, config);
    await flush();
  } catch (error) {
    if (error instanceof Errors.ExitError) process.exitCode = error.oclif.exit ?? EXIT.done;
    else if (isUnknownCommand(error)) throw unknownCommand(argv, config.commandIDs);
    else throw error;
  }
}

function isUnknownCommand(error: unknown): boolean {
  return error instanceof Error && /^command .* not found$/u.test(error.message);
}

/** Names the nearest command that exists. */
function unknownCommand(argv: string[], ids: string[]): ForgeError {
  const typed = argv.filter((word) => !word.startsWith('-'));
  const known = ids.map((id) => id.replaceAll(':', ' '));
  const name = [typed.slice(0, 2).join(' '), typed[0] ?? ''].find((words) => words !== '') ?? '';
  const nearest = known
    .map((command) => ({
      command,
      distance: Math.min(...[name, typed[0] ?? ''].map((word) => editDistance(word, command))),
    }))
    .sort((one, other) => one.distance - other.distance)[0];
  const close = nearest !== undefined && nearest.distance <= Math.max(2, Math.floor(nearest.command.length / 3));
  return new ForgeError(`There is no command "${name}".`, {
    code: 'UNKNOWN_COMMAND',
    exit: EXIT.usage,
    hint: close ? `Did you mean forgectl ${nearest.command}?` : 'Run forgectl --help for the list.',
  });
}
