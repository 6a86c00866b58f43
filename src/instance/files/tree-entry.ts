import type { BytePath } from './byte-path.js';

export type EntryType = 'file' | 'directory' | 'link' | 'other';

/** What is known of one path before anything is read from it. */
export interface TreeEntry {
  /** Relative to the root that was listed; empty for the root itself. */
  path: BytePath;
  type: EntryType;
  /** Of files; 0 otherwise. */
  size: number;
  /** Read, write and execute bits: 0 to 0o777. A setuid bit of a stranger must not come along, so it is never read. */
  mode: number;
  mtimeNs: bigint;
  /** Of links. */
  target: BytePath | null;
  /** Of files with several names: the same for each of them. */
  inode: string | null;
  /** Of files: what the disk holds of it, which is less than its size when it has holes or is compressed. */
  allocatedBytes: number;
  owner: { uid: number; gid: number };
}

/** Of a mode as a system tells it: without setuid, setgid and sticky. */
export function permissionBits(mode: number): number {
  return mode & 0o777;
}

/** One run of bytes of a file. */
export interface Range {
  offset: number;
  length: number;
}

export function rangesBytes(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

/** Holes smaller than this are not worth a look. */
const LEAST_HOLE_BYTES = 64 * 1024;

export function mayHaveHoles({ type, size, allocatedBytes }: TreeEntry): boolean {
  return type === 'file' && size - allocatedBytes >= LEAST_HOLE_BYTES;
}
