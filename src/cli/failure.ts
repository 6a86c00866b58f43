import { EXIT, type ExitCode, ForgeError } from '../errors.js';

/** What the user is told of a failure: the same facts in words and in `--json`. */
export interface Failure {
  code: string;
  message: string;
  hint: string | null;
  exit: ExitCode | number;
  details: Record<string, unknown>;
  /** Set only for bugs of forgectl. */
  stack: string | null;
}

interface OclifError extends Error {
  oclif?: { exit?: number };
  code?: string;
  parse?: unknown;
  showHelp?: boolean;
}

/** Maps anything thrown to one shape. `words` are what was typed, for the hint. */
export function describeFailure(error: unknown, words: { command: string | null }): Failure {
  if (error instanceof ForgeError) {
    const { code, message, hint, exit, details } = error;
    return { code, message, hint, exit, details, stack: null };
  }
  const thrown = error instanceof Error ? (error as OclifError) : new Error(String(error));
  if (isUsageError(thrown)) {
    return {
      code: 'USAGE',
      message: firstParagraph(thrown.message),
      hint: words.command === null ? 'Run forgectl --help.' : `Run forgectl ${words.command} --help.`,
      exit: EXIT.usage,
      details: {},
      stack: null,
    };
  }
  return {
    code: 'UNEXPECTED',
    message: thrown.message,
    hint: 'This is a bug in forgectl. Please report it with the lines above, and with --debug if you can repeat it.',
    exit: EXIT.unexpected,
    details: {},
    stack: thrown.stack ?? null,
  };
}

/** oclif's parser errors carry `parse`; flags refused by a custom parser are CLIErrors with exit 2. */
function isUsageError(error: OclifError): boolean {
  return error.parse !== undefined || error.showHelp === true || error.oclif?.exit === EXIT.usage;
}

/** oclif appends "See more help with --help" and lists; the hint says that already. */
function firstParagraph(message: string): string {
  return message.replace(/\nSee more help with --help\s*$/u, '').trim();
}

/** The `error` document of --json: keys are stable, null rather than absent. */
export function failureDocument(failure: Failure): Record<string, unknown> {
  const { code, message, hint, exit, details } = failure;
  return { error: { code, message, hint, exit, ...details } };
}

/** Lines for stderr. */
export function failureLines(failure: Failure, paint: (text: string) => string = (text) => text): string[] {
  const lines: string[] = [];
  if (failure.stack !== null) lines.push(failure.stack);
  lines.push(`${paint('Error:')} ${failure.message}`);
  if (failure.hint !== null) lines.push(...failure.hint.split('\n').map((line) => `  ${line}`));
  return lines;
}
