import {
  type BytePath,
  fromBytes,
  fromText,
  HERE,
  parentOf,
  staysInside,
  toBytes,
  toText,
} from '../../instance/files/byte-path.js';
import { permissionBits, type TreeEntry } from '../../instance/files/tree-entry.js';
import type { SnapshotFile } from './manifest.js';
import { damaged } from './manifest-json.js';

/** The list of files as it lies on disk: a JSON object a line. Names that are not UTF-8 are base64 under another key. */
export function encodeFiles(files: readonly SnapshotFile[]): string {
  return files.map((file) => `${JSON.stringify(documentOf(file))}\n`).join('');
}

function documentOf(file: SnapshotFile): Record<string, unknown> {
  const { path, type, size, mode, mtimeNs, target, sha256, sameAs, allocatedBytes, owner } = file;
  return {
    ...pathDocument('path', path),
    type,
    ...(type === 'file' ? { bytes: size, sha256 } : {}),
    mode: mode.toString(8).padStart(4, '0'),
    mtime_ns: String(mtimeNs),
    ...(target === null ? {} : pathDocument('target', target)),
    ...(sameAs === null ? {} : pathDocument('same_as', sameAs)),
    ...(type === 'file' && allocatedBytes < size ? { allocated_bytes: allocatedBytes } : {}),
    uid: owner.uid,
    gid: owner.gid,
  };
}

function pathDocument(key: string, path: BytePath): Record<string, string> {
  const text = toText(path);
  return fromText(text) === path ? { [key]: text } : { [`${key}_base64`]: toBytes(path).toString('base64') };
}

/**
 * Reads a list that anybody may have written. What would be written outside of the workspace is refused: a path that
 * leads out, one that comes twice, and one below anything but a directory of the same list (a link, that is).
 */
export function decodeFiles(text: string, where: string): SnapshotFile[] {
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.length === 0) throw damaged(where, 'its last line is cut off');
  const reading = new Reading(where);
  return lines.map((line, index) => reading.read(line, index + 1));
}

class Reading {
  private readonly where: string;
  private readonly types = new Map<BytePath, SnapshotFile>();

  constructor(where: string) {
    this.where = where;
  }

  read(line: string, number: number): SnapshotFile {
    const refuse = (why: string): Error => damaged(this.where, `line ${number}: ${why}`);
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw refuse('not JSON');
    }
    const file = typeof value === 'object' && value !== null ? fileOf(value as Record<string, unknown>) : null;
    if (file === null) throw refuse('not an entry');
    const problem = this.problemOf(file);
    if (problem !== null) throw refuse(problem);
    this.types.set(file.path, file);
    return file;
  }

  private problemOf({ path, type, sameAs, sha256, size }: SnapshotFile): string | null {
    if (path === HERE) return this.types.size === 0 && type === 'directory' ? null : 'the root comes first, once';
    if (!staysInside(path)) return 'the path leads out of the workspace';
    if (this.types.has(path)) return 'the path comes twice';
    if (this.types.get(parentOf(path))?.type !== 'directory') return 'what it is in is no directory of the list';
    if (sameAs === null) return null;
    const first = this.types.get(sameAs);
    return first?.type === 'file' && first.sha256 === sha256 && first.size === size
      ? null
      : 'it is no name of that file';
  }
}

function fileOf(value: Record<string, unknown>): SnapshotFile | null {
  const { type, bytes = 0, sha256 = null, mode, mtime_ns: mtime, allocated_bytes: allocated = bytes, uid, gid } = value;
  const path = pathOf(value, 'path');
  const target = pathOf(value, 'target');
  const isGood =
    path !== null &&
    (type === 'file' || type === 'directory' || type === 'link') &&
    isCount(bytes) &&
    isCount(allocated) &&
    (type === 'file' ? typeof sha256 === 'string' && /^[0-9a-f]{64}$/u.test(sha256) : sha256 === null) &&
    typeof mode === 'string' &&
    /^[0-7]{4}$/u.test(mode) &&
    typeof mtime === 'string' &&
    /^-?\d{1,25}$/u.test(mtime) &&
    (type === 'link') === (target !== null) &&
    target !== '' &&
    !(target ?? '').includes('\0') &&
    isCount(uid) &&
    isCount(gid);
  if (!isGood) return null;
  return {
    path,
    type,
    size: bytes,
    mode: permissionBits(Number.parseInt(mode, 8)),
    mtimeNs: BigInt(mtime),
    target,
    sha256: sha256 as string | null,
    sameAs: pathOf(value, 'same_as'),
    allocatedBytes: allocated,
    owner: { uid, gid },
  };
}

function pathOf(value: Record<string, unknown>, key: string): BytePath | null {
  const [text, base64] = [value[key], value[`${key}_base64`]];
  if (typeof text === 'string') return fromText(text);
  return typeof base64 === 'string' ? fromBytes(Buffer.from(base64, 'base64')) : null;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** As the copy engine sees it: names of one file have one inode. */
export function toEntries(files: readonly SnapshotFile[]): TreeEntry[] {
  const shared = new Set(files.flatMap(({ sameAs }) => sameAs ?? []));
  return files.map(({ path, type, size, mode, mtimeNs, target, sameAs, allocatedBytes, owner }) => {
    const inode = sameAs ?? (shared.has(path) ? path : null);
    return { path, type, size, mode, mtimeNs, target, inode, allocatedBytes, owner };
  });
}
