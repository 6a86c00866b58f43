import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import { type BytePath, fromBytes, HERE, joinPath, toBytes } from '../../instance/files/byte-path.js';
import { permissionBits, type TreeEntry } from '../../instance/files/tree-entry.js';
import type { Listing } from './side.js';

/** Looks in a row, before timers and the network get their turn. Asking one by one would cost more than the looks. */
const LOOKS_IN_A_ROW = 200;

export async function listLocal(paths: readonly BytePath[], { deep }: { deep: boolean }): Promise<Listing> {
  const entries = new Map<BytePath, TreeEntry[]>();
  const complaints: string[] = [];
  let looks = 0;
  for (const root of paths) {
    const found: TreeEntry[] = [];
    const waiting: BytePath[] = [HERE];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      looks += 1;
      if (looks % LOOKS_IN_A_ROW === 0) await breathe();
      const entry = look(root, path, complaints);
      if (entry === null) continue;
      found.push(entry);
      if (deep && entry.type === 'directory') waiting.push(...below(root, path, complaints));
    }
    if (found.length > 0) entries.set(root, found);
  }
  return { entries, complaints };
}

function look(root: BytePath, path: BytePath, complaints: string[]): TreeEntry | null {
  const bytes = toBytes(joinPath(root, path));
  try {
    const stats = lstatSync(bytes, { bigint: true });
    const target = stats.isSymbolicLink() ? fromBytes(readlinkSync(bytes, { encoding: 'buffer' })) : null;
    return entryOf(path, stats, target);
  } catch (error) {
    keepComplaint(error, bytes, complaints);
    return null;
  }
}

function below(root: BytePath, path: BytePath, complaints: string[]): BytePath[] {
  const bytes = toBytes(joinPath(root, path));
  try {
    return readdirSync(bytes, { encoding: 'buffer' }).map((name) => joinPath(path, fromBytes(name)));
  } catch (error) {
    keepComplaint(error, bytes, complaints);
    return [];
  }
}

function keepComplaint(error: unknown, path: Buffer, complaints: string[]): void {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return;
  if (code === undefined) throw error;
  complaints.push(`${path.toString('utf8')}: ${code}`);
}

export function entryOf(path: BytePath, stats: BigIntStats, target: BytePath | null): TreeEntry {
  const isFile = stats.isFile();
  const type = isFile ? 'file' : stats.isDirectory() ? 'directory' : stats.isSymbolicLink() ? 'link' : 'other';
  return {
    path,
    type,
    size: isFile ? Number(stats.size) : 0,
    mode: permissionBits(Number(stats.mode)),
    mtimeNs: stats.mtimeNs,
    target,
    inode: isFile && stats.nlink > 1n ? `${stats.dev}:${stats.ino}` : null,
    allocatedBytes: isFile ? Number(stats.blocks) * 512 : 0,
    owner: { uid: Number(stats.uid), gid: Number(stats.gid) },
  };
}
