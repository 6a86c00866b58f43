import { type BytePath, staysInside } from './byte-path.js';
import type { EntryType, TreeEntry } from './tree-entry.js';

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

/** Reads the output of `findEach` as it comes in. */
export class ListingParser {
  private rest = '';
  private fields: string[] = [];

  push(chunk: Buffer): Listed[] {
    const found: Listed[] = [];
    const parts = (this.rest + chunk.toString('latin1')).split('\0');
    this.rest = parts.pop() ?? '';
    for (const part of parts) {
      this.fields.push(part);
      if (this.fields.length < FIELDS.length) continue;
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

const TYPES: Record<string, EntryType> = { f: 'file', d: 'directory', l: 'link' };

function readEntry(fields: readonly string[]): Listed | null {
  const [root = '', kind = '', size, mode = '', time = '', names, inode = '', blocks, owner = '', path = '', target] =
    fields;
  const type = TYPES[kind] ?? 'other';
  if (path !== '' && !staysInside(path)) return null;
  const [uid, gid] = owner.split(':').map(Number);
  const isFile = type === 'file';
  return {
    root: root as BytePath,
    entry: {
      path: path as BytePath,
      type,
      size: isFile ? Number(size) : 0,
      mode: Number.parseInt(mode, 8) & 0o7777,
      mtimeNs: readTime(time),
      target: type === 'link' ? ((target ?? '') as BytePath) : null,
      inode: isFile && Number(names) > 1 ? inode : null,
      allocatedBytes: isFile ? Number(blocks) * 512 : 0,
      owner: { uid: uid ?? 0, gid: gid ?? 0 },
    },
  };
}

/** find prints seconds and, after the point, nanoseconds and one more digit. */
function readTime(text: string): bigint {
  const [, seconds = '0', fraction = ''] = /^(-?\d+)(?:\.(\d+))?$/u.exec(text) ?? [];
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
}
