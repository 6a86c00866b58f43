import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lstatSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import { type BytePath, joinPath, parentOf, toBytes } from '../../instance/files/byte-path.js';
import type { Operation } from '../../instance/files/operations.js';
import { mayHaveHoles, type Range, rangesBytes, type TreeEntry } from '../../instance/files/tree-entry.js';
import { isUnchanged } from './compare.js';
import { mapLocalFile } from './local-map.js';
import { applyLocally, timeOf } from './local-operations.js';
import { readLocalRanges, writeLocalRanges } from './local-ranges.js';
import { entryOf } from './local-tree.js';
import { notOurs, readProblem, ShorterThanListed, writeProblem } from './problems.js';
import type { Pack, PackedFile, PackedItem, PackPlace, Problem } from './side.js';

/** Files up to here are read and written in one piece: the switches to and fro would cost more than the waiting. */
const SMALL_BYTES = 512 * 1024;
const FILES_IN_A_ROW = 50;

export function openLocalPack(base: BytePath, entries: readonly TreeEntry[]): Pack {
  const problems = new Map<number, Problem>();
  const buffer = Buffer.allocUnsafe(SMALL_BYTES);
  async function* files(): AsyncGenerator<PackedFile> {
    for (const [index, entry] of entries.entries()) {
      if (index % FILES_IN_A_ROW === FILES_IN_A_ROW - 1) await breathe();
      const path = joinPath(base, entry.path);
      try {
        const onProblem = (problem: Problem): unknown => problems.set(index, problem);
        const file = isSmall(entry) ? readSmall(path, entry, buffer) : await openLarge(path, entry, onProblem);
        if (file === null) problems.set(index, { kind: 'changed', detail: null });
        else yield { index, ...file };
      } catch (error) {
        problems.set(index, readProblem(error));
      }
    }
  }
  const settle = async (): Promise<Map<number, Problem>> => {
    // What was read in one piece was looked at in the same moment.
    for (const [index, entry] of entries.entries()) {
      const problem = isSmall(entry) || problems.has(index) ? null : findChange(joinPath(base, entry.path), entry);
      if (problem !== null) problems.set(index, problem);
    }
    return problems;
  };
  return { files: files(), settle };
}

function isSmall(entry: TreeEntry): boolean {
  return entry.size <= SMALL_BYTES && !mayHaveHoles(entry);
}

function readSmall(path: BytePath, entry: TreeEntry, buffer: Buffer): Omit<PackedFile, 'index'> | null {
  const handle = openSync(toBytes(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const content = buffer.subarray(0, entry.size);
    for (let done = 0; done < entry.size; ) {
      const read = readSync(handle, content, done, entry.size - done, done);
      if (read === 0) return null;
      done += read;
    }
    const now = entryOf(entry.path, fstatSync(handle, { bigint: true }), null);
    return isUnchanged(entry, now) ? { map: null, content: [content] } : null;
  } finally {
    closeSync(handle);
  }
}

async function openLarge(
  path: BytePath,
  entry: TreeEntry,
  onProblem: (problem: Problem) => void,
): Promise<Omit<PackedFile, 'index'>> {
  const map = mayHaveHoles(entry) ? await mapLocalFile(path, entry.size) : null;
  const ranges: readonly Range[] = map ?? [{ offset: 0, length: entry.size }];
  return { map, content: padded(readLocalRanges(path, ranges), rangesBytes(ranges), onProblem) };
}

/** The length was announced: what breaks off is filled up with zeros, and never kept. */
async function* padded(
  content: AsyncIterable<Buffer>,
  length: number,
  onProblem: (problem: Problem) => void,
): AsyncGenerator<Buffer> {
  let missing = length;
  try {
    for await (const chunk of content) {
      missing -= chunk.length;
      yield chunk;
    }
  } catch (error) {
    onProblem(error instanceof ShorterThanListed ? { kind: 'changed', detail: null } : readProblem(error));
  }
  for (; missing > 0; missing -= SMALL_BYTES) yield Buffer.alloc(Math.min(SMALL_BYTES, missing));
}

function findChange(path: BytePath, entry: TreeEntry): Problem | null {
  const stats = lstatSync(toBytes(path), { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return { kind: 'vanished', detail: null };
  return isUnchanged(entry, entryOf(entry.path, stats, null)) ? null : { kind: 'changed', detail: null };
}

/** Writes aside, under plain numbers; only what was as listed until its last byte is moved to its name. */
export async function storeLocalPack(
  { base, aside }: PackPlace,
  items: readonly PackedItem[],
  pack: Pack,
): Promise<Map<number, Problem>> {
  const from = (index: number): BytePath => joinPath(aside, String(index) as BytePath);
  const clear: Operation[] = [{ do: 'remove', path: aside }];
  const written: number[] = [];
  const unwritable = new Map<number, Problem>();
  const [failed] = applyLocally(base, [{ do: 'own', path: parentOf(aside) }, ...clear, { do: 'own', path: aside }]);
  if (failed !== undefined) throw notOurs(failed.reason);
  try {
    for await (const file of pack.files) {
      const { source } = items[file.index] as PackedItem;
      try {
        await write(joinPath(base, from(file.index)), source, file);
        written.push(file.index);
      } catch (error) {
        unwritable.set(file.index, writeProblem(error));
      }
      if (file.index % FILES_IN_A_ROW === 0) await breathe();
    }
    const problems = new Map([...(await pack.settle()), ...unwritable]);
    const moves = written.filter((index) => !problems.has(index));
    const renames = moves.map((index): Operation => {
      return { do: 'rename', from: from(index), path: (items[index] as PackedItem).destination };
    });
    for (const { index, reason } of applyLocally(base, renames))
      problems.set(moves[index] ?? -1, { kind: 'unwritable', detail: reason });
    return problems;
  } finally {
    applyLocally(base, clear);
  }
}

async function write(path: BytePath, source: TreeEntry, { map, content }: PackedFile): Promise<void> {
  const isShort = source.size <= SMALL_BYTES && map === null;
  const parts = isShort ? await gather(content) : [];
  if (!isShort) await writeLocalRanges(path, map ?? [{ offset: 0, length: source.size }], toAsync(content));
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const handle = openSync(toBytes(path), O_WRONLY | O_NOFOLLOW | (isShort ? O_CREAT | O_EXCL : 0), 0o600);
  try {
    if (parts.length > 0) writeSync(handle, parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts));
    if (map !== null) ftruncateSync(handle, source.size);
    fchmodSync(handle, source.mode);
    futimesSync(handle, timeOf(source.mtimeNs), timeOf(source.mtimeNs));
  } finally {
    closeSync(handle);
  }
}

async function gather(content: PackedFile['content']): Promise<Buffer[]> {
  const parts: Buffer[] = [];
  for await (const part of content) parts.push(part);
  return parts;
}

async function* toAsync(content: PackedFile['content']): AsyncGenerator<Buffer> {
  yield* content;
}
