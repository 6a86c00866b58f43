import { type BytePath, toText } from '../../instance/files/byte-path.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';
import type { Manifest, SnapshotFile } from './manifest.js';

/** What a snapshot would hold, and what of it has to be read on the machine. */
export interface CreateEstimate {
  files: number;
  directories: number;
  links: number;
  bytes: number;
  /** Of the same size and time as in an earlier snapshot of the instance, whose content is in the folder. */
  unchangedFiles: number;
  unchangedBytes: number;
  /** What is transferred at most: contents that the folder has already are found by their hashes. */
  mostNewBytes: number;
  biggest: { path: string; bytes: number; files: number }[];
  /** Neither file, directory nor link. */
  special: string[];
}

/** Content that need not be read again, by what a listing shows of a file. */
export class KnownContents {
  private readonly hashes = new Map<string, string>();

  /** Files of earlier snapshots of the same instance; those whose object is gone do not count. */
  add(files: readonly SnapshotFile[], objects: ReadonlySet<string> | null): void {
    for (const file of files)
      if (file.sha256 !== null && (objects === null || objects.has(file.sha256)))
        this.hashes.set(keyOf(file), file.sha256);
  }

  of(entry: TreeEntry): string | null {
    return this.hashes.get(keyOf(entry)) ?? null;
  }
}

function keyOf({ path, size, mtimeNs }: { path: BytePath; size: number; mtimeNs: bigint }): string {
  return `${path}\0${size}\0${mtimeNs}`;
}

const BIGGEST = 5;

export function estimateCreate(entries: readonly TreeEntry[], known: KnownContents): CreateEstimate {
  const files = entries.filter(({ type }) => type === 'file');
  const distinct = [...new Map(files.map((file) => [file.inode ?? file.path, file])).values()];
  const unchanged = distinct.filter((file) => known.of(file) !== null);
  const bytes = sumOf(distinct);
  return {
    files: files.length,
    directories: entries.filter(({ type }) => type === 'directory').length,
    links: entries.filter(({ type }) => type === 'link').length,
    bytes,
    unchangedFiles: unchanged.length,
    unchangedBytes: sumOf(unchanged),
    mostNewBytes: bytes - sumOf(unchanged),
    biggest: biggestTrees(distinct),
    special: entries.filter(({ type }) => type === 'other').map(({ path }) => toText(path)),
  };
}

function sumOf(files: readonly TreeEntry[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** Two names deep: "stable-diffusion-webui-forge/models". */
function biggestTrees(files: readonly TreeEntry[]): CreateEstimate['biggest'] {
  const trees = new Map<string, { bytes: number; files: number }>();
  for (const { path, size } of files) {
    const parts = path.split('/');
    const name = parts.length > 2 ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
    const tree = trees.get(name) ?? { bytes: 0, files: 0 };
    trees.set(name, { bytes: tree.bytes + size, files: tree.files + 1 });
  }
  return [...trees]
    .map(([path, tree]) => ({ path: toText(path as BytePath), ...tree }))
    .sort((one, other) => other.bytes - one.bytes)
    .slice(0, BIGGEST);
}

/** The unfinished snapshot of this instance that an earlier try has left, if any. */
export function unfinishedOf(
  stored: readonly { isComplete: boolean; manifest: Manifest | null }[],
  instanceId: number,
): Manifest | null {
  const mine = stored.filter((one) => !one.isComplete && one.manifest?.source.instanceId === instanceId);
  return mine.at(-1)?.manifest ?? null;
}
