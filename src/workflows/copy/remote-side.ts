import { type BytePath, isRealPath, joinPath, toBytes, toText } from '../../instance/files/byte-path.js';
import {
  applyScript,
  hashFilesScript,
  hashRangesScript,
  isListed,
  listScript,
  resolveScript,
  spaceScript,
} from '../../instance/files/file-scripts.js';
import { ListingParser } from '../../instance/files/listing.js';
import {
  encodeOperations,
  LONGEST_FAILURE_BYTES,
  type Operation,
  parseFailures,
} from '../../instance/files/operations.js';
import type { RemotePlaces } from '../../instance/files/places-script.js';
import type { Range, TreeEntry } from '../../instance/files/tree-entry.js';
import { cutOff } from '../../instance/remote-script.js';
import { unreadable } from '../../instance/unreadable.js';
import { commandFailed } from './problems.js';
import { openRemotePack, storeRemotePack } from './remote-pack.js';
import { readMap, readRemoteRanges, writeRemoteRanges } from './remote-ranges.js';
import { answerTooLong, collectOutput, feed, type RemoteRunner } from './remote-runner.js';
import type { Listing, Pack, PackedItem, PackPlace, Place, Problem, Side, Space } from './side.js';
import { Unpacked } from './unpacked.js';

const KINDS = { d: 'directory', f: 'file', l: 'dangling', '-': null } as const;

/** The files of one instance, through bash, find, tar, dd and sha256sum; nothing needs to be installed there. */
export class RemoteSide implements Side {
  readonly isLocal = false;
  readonly root: BytePath;
  readonly name: string;
  private readonly runner: RemoteRunner;
  private readonly places: RemotePlaces;

  constructor(name: string, runner: RemoteRunner, places: RemotePlaces) {
    this.name = name;
    this.runner = runner;
    this.places = places;
    this.root = (places.root || '/') as BytePath;
  }

  show(path: BytePath): string {
    const { root } = this.places;
    return toText((root !== '' && path.startsWith(`${root}/`) ? path.slice(root.length) : path) as BytePath);
  }

  async resolve(typed: BytePath): Promise<Place> {
    const { output, ...end } = await this.runner.ask(resolveScript(this.absolute(typed)));
    const [real, kind = '', parent, ...more] = output.toString('latin1').split('\0');
    if (real === undefined || parent === undefined) throw commandFailed('look up the path', this.name, end);
    const isKind = kind === 'd' || kind === 'f' || kind === 'l' || kind === '-';
    // A path with `..` in it would be used as it is, and lead elsewhere.
    if (!isRealPath(real) || !isKind || more.join('') !== '') throw unreadable('where a path leads is no path');
    return { real: real as BytePath, kind: KINDS[kind], parentIsDirectory: parent === 'd' };
  }

  isTop(real: BytePath): boolean {
    return [this.root, '/', this.places.home].includes(real);
  }

  absolute(typed: BytePath): BytePath {
    const { root, workspace, home } = this.places;
    if (typed === '~' || typed.startsWith('~/')) return joinPath(home, typed.slice(2) as BytePath);
    if (!typed.startsWith('/')) return joinPath(workspace, typed);
    // A path that the machine itself has printed carries its root already.
    return (root === '' || typed === root || typed.startsWith(`${root}/`) ? typed : root + typed) as BytePath;
  }

  async list(paths: readonly BytePath[], options: { deep: boolean }): Promise<Listing> {
    const entries = new Map<BytePath, TreeEntry[]>();
    if (paths.length === 0) return { entries, complaints: [] };
    let [parser, unpacked] = [new ListingParser(), new Unpacked(() => {})];
    const asked = this.runner.askFor(listScript(options), nulList(paths), () => {
      parser = new ListingParser();
      entries.clear();
      for (const path of paths) entries.set(path, []);
      unpacked = new Unpacked((chunk) => {
        // What was not asked for is not listed.
        for (const { root, entry } of parser.push(chunk)) entries.get(root)?.push(entry);
      });
      return (chunk) => unpacked.push(chunk);
    });
    const { stderr, exitCode } = await asked.catch((error: unknown) => {
      unpacked.cancel();
      throw error;
    });
    if (!(await unpacked.end()) || !parser.isWhole || !isListed(exitCode)) throw cutOff();
    for (const path of paths) if (entries.get(path)?.length === 0) entries.delete(path);
    return { entries, complaints: complaintsOf(stderr) };
  }

  async space(directory: BytePath): Promise<Space> {
    const { output, ...end } = await this.runner.ask(spaceScript(directory));
    const [blocks = Number.NaN, blockBytes = 0, files = 0] = output.toString('latin1').trim().split(' ').map(Number);
    if (Number.isNaN(blocks)) throw commandFailed('say how much room there is', this.name, end);
    return { freeBytes: blocks * blockBytes, freeFiles: files };
  }

  async apply(base: BytePath, operations: readonly Operation[]): Promise<{ index: number; reason: string }[]> {
    if (operations.length === 0) return [];
    const mostBytes = operations.length * LONGEST_FAILURE_BYTES;
    const { output, ...end } = await this.runner.ask(applyScript(base), encodeOperations(operations), mostBytes);
    if (end.exitCode !== 0) throw commandFailed('change files', this.name, end);
    return parseFailures(output, operations.length);
  }

  openPack(base: BytePath, entries: readonly TreeEntry[]): Pack {
    return openRemotePack(this.runner, { base, entries, name: this.name });
  }

  storePack(place: PackPlace, items: readonly PackedItem[], pack: Pack): Promise<Map<number, Problem>> {
    return storeRemotePack(this.runner, { ...place, items, name: this.name }, pack);
  }

  map(file: BytePath, entry: TreeEntry): Promise<Range[]> {
    return readMap(this.runner, file, entry);
  }

  readRanges(file: BytePath, ranges: readonly Range[]): AsyncIterable<Buffer> {
    return readRemoteRanges(this.runner, { file, ranges });
  }

  writeRanges(file: BytePath, ranges: readonly Range[], content: AsyncIterable<Buffer>): Promise<void> {
    return writeRemoteRanges(this.runner, { file, ranges, name: this.name }, content);
  }

  async hashRanges(file: BytePath, ranges: readonly Range[]): Promise<(string | null)[]> {
    const lines = ranges.map(({ offset, length }) => `${offset} ${length}\n`).join('');
    const running = await this.runner.start(hashRangesScript(file), { mayPause: true });
    const fed = feed(running, [Buffer.from(lines)]);
    const output = await collectOutput(running, ranges.length * LONGEST_HASH_LINE);
    await fed;
    await running.ended;
    const hashes = new Map<string, string>();
    for (const line of output.toString('latin1').split('\n')) {
      const [offset, length, hash] = line.split(' ');
      if (hash !== undefined && isHash(hash)) hashes.set(`${offset} ${length}`, hash);
    }
    return ranges.map(({ offset, length }) => hashes.get(`${offset} ${length}`) ?? null);
  }

  async hashFiles(
    base: BytePath,
    entries: readonly TreeEntry[],
    onBytes: (bytes: number) => void,
  ): Promise<(string | null)[]> {
    const running = await this.runner.start(hashFilesScript(base), { mayPause: true });
    const sizes = new Map(entries.map(({ path, size }) => [path, size]));
    const hashes = new Map<string, string>();
    const fed = feed(running, [nulList(entries.map(({ path }) => path))]);
    let rest = '';
    for await (const chunk of running.output) {
      const lines = (rest + chunk.toString('latin1')).split('\0');
      rest = lines.pop() ?? '';
      if (rest.length > LONGEST_NAME_BYTES) running.cut(answerTooLong());
      for (const line of lines) {
        const path = line.slice(66) as BytePath;
        const size = sizes.get(path);
        // Neither what was not asked for, nor an answer after the first.
        if (size === undefined || hashes.has(path) || !isHash(line.slice(0, 64))) continue;
        hashes.set(path, line.slice(0, 64));
        onBytes(size);
      }
    }
    await fed;
    await running.ended;
    return entries.map(({ path }) => hashes.get(path) ?? null);
  }
}

function nulList(paths: readonly BytePath[]): Buffer {
  return Buffer.concat(paths.flatMap((path) => [toBytes(path), Buffer.from([0])]));
}

function isHash(text: string): boolean {
  return /^[0-9a-f]{64}$/u.test(text);
}

/** A path that is not there is no complaint: it has no entry. */
function complaintsOf(stderr: string): string[] {
  return stderr
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith('No such file or directory'))
    .map((line) => line.replace(/^find: /u, ''));
}

const LONGEST_NAME_BYTES = 64 * 1024;

/** "offset length sha256" */
const LONGEST_HASH_LINE = 128;
