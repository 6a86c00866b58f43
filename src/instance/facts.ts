import { isBranchName, isCommit } from './git-names.js';
import { unreadable } from './unreadable.js';

/** `put KEY TEXT` and `emit KEY <TEXT` print a fact as a line that nothing in the text can break. */
export const SAY_FACTS = `
emit() { printf '%s=%s\\n' "$1" "$(base64 | tr -d '\\n')"; }
put() { printf '%s' "$2" | emit "$1"; }
`;

/** The last moment that a Date can hold, s. */
const LAST_SECOND = 8_640_000_000_000;

/**
 * The lines `key=base64`; anything else (noise of tools) is passed over. A machine may answer anything, so what is more
 * than text for people has its own reader here. `commit`, `time`, `branch`, `hash` and `fileName` throw (REMOTE_ANSWER_UNREADABLE) for what is not
 * of their kind.
 */
export class Facts {
  private readonly values = new Map<string, string>();

  constructor(text: string) {
    for (const line of text.split(/\r?\n/u)) {
      const match = /^([\w.]+)=([A-Za-z0-9+/]*={0,2})$/u.exec(line);
      if (match !== null) this.values.set(match[1] ?? '', Buffer.from(match[2] ?? '', 'base64').toString('utf8'));
    }
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  /** Null for nothing and for what is not there. */
  text(key: string): string | null {
    return this.values.get(key)?.trim() || null;
  }

  lines(key: string): string[] {
    return (this.values.get(key) ?? '').split('\n').filter((line) => line.trim() !== '');
  }

  /** As it was, white space and all; null when it is not there. */
  raw(key: string): string | null {
    return this.values.get(key) ?? null;
  }

  /** Everything below `prefix.`, by the next part of the key, in the order it came. */
  groups(prefix: string): string[] {
    const names = [...this.values.keys()].flatMap((key) =>
      key.startsWith(`${prefix}.`) ? [key.slice(prefix.length + 1).split('.')[0] ?? ''] : [],
    );
    return [...new Set(names)];
  }

  /** A count; null for what is none. */
  number(key: string): number | null {
    const text = this.text(key);
    return text === null || !/^\d{1,15}$/u.test(text) ? null : Number(text);
  }

  /** Seconds since the epoch as milliseconds; null for what no date can hold. */
  epochMs(key: string): number | null {
    const seconds = this.number(key);
    return seconds === null || seconds > LAST_SECOND ? null : seconds * 1000;
  }

  /** Null for what is not of this kind, where a look takes what it gets. */
  likely(key: string, isGood: (text: string) => boolean): string | null {
    const text = this.text(key);
    return text !== null && isGood(text) ? text : null;
  }

  commit(key: string): string | null {
    return this.only(key, isCommit, 'not the name of a commit');
  }

  /** SHA-256, as hexadecimal digits. */
  hash(key: string): string | null {
    return this.only(key, (text) => /^[0-9a-f]{64}$/u.test(text), 'not a SHA-256');
  }

  /** As git's %cI prints it. */
  time(key: string): string | null {
    return this.only(key, isIsoTime, 'not a time');
  }

  branch(key: string): string | null {
    return this.only(key, isBranchName, 'not the name of a branch');
  }

  /** One name in a directory, as it was. */
  fileName(key: string): string {
    const name = this.raw(key) ?? '';
    if (isFileName(name)) return name;
    throw unreadable(`${key} is not a name of a file`);
  }

  private only(key: string, isGood: (text: string) => boolean, problem: string): string | null {
    const text = this.text(key);
    if (text === null || isGood(text)) return text;
    throw unreadable(`${key} is ${problem}`);
  }
}

/** RFC 3339 with seconds and a zone. */
export function isIsoTime(text: string): boolean {
  const isShaped = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)$/u.test(text);
  return isShaped && Number.isFinite(Date.parse(text));
}

function isFileName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && name.length <= 255 && !/[/\p{Cc}\p{Cs}]/u.test(name);
}
