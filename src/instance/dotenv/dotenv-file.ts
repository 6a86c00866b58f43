import { quoteWord, readWord } from './shell-word.js';

/** A piece of the file, with its line break. */
type Segment =
  | {
      kind: 'assignment';
      raw: string;
      name: string;
      value: string | null;
      prefix: string;
      source: string;
      rest: string;
    }
  /** Blank lines, comments, and commands that set nothing. */
  | { kind: 'harmless'; raw: string }
  /** Shell that is kept as it is, and never changed. */
  | { kind: 'shell'; raw: string };

export interface DotenvEntry {
  name: string;
  /** Null when only a shell can tell. */
  value: string | null;
  line: number;
  /** The value as it is written. */
  source: string;
}

const NAME = /^([ \t]*(?:export[ \t]+)?)([A-Za-z_][A-Za-z0-9_]*)=/u;
const HARMLESS = /^[ \t]*(?:#[^\n]*|export(?:[ \t]+[A-Za-z_][A-Za-z0-9_]*)+[ \t]*|set [-+]a[ \t]*)?\r?$/u;

/**
 * `${WORKSPACE}/.env`, which is shell. Bytes in, bytes out; what is not changed stays as it was, and what is not understood
 * is not touched. Inside, one character is one byte.
 */
export class DotenvFile {
  private segments: Segment[];

  constructor(bytes: Uint8Array) {
    this.segments = readSegments(Buffer.from(bytes).toString('latin1'));
  }

  bytes(): Buffer {
    return Buffer.from(this.segments.map(({ raw }) => raw).join(''), 'latin1');
  }

  /** What is plainly assigned, in the order of the file; of a name, the last counts. */
  entries(): DotenvEntry[] {
    let line = 1;
    return this.segments.flatMap((segment) => {
      const at = line;
      line += segment.raw.split('\n').length - 1;
      if (segment.kind !== 'assignment') return [];
      const { name, value, source } = segment;
      return [{ name, value: value === null ? null : fromBytes(value), line: at, source: fromBytes(source) }];
    });
  }

  /** Line numbers of what is no plain assignment. */
  shellLines(): number[] {
    let line = 1;
    return this.segments.flatMap((segment) => {
      const at = line;
      line += segment.raw.split('\n').length - 1;
      return segment.kind === 'shell' ? [at] : [];
    });
  }

  /** In the place of the last assignment that surely counts, else (or if wished) at the end. */
  set(name: string, value: string, { atEnd = false } = {}): void {
    const text = quoteWord(toBytes(value));
    const at = this.placesOf(name).findLast((place) => this.isFirm(place));
    const found = at === undefined ? undefined : this.segments[at];
    if (atEnd || at === undefined || found?.kind !== 'assignment') {
      this.append(name, text);
      return;
    }
    const raw = `${found.prefix}${name}=${text}${found.rest}`;
    this.segments[at] = { ...found, raw, source: text, value: toBytes(value) };
    // An older value may be a secret; where nothing could have used it, it goes.
    if (this.segments.some((segment) => segment.kind === 'shell' || ('value' in segment && segment.value === null)))
      return;
    const older = new Set(this.placesOf(name).slice(0, -1));
    this.segments = this.segments.filter((_, place) => !older.has(place));
  }

  /** False when some of its assignments stand where they cannot be taken out safely. */
  unset(name: string): boolean {
    const places = this.placesOf(name);
    const firm = new Set(places.filter((at) => this.isFirm(at)));
    this.segments = this.segments.filter((_, at) => !firm.has(at));
    return firm.size === places.length && !this.segments.some((segment) => isShellAbout(segment, name));
  }

  private placesOf(name: string): number[] {
    return this.segments.flatMap((segment, at) => (segment.kind === 'assignment' && segment.name === name ? [at] : []));
  }

  /** Surely run: not between pieces of shell, which could be the head and the end of a block. */
  private isFirm(at: number): boolean {
    const shells = this.segments.flatMap(({ kind }, place) => (kind === 'shell' ? [place] : []));
    return shells.every((place) => place > at) || shells.every((place) => place < at);
  }

  private append(name: string, text: string): void {
    const last = this.segments.at(-1);
    if (last !== undefined && !last.raw.endsWith('\n')) last.raw += '\n';
    this.segments.push(...readSegments(`${name}=${text}\n`));
  }
}

function isShellAbout(segment: Segment, name: string): boolean {
  return segment.kind === 'shell' && new RegExp(`(?:^|[^\\w$])${name}\\+?=`, 'u').test(segment.raw);
}

function readSegments(text: string): Segment[] {
  const segments: Segment[] = [];
  for (let at = 0; at < text.length; ) {
    const segment = readAssignment(text, at) ?? readOther(text, at);
    segments.push(segment);
    at += segment.raw.length;
  }
  return segments;
}

function readAssignment(text: string, from: number): Segment | null {
  const lineEnd = lineEndAt(text, from);
  const [head, prefix = '', name = ''] = NAME.exec(text.slice(from, lineEnd)) ?? [];
  if (head === undefined) return null;
  const word = readWord(text, from + head.length);
  if (word === null) return null;
  const end = lineEndAt(text, word.end);
  const rest = text.slice(word.end, end);
  if (!/^(?:[ \t]+#[^\n]*|[ \t]*)\n?$/u.test(rest)) return null;
  const source = text.slice(from + head.length, word.end);
  return {
    kind: 'assignment',
    raw: text.slice(from, end),
    name,
    // export A={1,2} is two words for bash.
    value: prefix.trim() !== '' && /\{/u.test(source) ? null : word.value,
    prefix,
    source,
    rest,
  };
}

/** A line, and those that its quotes and backslashes draw into it. */
function readOther(text: string, from: number): Segment {
  const first = text.slice(from, lineEndAt(text, from));
  if (HARMLESS.test(first.replace(/\n$/u, ''))) return { kind: 'harmless', raw: first };
  let quote = '';
  let at = from;
  for (; at < text.length; at += 1) {
    const letter = text[at] ?? '';
    if (letter === '\\' && quote !== "'") at += 1;
    else if (quote !== '') quote = letter === quote ? '' : quote;
    else if (letter === "'" || letter === '"' || letter === '`') quote = letter;
    else if (letter === '\n') break;
  }
  // A quote that is never closed draws in all the rest, for a shell too.
  return { kind: 'shell', raw: text.slice(from, Math.min(at + 1, text.length)) };
}

function lineEndAt(text: string, from: number): number {
  const at = text.indexOf('\n', from);
  return at === -1 ? text.length : at + 1;
}

function toBytes(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1');
}

function fromBytes(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}
