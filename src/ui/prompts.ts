import { EXIT, ForgeError } from '../errors.js';
import { printable } from './door.js';

interface Choice<T> {
  value: T;
  name: string;
  /** Shown below the list for the row under the cursor. */
  description: string;
}

export interface Prompts {
  /** Default is no. */
  confirm(question: string): Promise<boolean>;
  /** A list that narrows while the user types. */
  choose<T>(question: string, choices: readonly Choice<T>[]): Promise<T>;
  /** A line, which may be empty; `check` says what is wrong with it. */
  text(question: string, check: (text: string) => string | true): Promise<string>;
  /** Nothing that is typed is shown. */
  password(question: string): Promise<string>;
  /** The error for a question that cannot be asked, naming the flags that answer it. */
  needAnswer(flags: readonly string[], what: string): ForgeError;
}

/**
 * Questions go to stderr, so that stdout holds the answer alone. inquirer draws them itself, so what goes into them is
 * cleaned here, on its way in.
 */
export function createPrompts(): Prompts {
  const io = { output: process.stderr };
  return {
    async confirm(question) {
      const { confirm } = await import('@inquirer/prompts');
      return cancellable(confirm({ message: printable(question), default: false }, io));
    },
    async choose(question, choices) {
      const { search } = await import('@inquirer/prompts');
      const shown = choices.map(({ value, name, description }) => {
        return { value, name: printable(name), description: printable(description) };
      });
      const source = (term: string | undefined) => shown.filter((choice) => matches(choice, term ?? ''));
      return cancellable(
        search({ message: printable(question), pageSize: 12, source: async (term) => source(term) as never }, io),
      ) as never;
    },
    async text(question, check) {
      const { input } = await import('@inquirer/prompts');
      return cancellable(input({ message: printable(question), validate: (typed) => cleanAnswer(check(typed)) }, io));
    },
    async password(question) {
      const { password } = await import('@inquirer/prompts');
      return cancellable(password({ message: printable(question), mask: false }, io));
    },
    needAnswer(flags, what) {
      const list = flags.length > 1 ? `${flags.slice(0, -1).join(', ')} or ${flags.at(-1)}` : (flags[0] ?? '');
      return new ForgeError(`${what} is needed, and there is no terminal to ask on: give ${list}.`, {
        code: 'MISSING_ANSWER',
        exit: EXIT.usage,
        hint: `Add ${list}.`,
        details: { flags },
      });
    },
  };
}

function cleanAnswer(answer: string | true): string | true {
  return answer === true ? true : printable(answer);
}

/** Every word must occur, in any order: "4090 de" finds an RTX 4090 in Germany. */
function matches(choice: { name: string; description: string }, term: string): boolean {
  const text = `${choice.name} ${choice.description}`.toLowerCase();
  return term
    .toLowerCase()
    .split(/\s+/u)
    .every((word) => text.includes(word));
}

async function cancellable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if ((error as Error).name !== 'ExitPromptError') throw error;
    throw new ForgeError('Cancelled; nothing was changed.', { code: 'CANCELLED', exit: EXIT.interrupted });
  }
}
