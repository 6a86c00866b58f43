import fc from 'fast-check';
import { type BytePath, joinPath } from '../../../src/instance/files/byte-path.ts';
import { ListingParser } from '../../../src/instance/files/listing.ts';
import type { Range, TreeEntry } from '../../../src/instance/files/tree-entry.ts';
import type { Listing, Pack, PackedFile, Place, Problem, Side, Space } from '../../../src/workflows/copy/side.ts';

const NAMES = ['a', 'b', 'c', 'A', 'x', '.forgectl-part-1', '.bashrc', 'dest', 'é', 'a\n', ' ', '-rf', '\\'];
const BAD_PATHS = ['..', '.', '../evil', '/etc', 'a/../../evil', 'a/./b', 'a//b', './a', 'a/', '/..'];

const plainPath = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));

/** A line of a list: find's fields. */
export type Row = Record<
  'kind' | 'size' | 'mode' | 'time' | 'names' | 'inode' | 'blocks' | 'owner' | 'path' | 'target',
  string
>;

/** What may stand in a row of a list; the first columns are rarely such that the whole list is refused. */
const row = (top: string): fc.Arbitrary<Row> =>
  fc.record({
    kind: fc.constantFrom('f', 'f', 'd', 'd', 'l', 'l', 'p'),
    size: fc.constantFrom('0', '3', '5', '100', '4096'),
    mode: fc.constantFrom('644', '4755', '2755', '0', '777', '1777'),
    time: fc.constantFrom('1700000000.5', '0', '-5.1', '999999999999999.1'),
    names: fc.constantFrom('1', '2', '3'),
    inode: fc.constantFrom('1:1', '1:2'),
    blocks: fc.constantFrom('8', '0'),
    owner: fc.constantFrom('0:0', '1000:1000'),
    path: fc.oneof({ weight: 12, arbitrary: plainPath }, { weight: 1, arbitrary: fc.constantFrom(...BAD_PATHS) }),
    target: fc.constantFrom(
      `${top}/outside`,
      `${top}/outside/keep.txt`,
      `${top}/.bashrc`,
      `${top}/dest`,
      top,
      '..',
      '../..',
      '../.bashrc',
      '../../outside',
      '../outside/keep.txt',
      'a',
      'a/..',
      'a/../..',
      'b/c',
      './b',
      '.',
      '/',
      'x'.repeat(5000),
      '',
    ),
  });

/** One visit to a machine that lies: what it lists, where it says that a path leads, how its top is of. */
export interface Lies {
  rows: Row[];
  topKind: string;
  hasTop: boolean;
  topLast: boolean;
  /** What `resolve` says: a real path of its choice. */
  real: string;
  kind: Place['kind'];
  holes: boolean;
}

export const lies = (top: string): fc.Arbitrary<Lies> =>
  fc.record({
    rows: fc.array(row(top), { maxLength: 12 }),
    topKind: fc.constantFrom('d', 'd', 'd', 'f', 'l', 'p'),
    hasTop: fc.constantFrom(true, true, true, true, false),
    topLast: fc.boolean(),
    real: fc.constantFrom(
      '/w/out',
      '/x/..',
      '/',
      '/w',
      '/w/.bashrc',
      '/..',
      `${top}/outside`,
      '/x/../../.bashrc',
      'rel',
      '',
    ),
    kind: fc.constantFrom('directory' as const, 'directory' as const, 'file' as const, 'dangling' as const, null),
    holes: fc.boolean(),
  });

/** The source of a copy, as a hostile machine would have it; its list goes through the real parser. */
export class LyingSide implements Side {
  readonly isLocal = false;
  readonly name = 'evil';
  readonly root = '/' as BytePath;
  private readonly lies: Lies;

  constructor(told: Lies) {
    this.lies = told;
  }

  show(path: BytePath): string {
    return path;
  }

  absolute(typed: BytePath): BytePath {
    return (typed.startsWith('/') ? typed : joinPath('/w' as BytePath, typed)) as BytePath;
  }

  isTop(): boolean {
    return false;
  }

  async resolve(): Promise<Place> {
    return { real: this.lies.real as BytePath, kind: this.lies.kind, parentIsDirectory: true };
  }

  async list(paths: readonly BytePath[], { deep }: { deep: boolean }): Promise<Listing> {
    const entries = new Map<BytePath, TreeEntry[]>();
    const parser = new ListingParser();
    for (const root of paths) {
      const { rows, topKind, hasTop, topLast } = this.lies;
      const below = deep
        ? rows.map((one) => [
            one.kind,
            one.size,
            one.mode,
            one.time,
            one.names,
            one.inode,
            one.blocks,
            one.owner,
            one.path,
            one.kind === 'l' ? one.target : '',
          ])
        : [];
      const top = [
        topKind,
        '3',
        '755',
        '1700000000.5',
        '1',
        '1:9',
        '8',
        '0:0',
        '',
        topKind === 'l' ? (rows[0]?.target ?? 'a') : '',
      ];
      const all = !hasTop ? below : topLast ? [...below, top] : [top, ...below];
      const text = all.map((fields) => [root, ...fields].map((field) => `${field}\0`).join('')).join('');
      for (const { root: of, entry } of parser.push(Buffer.from(text, 'latin1')))
        entries.set(of, [...(entries.get(of) ?? []), entry]);
    }
    return { entries, complaints: [] };
  }

  async space(): Promise<Space> {
    return { freeBytes: 1e12, freeFiles: 1e6 };
  }

  async apply(): Promise<{ index: number; reason: string }[]> {
    return [];
  }

  openPack(_base: BytePath, entries: readonly TreeEntry[]): Pack {
    const { holes } = this.lies;
    async function* files(): AsyncGenerator<PackedFile> {
      for (const [index, { size }] of entries.entries())
        yield {
          index,
          map: holes && size > 2 ? [{ offset: 0, length: 2 }] : null,
          content: [Buffer.alloc(holes && size > 2 ? 2 : size, 'E')],
        };
    }
    return { files: files(), settle: async () => new Map<number, Problem>() };
  }

  async storePack(): Promise<Map<number, Problem>> {
    return new Map();
  }

  async map(_file: BytePath, { size }: TreeEntry): Promise<Range[]> {
    return [{ offset: 0, length: this.lies.holes ? Math.min(2, size) : size }];
  }

  async *readRanges(_file: BytePath, ranges: readonly Range[]): AsyncGenerator<Buffer> {
    for (const { length } of ranges) yield Buffer.alloc(length, 'E');
  }

  async writeRanges(): Promise<void> {}

  async hashRanges(_file: BytePath, ranges: readonly Range[]): Promise<null[]> {
    return ranges.map(() => null);
  }

  async hashFiles(_base: BytePath, entries: readonly TreeEntry[]): Promise<null[]> {
    return entries.map(() => null);
  }
}
