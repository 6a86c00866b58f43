import { createHash } from 'node:crypto';
import { EXIT, ForgeError } from '../../errors.js';
import { type BytePath, fromText, joinPath, nameOf, parentOf, toText } from '../../instance/files/byte-path.js';
import type { Operation } from '../../instance/files/operations.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';
import type { Side } from '../copy/side.js';
import { decodeFiles, encodeFiles } from './file-list.js';
import type { Manifest, SnapshotFile } from './manifest.js';
import { damaged, decodeManifest, encodeManifest, isSnapshotName } from './manifest-json.js';

const OBJECTS = 'objects' as BytePath;
const INCOMING = 'incoming' as BytePath;
const SNAPSHOTS = 'snapshots' as BytePath;
const COMPLETE = 'manifest.json';
const UNFINISHED = 'unfinished.json';
const FILES = 'files.jsonl';

const README = `Snapshots of Forge machines, made by forgectl.

snapshots/NAME/manifest.json   what it is of: Forge's commit and edits, extensions, Python packages, launch settings
snapshots/NAME/files.jsonl     each path with type, size, mode, time, and the SHA-256 of its content
objects/ab/abcdef...           contents, by their SHA-256; snapshots share them
incoming/                      what has not arrived yet

The folder can be copied and moved as it is. To get one file by hand: look up its sha256 and copy that object.
`;

/** The list of a million files is half of that; and no text of Node's may be longer. The other machine says how long it is. */
const LONGEST_TEXT = 512 * 1000 * 1000;

const OF_ONE_SNAPSHOT: ReadonlySet<string> = new Set(['SNAPSHOT_DAMAGED', 'SNAPSHOT_TOO_NEW']);

/** One that is half made has a manifest, too, of what is known by then. */
export interface StoredSnapshot {
  name: string;
  isComplete: boolean;
  manifest: Manifest | null;
  /** Why the manifest cannot be read. */
  problem: ForgeError | null;
}

/**
 * A folder of snapshots, here or on an instance. Contents lie under their hashes: unchanged files are shared, no name or
 * mode depends on what the folder's file system can do, and a copy of the folder made by anybody is as good as the folder.
 */
export class SnapshotStore {
  readonly side: Side;
  readonly directory: BytePath;

  constructor(side: Side, directory: BytePath) {
    this.side = side;
    this.directory = directory;
  }

  get incoming(): BytePath {
    return joinPath(this.directory, INCOMING);
  }

  get objects(): BytePath {
    return joinPath(this.directory, OBJECTS);
  }

  /** For people. */
  get place(): string {
    return this.side.isLocal ? this.side.show(this.directory) : `${this.side.name}:${this.side.show(this.directory)}`;
  }

  async prepare(): Promise<void> {
    await this.makeDirectory(this.directory);
    await this.apply([OBJECTS, INCOMING, SNAPSHOTS].map((path): Operation => ({ do: 'mkdir', path })));
    await this.writeFile('README.txt' as BytePath, README);
  }

  /** Newest last. A folder that is not there, or holds no snapshot, has none. */
  async list(): Promise<StoredSnapshot[]> {
    const top = joinPath(this.directory, SNAPSHOTS);
    const { entries } = await this.side.list([top], { deep: true });
    const paths = new Set((entries.get(top) ?? []).map(({ path }) => toText(path)));
    const names = [...paths].filter((path) => isSnapshotName(path)).sort();
    const found: StoredSnapshot[] = [];
    for (const name of names) {
      const isComplete = paths.has(`${name}/${COMPLETE}`);
      if (isComplete || paths.has(`${name}/${UNFINISHED}`)) found.push(await this.look(name, isComplete));
    }
    const time = ({ manifest }: StoredSnapshot): string => manifest?.startedAt ?? '';
    return found.sort((one, other) => time(one).localeCompare(time(other)) || one.name.localeCompare(other.name));
  }

  /** Case is nothing to some file systems. */
  async find(name: string): Promise<StoredSnapshot> {
    const all = await this.list();
    const found = all.find((one) => one.name.toLowerCase() === name.toLowerCase());
    if (found !== undefined) return found;
    throw new ForgeError(`There is no snapshot "${name}" in ${this.place}.`, {
      code: 'SNAPSHOT_NOT_FOUND',
      exit: EXIT.notFound,
      hint:
        all.length === 0
          ? 'There is none at all. Is it the right folder? It is the one that snapshot create was given.'
          : `There is: ${all.map((one) => one.name).join(', ')}`,
    });
  }

  async readFiles({ name, filesSha256 }: Manifest): Promise<SnapshotFile[]> {
    const where = `The list of files of the snapshot ${name}`;
    const text = await this.readFile(snapshotPath(name, FILES));
    if (text === null) throw damaged(where, 'it is not there');
    if (filesSha256 !== null && sha256(text) !== filesSha256) throw damaged(where, 'its hash does not fit');
    return decodeFiles(text.toString('utf8'), where);
  }

  /** The list first: a complete manifest is what makes a snapshot. */
  async write(manifest: Manifest, files: readonly SnapshotFile[]): Promise<Manifest> {
    const { name, finishedAt } = manifest;
    await this.apply([{ do: 'mkdir', path: joinPath(SNAPSHOTS, name as BytePath) }]);
    const text = encodeFiles(files);
    await this.writeFile(snapshotPath(name, FILES), text);
    const written = { ...manifest, filesSha256: sha256(Buffer.from(text)) };
    const [mine, other] = finishedAt === null ? [UNFINISHED, COMPLETE] : [COMPLETE, UNFINISHED];
    await this.writeFile(snapshotPath(name, mine), encodeManifest(written));
    await this.apply([{ do: 'remove', path: snapshotPath(name, other) }]);
    return written;
  }

  /** Then the contents that no other snapshot has. Gives the bytes that this makes free; null when one cannot be read. */
  async remove(name: string): Promise<number | null> {
    await this.apply([{ do: 'remove', path: joinPath(SNAPSHOTS, name as BytePath) }]);
    return this.sweep();
  }

  /** By hash; parts and what is no object do not count. */
  async listObjects(): Promise<Map<string, TreeEntry>> {
    const { entries } = await this.side.list([this.objects], { deep: true });
    const found = (entries.get(this.objects) ?? []).filter(({ type }) => type === 'file');
    return new Map(found.map((entry) => [toText(nameOf(entry.path)), entry] as const).filter(([hash]) => isHash(hash)));
  }

  /** Of those that have arrived, by hash: whether each holds what its name says. */
  async settleIncoming(): Promise<{ good: Set<string>; bad: Set<string> }> {
    const { entries } = await this.side.list([this.incoming], { deep: true });
    const arrived = (entries.get(this.incoming) ?? []).filter(({ path, type }) => type === 'file' && isHash(path));
    const hashes = await this.side.hashFiles(this.incoming, arrived, () => {});
    const good = new Set<string>();
    const bad = new Set<string>();
    for (const [index, { path }] of arrived.entries()) (hashes[index] === path ? good : bad).add(path);
    const shelves = new Set([...good].map((hash) => hash.slice(0, 2)));
    await this.apply([
      ...[...shelves].map((shelf): Operation => ({ do: 'mkdir', path: joinPath(OBJECTS, shelf as BytePath) })),
      ...[...good].map((hash): Operation => {
        return { do: 'rename', from: joinPath(INCOMING, hash as BytePath), path: joinPath(OBJECTS, objectPath(hash)) };
      }),
      ...[...bad].map((hash): Operation => ({ do: 'remove', path: joinPath(INCOMING, hash as BytePath) })),
    ]);
    return { good, bad };
  }

  /** Stores a stream of so many bytes under whatever its hash is; null when it cannot be read back. */
  async take(bytes: number, read: () => AsyncIterable<Buffer>): Promise<string | null> {
    const name = 'changing' as BytePath;
    const draft = joinPath(INCOMING, name);
    await this.apply([
      { do: 'remove', path: draft },
      { do: 'create', path: draft },
    ]);
    const file = joinPath(this.directory, draft);
    if (bytes > 0) await this.side.writeRanges(file, [{ offset: 0, length: bytes }], read());
    const { entries } = await this.side.list([file], { deep: false });
    const [entry] = entries.get(file) ?? [];
    if (entry === undefined || entry.size !== bytes) return null;
    const [hash = null] = await this.side.hashFiles(this.incoming, [{ ...entry, path: name }], () => {});
    if (hash === null) return null;
    await this.apply([{ do: 'rename', from: draft, path: joinPath(INCOMING, hash as BytePath) }]);
    await this.settleIncoming();
    return hash;
  }

  /** Reads objects: those of these files that are missing, or do not hold what they should. */
  async findDamage(
    files: readonly SnapshotFile[],
    onBytes: (bytes: number) => void = () => {},
  ): Promise<SnapshotFile[]> {
    const objects = await this.listObjects();
    const wanted = new Map(files.filter(({ sha256 }) => sha256 !== null).map((file) => [file.sha256, file]));
    const damage: SnapshotFile[] = [];
    for (const batch of batches([...wanted.values()])) {
      const there = batch.filter((file) => objects.get(file.sha256 ?? '')?.size === file.size);
      damage.push(...batch.filter((file) => !there.includes(file)));
      const entries = there.map((file) => objects.get(file.sha256 ?? '') as TreeEntry);
      const hashes = await this.side.hashFiles(this.objects, entries, onBytes);
      damage.push(...there.filter((file, index) => hashes[index] !== file.sha256));
    }
    return damage;
  }

  /** What would be free without it; null when another snapshot cannot be read. */
  async ownBytes(name: string): Promise<number | null> {
    const unused = await this.listUnused(name);
    return unused === null ? null : unused.reduce((sum, [, { size }]) => sum + size, 0);
  }

  private async sweep(): Promise<number | null> {
    const unused = await this.listUnused(null);
    if (unused === null) return null;
    await this.apply(unused.map(([hash]): Operation => ({ do: 'remove', path: joinPath(OBJECTS, objectPath(hash)) })));
    return unused.reduce((sum, [, { size }]) => sum + size, 0);
  }

  /** A snapshot that cannot be read may need anything. */
  private async listUnused(without: string | null): Promise<[string, TreeEntry][] | null> {
    const used = new Set<string>();
    for (const { manifest, name } of await this.list()) {
      if (name === without) continue;
      const files = manifest === null ? null : await this.readFiles(manifest).catch(() => null);
      if (files === null) return null;
      for (const { sha256: hash } of files) if (hash !== null) used.add(hash);
    }
    return [...(await this.listObjects())].filter(([hash]) => !used.has(hash));
  }

  private async look(name: string, isComplete: boolean): Promise<StoredSnapshot> {
    const file = isComplete ? COMPLETE : UNFINISHED;
    try {
      const text = await this.readFile(snapshotPath(name, file));
      const where = `The snapshot ${name} in ${this.place}`;
      const manifest = decodeManifest(text?.toString('utf8') ?? '', where);
      if (manifest.name !== name) throw damaged(where, `its manifest is of "${manifest.name}"`);
      return { name, isComplete, manifest, problem: null };
    } catch (error) {
      if (!(error instanceof ForgeError) || !OF_ONE_SNAPSHOT.has(error.code)) throw error;
      return { name, isComplete, manifest: null, problem: error };
    }
  }

  private async readFile(path: BytePath): Promise<Buffer | null> {
    const file = joinPath(this.directory, path);
    const { entries } = await this.side.list([file], { deep: false });
    const [entry] = entries.get(file) ?? [];
    if (entry?.type !== 'file') return null;
    if (entry.size > LONGEST_TEXT)
      throw damaged(`${toText(path)} in ${this.place}`, 'it is longer than any that is written');
    const parts: Buffer[] = [];
    if (entry.size > 0)
      for await (const part of this.side.readRanges(file, [{ offset: 0, length: entry.size }]))
        parts.push(Buffer.from(part));
    return Buffer.concat(parts);
  }

  private async writeFile(path: BytePath, text: string): Promise<void> {
    const draft = `${path}.draft` as BytePath;
    const content = Buffer.from(text);
    await this.apply([
      { do: 'remove', path: draft },
      { do: 'create', path: draft },
    ]);
    async function* chunks(): AsyncGenerator<Buffer> {
      yield content;
    }
    const range = { offset: 0, length: content.length };
    if (content.length > 0) await this.side.writeRanges(joinPath(this.directory, draft), [range], chunks());
    await this.apply([{ do: 'rename', from: draft, path }]);
  }

  /** With those above it. */
  private async makeDirectory(path: BytePath): Promise<void> {
    const { entries } = await this.side.list([path], { deep: false });
    if (entries.has(path) || path === parentOf(path)) return;
    await this.makeDirectory(parentOf(path));
    await this.apply([{ do: 'mkdir', path: nameOf(path) }], parentOf(path));
  }

  private async apply(operations: readonly Operation[], base = this.directory): Promise<void> {
    const [failed] = await this.side.apply(base, operations);
    if (failed === undefined) return;
    throw new ForgeError(`The snapshots in ${this.place} cannot be written: ${failed.reason}.`, {
      code: /ENOSPC|EDQUOT|No space|quota/iu.test(failed.reason) ? 'DISK_FULL' : 'SNAPSHOT_NOT_WRITABLE',
      exit: EXIT.notReady,
      hint: 'Make room, or choose another folder.',
    });
  }
}

/** Where an object lies below `objects`. */
export function objectPath(hash: string): BytePath {
  return `${hash.slice(0, 2)}/${hash}` as BytePath;
}

function snapshotPath(name: string, file: string): BytePath {
  return fromText(`${SNAPSHOTS}/${name}/${file}`);
}

function isHash(text: string): boolean {
  return /^[0-9a-f]{64}$/u.test(text);
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

const BATCH_FILES = 500;

function batches<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / BATCH_FILES) }, (_, index) =>
    items.slice(index * BATCH_FILES, (index + 1) * BATCH_FILES),
  );
}
