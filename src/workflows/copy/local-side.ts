import { promises as files, lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { EXIT, ForgeError } from '../../errors.js';
import {
  type BytePath,
  fromBytes,
  fromText,
  joinPath,
  nameOf,
  parentOf,
  toBytes,
  toText,
} from '../../instance/files/byte-path.js';
import type { Operation } from '../../instance/files/operations.js';
import type { Range, TreeEntry } from '../../instance/files/tree-entry.js';
import { withoutEnd } from '../../text-ends.js';
import { mapLocalFile } from './local-map.js';
import { applyLocally } from './local-operations.js';
import { openLocalPack, storeLocalPack } from './local-pack.js';
import { hashLocalRange, readLocalRanges, writeLocalRanges } from './local-ranges.js';
import { listLocal } from './local-tree.js';
import { systemCode } from './problems.js';
import type { Listing, Pack, PackedItem, PackPlace, Place, Problem, Side, Space } from './side.js';

/** The files of this computer. */
export class LocalSide implements Side {
  readonly isLocal = true;
  readonly root = '/' as BytePath;
  readonly name = 'this computer';
  private readonly directory: BytePath;

  constructor(workingDirectory: string) {
    this.directory = fromText(workingDirectory);
  }

  show(path: BytePath): string {
    return toText(path);
  }

  absolute(typed: BytePath): BytePath {
    return withoutSlashes(typed.startsWith('/') ? typed : joinPath(this.directory, typed));
  }

  isTop(real: BytePath): boolean {
    return real === this.root;
  }

  async resolve(typed: BytePath): Promise<Place> {
    const absolute = this.absolute(typed);
    const stats = lookUp(absolute, statSync);
    if (stats !== null) {
      const kind = stats.isDirectory() ? 'directory' : 'file';
      return { real: realPath(absolute), kind, parentIsDirectory: true };
    }
    const isLink = lookUp(absolute, lstatSync) !== null;
    const parent = lookUp(parentOf(absolute), statSync);
    const parentIsDirectory = parent?.isDirectory() ?? false;
    const real = parentIsDirectory ? joinPath(realPath(parentOf(absolute)), nameOf(absolute)) : absolute;
    return { real, kind: isLink ? 'dangling' : null, parentIsDirectory };
  }

  list(paths: readonly BytePath[], options: { deep: boolean }): Promise<Listing> {
    return listLocal(paths, options);
  }

  async space(directory: BytePath): Promise<Space> {
    const { bavail, bsize, ffree } = await files.statfs(toBytes(directory) as never);
    return { freeBytes: bavail * bsize, freeFiles: ffree };
  }

  async apply(base: BytePath, operations: readonly Operation[]): Promise<{ index: number; reason: string }[]> {
    return applyLocally(base, operations);
  }

  openPack(base: BytePath, entries: readonly TreeEntry[]): Pack {
    return openLocalPack(base, entries);
  }

  storePack(place: PackPlace, items: readonly PackedItem[], pack: Pack): Promise<Map<number, Problem>> {
    return storeLocalPack(place, items, pack);
  }

  map(file: BytePath, { size }: TreeEntry): Promise<Range[]> {
    return mapLocalFile(file, size);
  }

  readRanges(file: BytePath, ranges: readonly Range[]): AsyncIterable<Buffer> {
    return readLocalRanges(file, ranges);
  }

  writeRanges(file: BytePath, ranges: readonly Range[], content: AsyncIterable<Buffer>): Promise<void> {
    return writeLocalRanges(file, ranges, content);
  }

  async hashRanges(file: BytePath, ranges: readonly Range[]): Promise<(string | null)[]> {
    const hashes: (string | null)[] = [];
    for (const range of ranges) hashes.push(await hashLocalRange(file, range));
    return hashes;
  }

  async hashFiles(
    base: BytePath,
    entries: readonly TreeEntry[],
    onBytes: (bytes: number) => void,
  ): Promise<(string | null)[]> {
    const hashes: (string | null)[] = [];
    for (const { path, size } of entries)
      hashes.push(await hashLocalRange(joinPath(base, path), { offset: 0, length: size }, onBytes));
    return hashes;
  }
}

function realPath(path: BytePath): BytePath {
  return fromBytes(realpathSync(toBytes(path) as never, { encoding: 'buffer' }) as unknown as Buffer);
}

function lookUp(path: BytePath, look: (path: Buffer) => Stats): Stats | null {
  try {
    return look(toBytes(path));
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    if (code === null) throw error;
    throw new ForgeError(`${toText(path)} cannot be looked at: ${code}.`, {
      code: 'COPY_NO_PATH',
      exit: EXIT.notFound,
    });
  }
}

function withoutSlashes(path: BytePath): BytePath {
  return (withoutEnd(path, '/') || '/') as BytePath;
}
