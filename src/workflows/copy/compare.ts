import type { BytePath } from '../../instance/files/byte-path.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';

/** Node sets microseconds, from floating point; and milliseconds before 1970. */
const TIME_SLACK_NS = 2000n;
const OLD_TIME_SLACK_NS = 2_000_000n;
const SECOND_NS = 1_000_000_000n;

/** The same file on the same disk, looked at twice. */
export function isUnchanged(before: TreeEntry, now: TreeEntry): boolean {
  return before.type === now.type && before.size === now.size && before.mtimeNs === now.mtimeNs;
}

/** On two disks, one of which may keep whole seconds only. */
export function isSameTime(one: bigint, other: bigint): boolean {
  const apart = one > other ? one - other : other - one;
  if (apart < (one < 0n ? OLD_TIME_SLACK_NS : TIME_SLACK_NS)) return true;
  return (one % SECOND_NS === 0n || other % SECOND_NS === 0n) && one / SECOND_NS === other / SECOND_NS;
}

type Difference = 'missing' | 'type' | 'size' | 'mode' | 'mtime' | 'target' | 'content';

export interface Mismatch {
  path: BytePath;
  what: Difference;
  source: string;
  destination: string | null;
}

/** What differs between an entry and its copy; the first difference that explains the others. */
export function compareEntries(source: TreeEntry, copy: TreeEntry | undefined): Mismatch[] {
  const at = (what: Difference, one: string, other: string | null): Mismatch => {
    return { path: source.path, what, source: one, destination: other };
  };
  if (copy === undefined) return [at('missing', source.type, null)];
  if (source.type !== copy.type) return [at('type', source.type, copy.type)];
  if (source.type === 'link') return source.target === copy.target ? [] : [at('target', text(source), text(copy))];
  const found: Mismatch[] = [];
  if (source.size !== copy.size) found.push(at('size', String(source.size), String(copy.size)));
  if (source.mode !== copy.mode) found.push(at('mode', octal(source.mode), octal(copy.mode)));
  // A directory's time is changed by whoever works in it.
  if (source.type === 'file' && !isSameTime(source.mtimeNs, copy.mtimeNs))
    found.push(at('mtime', time(source.mtimeNs), time(copy.mtimeNs)));
  return found;
}

function text({ target }: TreeEntry): string {
  return Buffer.from(target ?? '', 'latin1').toString('utf8');
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

function time(ns: bigint): string {
  const date = new Date(Number(ns / 1_000_000n));
  return Number.isNaN(date.getTime()) ? `${ns} ns` : date.toISOString();
}
