import { type BytePath, HERE, joinPath } from '../../instance/files/byte-path.js';
import type { Range, TreeEntry } from '../../instance/files/tree-entry.js';
import type { Listing, Pack, Place, Side, Space } from '../copy/side.js';
import { toEntries } from './file-list.js';
import type { SnapshotFile } from './manifest.js';
import { objectPath, type SnapshotStore } from './store.js';

/** A snapshot as something to copy from: the tree of its list, with the contents of the store. Nothing is written to it. */
export class SnapshotSide implements Side {
  readonly isLocal: boolean;
  readonly root = '/' as BytePath;
  readonly name: string;
  private readonly store: SnapshotStore;
  private readonly hashes: ReadonlyMap<BytePath, string | null>;
  private readonly entries: TreeEntry[];
  private readonly objects: ReadonlyMap<string, TreeEntry>;

  constructor(
    store: SnapshotStore,
    { name, files, objects }: { name: string; files: readonly SnapshotFile[]; objects: ReadonlyMap<string, TreeEntry> },
  ) {
    this.store = store;
    this.isLocal = store.side.isLocal;
    this.name = `snapshot ${name}`;
    this.entries = toEntries(files);
    this.hashes = new Map(files.map(({ path, sha256 }) => [path, sha256]));
    this.objects = objects;
  }

  show(path: BytePath): string {
    return this.store.side.show(path);
  }

  absolute(typed: BytePath): BytePath {
    return typed;
  }

  isTop(): boolean {
    return false;
  }

  async resolve(typed: BytePath): Promise<Place> {
    return { real: typed, kind: 'directory', parentIsDirectory: true };
  }

  async list(paths: readonly BytePath[]): Promise<Listing> {
    const found = paths.map((path): [BytePath, TreeEntry[]] => {
      if (path === SNAPSHOT_BASE) return [path, this.entries];
      const entry = this.entries.find((one) => one.path === pathBelow(path));
      return [path, entry === undefined ? [] : [{ ...entry, path: HERE }]];
    });
    return { entries: new Map(found.filter(([, entries]) => entries.length > 0)), complaints: [] };
  }

  async space(): Promise<Space> {
    return { freeBytes: 0, freeFiles: 0 };
  }

  async apply(): Promise<never> {
    throw new Error('a snapshot is only read');
  }

  async storePack(): Promise<never> {
    throw new Error('a snapshot is only read');
  }

  async writeRanges(): Promise<never> {
    throw new Error('a snapshot is only read');
  }

  openPack(_base: BytePath, entries: readonly TreeEntry[]): Pack {
    return this.store.side.openPack(
      this.store.objects,
      entries.map(({ path }) => this.object(path)),
    );
  }

  map(file: BytePath): Promise<Range[]> {
    const object = this.object(pathBelow(file));
    return this.store.side.map(this.place(object), object);
  }

  readRanges(file: BytePath, ranges: readonly Range[]): AsyncIterable<Buffer> {
    return this.store.side.readRanges(this.place(this.object(pathBelow(file))), ranges);
  }

  hashRanges(file: BytePath, ranges: readonly Range[]): Promise<(string | null)[]> {
    return this.store.side.hashRanges(this.place(this.object(pathBelow(file))), ranges);
  }

  /** The list has them; that the objects are what they are called was looked at before. */
  async hashFiles(
    _base: BytePath,
    entries: readonly TreeEntry[],
    onBytes: (bytes: number) => void,
  ): Promise<(string | null)[]> {
    return entries.map(({ path, size }) => {
      onBytes(size);
      return this.hashes.get(path) ?? null;
    });
  }

  private object(path: BytePath): TreeEntry {
    const hash = this.hashes.get(path) ?? '';
    const object = this.objects.get(hash);
    // A path that reads as vanished is told of, and not kept.
    return object ?? { ...NOTHING, path: objectPath(hash) };
  }

  private place({ path }: TreeEntry): BytePath {
    return joinPath(this.store.objects, path);
  }
}

/** What every tree of a snapshot is copied from. */
export const SNAPSHOT_BASE = '/snapshot' as BytePath;

function pathBelow(file: BytePath): BytePath {
  return file.slice(SNAPSHOT_BASE.length + 1) as BytePath;
}

const NOTHING: Omit<TreeEntry, 'path'> = {
  type: 'file',
  size: 0,
  mode: 0,
  mtimeNs: 0n,
  target: null,
  inode: null,
  allocatedBytes: 0,
  owner: { uid: 0, gid: 0 },
};
