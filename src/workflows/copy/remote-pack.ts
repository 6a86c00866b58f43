import { EXIT, ForgeError } from '../../errors.js';
import type { BytePath } from '../../instance/files/byte-path.js';
import { joinPath, toBytes } from '../../instance/files/byte-path.js';
import { ByteReader } from '../../instance/files/byte-reader.js';
import { LAST_MEMBER, readPackScript, writePackScript } from '../../instance/files/file-scripts.js';
import { ListingParser } from '../../instance/files/listing.js';
import {
  encodeOperations,
  LONGEST_FAILURE_BYTES,
  type Operation,
  parseFailures,
} from '../../instance/files/operations.js';
import { decodeArchive } from '../../instance/files/tar-decoder.js';
import { type ArchiveFile, encodeArchive } from '../../instance/files/tar-encoder.js';
import { BrokenArchive } from '../../instance/files/tar-format.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';
import { isUnchanged } from './compare.js';
import { commandFailed } from './problems.js';
import { collectOutput, feed, type RemoteRunner, type Running } from './remote-runner.js';
import type { Pack, PackedFile, PackedItem, PackPlace, Problem } from './side.js';

/** Two names of the longest path that Linux takes, and numbers. */
const LONGEST_ENTRY_BYTES = 10_000;

interface PackSource {
  base: BytePath;
  entries: readonly TreeEntry[];
  name: string;
}

/** An archive from the machine, from which only what was asked for, in order and as it was listed, is taken. */
export function openRemotePack(runner: RemoteRunner, source: PackSource): Pack {
  const { entries, base } = source;
  const found = new Set<number>();
  const now = new Map<string, TreeEntry>();
  async function* files(): AsyncGenerator<PackedFile> {
    const running = await runner.start(readPackScript(base));
    let isDone = false;
    try {
      const list = Buffer.concat(entries.flatMap(({ path }) => [toBytes(path), Buffer.from([0])]));
      const fed = feed(running, [list]);
      const reader = new ByteReader(running.output);
      for await (const file of filesOf(reader, entries, found))
        yield { ...file, content: explained(file.content, running, source.name) };
      for (const entry of await readListing(reader, entries.length)) now.set(entry.path, entry);
      await fed;
      await running.ended;
      isDone = true;
    } catch (error) {
      throw await whatHappened(error, running, source.name);
    } finally {
      if (!isDone) running.cut(new Error('left'));
    }
  }
  return { files: files(), settle: async () => problemsOf(entries, found, now) };
}

async function* filesOf(
  reader: ByteReader,
  entries: readonly TreeEntry[],
  found: Set<number>,
): AsyncGenerator<PackedFile> {
  const places = new Map(entries.map(({ path }, index) => [path, index]));
  let last = -1;
  for await (const { name, kind, size, map, content } of decodeArchive(reader)) {
    const index = places.get(name) ?? -1;
    if (index <= last) throw new BrokenArchive('it holds what was not asked for');
    last = index;
    // What has become something else meanwhile is left; the listing behind the archive says so.
    if (kind !== 'file' || size !== entries[index]?.size) continue;
    found.add(index);
    yield { index, map, content };
  }
}

/** `most`: how many were asked for. */
async function readListing(reader: ByteReader, most: number): Promise<TreeEntry[]> {
  const parser = new ListingParser({ entries: most, bytes: most * LONGEST_ENTRY_BYTES });
  const listed: TreeEntry[] = [];
  for await (const chunk of reader.rest()) {
    for (const { root, entry } of parser.push(chunk)) {
      if (entry.path === '') listed.push({ ...entry, path: root.slice('./'.length) as BytePath });
    }
  }
  if (!parser.isWhole) throw new BrokenArchive('it ends too early');
  return listed;
}

function problemsOf(
  entries: readonly TreeEntry[],
  found: ReadonlySet<number>,
  now: ReadonlyMap<string, TreeEntry>,
): Map<number, Problem> {
  const problems = new Map<number, Problem>();
  for (const [index, entry] of entries.entries()) {
    const current = now.get(entry.path);
    if (current === undefined) problems.set(index, { kind: 'vanished', detail: null });
    else if (!isUnchanged(entry, current)) problems.set(index, { kind: 'changed', detail: null });
    else if (!found.has(index)) problems.set(index, { kind: 'unreadable', detail: null });
  }
  return problems;
}

/** Whoever reads the content is the one who learns that it was cut. */
async function* explained(content: PackedFile['content'], running: Running, name: string): AsyncGenerator<Buffer> {
  try {
    yield* content;
  } catch (error) {
    throw await whatHappened(error, running, name);
  }
}

/** A connection that was lost explains an archive that ends too early; otherwise the machine sent nonsense. */
async function whatHappened(error: unknown, running: Running, name: string): Promise<unknown> {
  if (!(error instanceof BrokenArchive)) return error;
  const nonsense = new ForgeError(`The archive from ${name} cannot be used: ${error.message}.`, BAD_ARCHIVE);
  running.cut(nonsense);
  return running.ended.then(
    (end) => (end.exitCode === 0 ? nonsense : commandFailed('send its files', name, end)),
    (reason: unknown) => reason,
  );
}

const BAD_ARCHIVE = {
  code: 'BAD_ARCHIVE',
  exit: EXIT.partlyFailed,
  hint: 'Nothing of it was kept. Is the machine what you think it is?',
};

interface PackTarget extends PackPlace {
  items: readonly PackedItem[];
  name: string;
}

/** Unpacks aside, under plain numbers; only what was as listed until its last byte is moved to its name. */
export async function storeRemotePack(
  runner: RemoteRunner,
  target: PackTarget,
  pack: Pack,
): Promise<Map<number, Problem>> {
  const { base, aside, keepOwner, items, name } = target;
  const running = await runner.start(writePackScript(base, { aside, keepOwner }), {
    mayPause: true,
  });
  const stored: number[] = [];
  let problems = new Map<number, Problem>();
  async function* members(): AsyncGenerator<ArchiveFile> {
    for await (const { index, map, content } of pack.files) {
      const { source } = items[index] as PackedItem;
      stored.push(index);
      yield { ...memberFields(source), name: String(index), map, content };
    }
    problems = await pack.settle();
    const moves = stored.filter((index) => !problems.has(index));
    yield lastMember(moves.flatMap((index) => moveOf(aside, index, items[index] as PackedItem)));
  }
  try {
    await feed(running, encodeArchive(members()));
  } catch (error) {
    running.cut(error);
    throw error;
  }
  const moves = stored.filter((index) => !problems.has(index));
  const operations = moves.length * OPERATIONS_A_FILE;
  const output = await collectOutput(running, operations * LONGEST_FAILURE_BYTES);
  const end = await running.ended;
  if (end.exitCode !== 0) throw commandFailed('store files', name, end);
  for (const { index, reason } of parseFailures(output, operations))
    problems.set(moves[Math.floor(index / OPERATIONS_A_FILE)] ?? -1, { kind: 'unwritable', detail: reason });
  return problems;
}

function memberFields({ size, mode, mtimeNs, owner }: TreeEntry): Omit<ArchiveFile, 'name' | 'map' | 'content'> {
  return { size, mode, mtimeS: Number(mtimeNs / 1_000_000_000n), owner };
}

const OPERATIONS_A_FILE = 2;

function moveOf(aside: BytePath, index: number, { source, destination }: PackedItem): Operation[] {
  const from = joinPath(aside, String(index) as BytePath);
  return [
    { do: 'touch', mtimeNs: source.mtimeNs, path: from },
    { do: 'rename', from, path: destination },
  ];
}

function lastMember(operations: readonly Operation[]): ArchiveFile {
  const content = encodeOperations(operations);
  return {
    name: LAST_MEMBER,
    size: content.length,
    mode: 0o600,
    mtimeS: 0,
    owner: { uid: 0, gid: 0 },
    map: null,
    content: [content],
  };
}
