import type { BytePath } from '../../instance/files/byte-path.js';
import type { Operation } from '../../instance/files/operations.js';
import type { Range, TreeEntry } from '../../instance/files/tree-entry.js';

/** Why one path was not copied. */
export interface Problem {
  kind: 'vanished' | 'changed' | 'unreadable' | 'unwritable' | 'in_the_way' | 'special' | 'outward_link';
  /** What a system said, or null when the kind says it all. */
  detail: string | null;
}

export interface Place {
  /** Without links in it, whether it exists or not. */
  real: BytePath;
  /** What is there, links followed; null when nothing is. */
  kind: 'directory' | 'file' | 'dangling' | null;
  parentIsDirectory: boolean;
}

export interface Space {
  freeBytes: number;
  freeFiles: number;
}

/** Small files that travel together. */
export interface PackedFile {
  /** Its place in the list that was asked for. */
  index: number;
  /** Where its data lies when it has holes; null when it has none. */
  map: readonly Range[] | null;
  /** Exactly the bytes of the map, or of the file as it was listed. Each chunk is good until the next is asked for. */
  content: AsyncIterable<Buffer> | Iterable<Buffer>;
}

export interface Pack {
  files: AsyncIterable<PackedFile>;
  /** After the last file: those of the list which were not as listed while they were read, and must not be kept. */
  settle(): Promise<Map<number, Problem>>;
}

export interface PackedItem {
  /** As it was listed at the source; `path` relative to the source's base. */
  source: TreeEntry;
  /** Relative to the destination's base. */
  destination: BytePath;
}

export interface PackPlace {
  base: BytePath;
  /** A directory of its own, relative to the base; gone afterwards. */
  aside: BytePath;
  keepOwner: boolean;
}

/** The files of this computer or of one instance. Paths are absolute unless they are said to be relative. */
export interface Side {
  /** For messages. */
  readonly name: string;
  readonly isLocal: boolean;
  /** Below it lies everything. */
  readonly root: BytePath;
  /** For people: as they would type it there. */
  show(path: BytePath): string;
  /** What was typed, from the root on. */
  absolute(typed: BytePath): BytePath;
  /** A place whose own mode and files decide who may log in: no tree may be laid over it. */
  isTop(real: BytePath): boolean;
  /** Where something that was typed leads: relative to the working directory, or to the instance's workspace. */
  resolve(typed: BytePath): Promise<Place>;
  /** What is at each path, and with `deep` below it; nothing for a path that is not there. */
  list(paths: readonly BytePath[], options: { deep: boolean }): Promise<Listing>;
  space(directory: BytePath): Promise<Space>;
  /** Each is tried; gives those that failed. */
  apply(base: BytePath, operations: readonly Operation[]): Promise<{ index: number; reason: string }[]>;

  openPack(base: BytePath, entries: readonly TreeEntry[]): Pack;
  /** Stores what is as it was listed; gives the rest, by index. */
  storePack(place: PackPlace, items: readonly PackedItem[], pack: Pack): Promise<Map<number, Problem>>;

  /** Where the data of a file lies. */
  map(file: BytePath, entry: TreeEntry): Promise<Range[]>;
  /** The bytes of these ranges, one after the other. */
  readRanges(file: BytePath, ranges: readonly Range[]): AsyncIterable<Buffer>;
  /** Creates the file when it is missing, and never shortens it. */
  writeRanges(file: BytePath, ranges: readonly Range[], content: AsyncIterable<Buffer>): Promise<void>;
  /** SHA-256 of each range, in order; null for one that cannot be read. */
  hashRanges(file: BytePath, ranges: readonly Range[]): Promise<(string | null)[]>;
  /** SHA-256 of each file, in order; null for one that cannot be read. */
  hashFiles(
    base: BytePath,
    entries: readonly TreeEntry[],
    onBytes: (bytes: number) => void,
  ): Promise<(string | null)[]>;
}

export interface Listing {
  /** By the path that was asked for; in no particular order. */
  entries: Map<BytePath, TreeEntry[]>;
  /** What could not be read, in the system's words. */
  complaints: string[];
}
