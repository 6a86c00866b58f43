import type { ForgeError } from '../../errors.js';
import { unreadable } from '../unreadable.js';
import { type BytePath, staysInside } from './byte-path.js';
import { type EntryType, permissionBits, type TreeEntry } from './tree-entry.js';

const FIELDS = ['%H', '%y', '%s', '%m', '%T@', '%n', '%D:%i', '%b', '%U:%G', '%P', '%l'];
const FORMAT = FIELDS.map((field) => `${field}\\0`).join('');

/** Lists what is below each path that comes on stdin (NUL after each). A path that is not there gives no entry. */
export function findEach({ deep }: { deep: boolean }): string {
  const depth = deep ? '' : ' -maxdepth 0';
  return `xargs -0 -r bash -c 'exec find "$@"${depth} -printf "${FORMAT}"' find`;
}

export interface Listed {
  /** The path as it was asked for. */
  root: BytePath;
  entry: TreeEntry;
}

/** What a machine may list at most; more than any workspace has, and less than this computer's memory. */
export interface ListingLimits {
  entries: number;
  /** Of all fields together. */
  bytes: number;
}

const LIMITS: ListingLimits = { entries: 1_000_000, bytes: 256 * 1024 * 1024 };

/** Longer than any path that Linux takes. */
const LONGEST_FIELD_BYTES = 64 * 1024;

/**
 * Reads the output of `findEach` as it comes in. It is a stranger's: what is no such list, or has no end, is an error
 * (REMOTE_ANSWER_UNREADABLE); a path that would lead out of its root is left out.
 */
export class ListingParser {
  private rest = '';
  private fields: string[] = [];
  private readonly limits: ListingLimits;
  private entries = 0;
  private bytes = 0;

  constructor(limits: ListingLimits = LIMITS) {
    this.limits = limits;
  }

  push(chunk: Buffer): Listed[] {
    const found: Listed[] = [];
    const parts = (this.rest + chunk.toString('latin1')).split('\0');
    this.rest = parts.pop() ?? '';
    this.bytes += chunk.length;
    if (this.bytes > this.limits.bytes) throw unusable('is too long');
    if (this.rest.length > LONGEST_FIELD_BYTES) throw unusable('has a name that no system takes');
    for (const part of parts) {
      this.fields.push(part);
      if (this.fields.length < FIELDS.length) continue;
      this.entries += 1;
      if (this.entries > this.limits.entries) throw unusable(`has more than ${this.limits.entries} entries`);
      const listed = readEntry(this.fields);
      if (listed !== null) found.push(listed);
      this.fields = [];
    }
    return found;
  }

  /** False when the output ends in the middle of an entry. */
  get isWhole(): boolean {
    return this.rest === '' && this.fields.length === 0;
  }
}

const BLOCK_BYTES = 512;

const TYPES: Record<string, EntryType> = { f: 'file', d: 'directory', l: 'link' };

function readEntry(fields: readonly string[]): Listed | null {
  const [root = '', kind = '', size = '', mode = '', time = '', names = '', inode = '', blocks = ''] = fields;
  const [owner = '', path = '', target = ''] = fields.slice(8);
  if (path !== '' && !staysInside(path)) return null;
  const [, uid = '', gid = ''] = /^(\d{1,10}):(\d{1,10})$/u.exec(owner) ?? [];
  const isFile = kind === 'f';
  return {
    root: root as BytePath,
    entry: {
      path: path as BytePath,
      type: TYPES[kind] ?? 'other',
      size: isFile ? readCount(size) : 0,
      mode: readMode(mode),
      mtimeNs: readTime(time),
      target: kind === 'l' ? (target as BytePath) : null,
      inode: isFile && readCount(names) > 1 ? inode : null,
      allocatedBytes: isFile ? readCount(blocks, Number.MAX_SAFE_INTEGER / BLOCK_BYTES) * BLOCK_BYTES : 0,
      owner: { uid: readCount(uid), gid: readCount(gid) },
    },
  };
}

/** A size that no file has would become a negative length or NaN somewhere behind. */
function readCount(text: string, most = Number.MAX_SAFE_INTEGER): number {
  const count = /^\d{1,16}$/u.test(text) ? Number(text) : Number.NaN;
  if (count <= most) return count;
  throw unusable('has a number that is none');
}

function readMode(text: string): number {
  if (!/^[0-7]{1,5}$/u.test(text)) throw unusable('has a mode that is none');
  return permissionBits(Number.parseInt(text, 8));
}

/** find prints seconds and, after the point, nanoseconds and one more digit. */
function readTime(text: string): bigint {
  const [, seconds, fraction = ''] = /^(-?\d{1,15})(?:\.(\d{1,20}))?$/u.exec(text) ?? [];
  if (seconds === undefined) throw unusable('has a time that is none');
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}

function unusable(why: string): ForgeError {
  return unreadable(`its list of files ${why}`);
}
