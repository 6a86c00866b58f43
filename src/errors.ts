import { withoutSent, withoutSentIn } from './secrets/sent.js';

/** Exit codes of forgectl, the same with and without --json. Kept in step with the table in README.md. */
export const EXIT = {
  done: 0,
  unexpected: 1,
  usage: 2,
  notFound: 3,
  notPermitted: 4,
  noCapacity: 5,
  moneyLimit: 6,
  timedOut: 7,
  notReady: 8,
  conflict: 9,
  changeAvailable: 10,
  rolledBack: 11,
  partlyFailed: 12,
  sshFailed: 13,
  apiFailed: 14,
  cleanUpFailed: 15,
  interrupted: 130,
  terminated: 143,
  /** Of `exec` and `ssh`, as OpenSSH has it: all smaller numbers may be the remote command's. */
  noConnection: 255,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface ForgeErrorOptions {
  /** SCREAMING_SNAKE_CASE, stable: scripts match on it. */
  code: string;
  exit: ExitCode;
  /** The command to type next, or what to change. Null when there is nothing to say. */
  hint?: string | null;
  cause?: unknown;
  /** Extra fields for the `error` object of --json (snake_case keys, never secrets). */
  details?: Record<string, unknown>;
}

/** An expected failure: what happened (message), why it is known (code), what to type next (hint). Anything else thrown is a bug. */
export class ForgeError extends Error {
  readonly code: string;
  readonly exit: ExitCode;
  readonly hint: string | null;
  readonly details: Record<string, unknown>;

  constructor(message: string, options: ForgeErrorOptions) {
    // Whatever another side has quoted on the way here.
    super(withoutSent(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ForgeError';
    this.code = options.code;
    this.exit = options.exit;
    this.hint = options.hint ? withoutSent(options.hint) : null;
    this.details = withoutSentIn(options.details ?? {});
  }
}

/** Ctrl-C, or a request to end: what was begun is taken back, and the process ends with it. */
export function isInterruption(error: unknown): error is ForgeError {
  return error instanceof ForgeError && (error.exit === EXIT.interrupted || error.exit === EXIT.terminated);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
