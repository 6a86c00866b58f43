import { EXIT, ForgeError } from '../errors.js';
import type { LogStart } from '../instance/log-reader/log-stream.js';
import { parseDurationMs } from './flags.js';
import type { LineFilter } from './log-filter.js';

export interface LogRequest {
  services: readonly string[];
  all: boolean;
  follow: boolean;
  /** Lines of each log; null for all that is there. */
  tail: number | null;
  since: LogStart['since'];
  filter: LineFilter | null;
  sshKey: string | null;
}

export const DEFAULT_TAIL = 100;

/** An empty answer is an answer, and nobody should wonder whether it is one. */
export function nothingShown({ filter, since }: LogRequest): string {
  return filter === null && since === null ? 'Nothing was written yet.' : 'No line matches.';
}

/** Null means all. Without a wish: a screenful, or everything when something narrows it down. */
export function tailLines(wished: number | 'all' | undefined, isNarrowed: boolean): number | null {
  if (wished === undefined) return isNarrowed ? null : DEFAULT_TAIL;
  return wished === 'all' ? null : wished;
}

export function parseTail(text: string): number | 'all' {
  if (text === 'all') return 'all';
  if (/^\d{1,9}$/u.test(text)) return Number(text);
  throw usage(`"${text}" is not a number of lines. Write a number, or all.`);
}

/** "10m" is counted back on the machine's own clock; a time without a zone is of this computer's. */
export function parseSince(text: string): NonNullable<LogStart['since']> {
  const date = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d.*))?$/u.exec(text);
  if (date === null) {
    try {
      return { ago_s: parseDurationMs(text) / 1000 };
    } catch {
      throw usage(`"${text}" is neither a duration nor a time. Write 10m, 2h, 2026-01-31 or 2026-01-31T12:30:00Z.`);
    }
  }
  const epochMs = Date.parse(`${date[1]}T${date[2]?.replace(' ', '') ?? '00:00'}`);
  if (Number.isNaN(epochMs)) throw usage(`"${text}" is not a time. Write 2026-01-31 or 2026-01-31T12:30:00Z.`);
  return { epoch_s: epochMs / 1000 };
}

function usage(message: string): ForgeError {
  return new ForgeError(message, { code: 'USAGE', exit: EXIT.usage, hint: 'Run forgectl logs --help.' });
}
