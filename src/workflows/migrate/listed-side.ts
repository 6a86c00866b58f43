import { EXIT, ForgeError } from '../../errors.js';
import { type BytePath, fromText, HERE } from '../../instance/files/byte-path.js';
import { countCommand, lsCommand, parseInodes, parseLs } from '../../instance/files/ls-listing.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';
import { withoutEnd } from '../../text-ends.js';
import type { Listing, Place, Side } from '../copy/side.js';

export interface ListedTree {
  /** As the machine would name it. */
  directory: string;
  entries: TreeEntry[];
}

/** The whole workspace of a machine that does not run. Throws (exit 8) when the platform tells nothing, or not all. */
export async function listStopped(
  look: (command: string) => Promise<string | null>,
  { id, directory }: { id: number; directory: string },
): Promise<ListedTree> {
  const output = await look(lsCommand(directory));
  if (output === null) throw notTold(id, 'the host gave no answer');
  const listing = parseLs(output);
  if (listing === null) throw notTold(id, 'its list cannot be read as a whole');
  const [complaint] = listing.complaints;
  if (complaint !== undefined) throw notTold(id, complaint.replace(/\p{Cc}+/gu, ' '));
  const counted = parseInodes((await look(countCommand(directory))) ?? '');
  if (counted !== listing.inodes)
    throw notTold(id, `it lists ${listing.inodes} and counts ${counted ?? 'nothing'}: the list was cut`);
  return { directory, entries: listing.entries };
}

/** The files of a machine that does not run: their names, sizes, modes and times are known, and nothing can be read. */
export class ListedSide implements Side {
  readonly isLocal = false;
  readonly root = '/' as BytePath;
  readonly name: string;
  private readonly base: BytePath;
  private readonly entries: readonly TreeEntry[];
  private readonly byPath: ReadonlyMap<BytePath, TreeEntry>;

  constructor(name: string, { directory, entries }: ListedTree) {
    this.name = name;
    this.base = fromText(withoutEnd(directory, '/'));
    this.entries = entries;
    this.byPath = new Map(entries.map((entry) => [entry.path, entry]));
  }

  show(path: BytePath): string {
    return Buffer.from(path, 'latin1').toString('utf8');
  }

  absolute(typed: BytePath): BytePath {
    return (typed.startsWith('/') ? typed : `${this.base}/${typed}`) as BytePath;
  }

  isTop(): boolean {
    return false;
  }

  /** The workspace, however it is named; there is nothing else to ask for. */
  async resolve(): Promise<Place> {
    return { real: this.base, kind: 'directory', parentIsDirectory: true };
  }

  async list(paths: readonly BytePath[], { deep }: { deep: boolean }): Promise<Listing> {
    const entries = new Map<BytePath, TreeEntry[]>();
    for (const path of paths) {
      const own = this.byPath.get(path === this.base ? HERE : (path.slice(this.base.length + 1) as BytePath));
      if (own === undefined) continue;
      entries.set(path, [{ ...own, path: HERE }, ...(deep ? this.below(own.path) : [])]);
    }
    return { entries, complaints: [] };
  }

  private below(top: BytePath): TreeEntry[] {
    const start = top === HERE ? '' : `${top}/`;
    return this.entries
      .filter(({ path }) => path !== HERE && path.startsWith(start))
      .map((entry) => ({ ...entry, path: entry.path.slice(start.length) as BytePath }));
  }

  readonly space = this.refuse;
  readonly apply = this.refuse;
  readonly map = this.refuse;
  readonly hashRanges = this.refuse;
  readonly hashFiles = this.refuse;
  readonly storePack = this.refuse;
  readonly writeRanges = this.refuse;

  openPack(): never {
    throw notRunning(this.name);
  }

  readRanges(): never {
    throw notRunning(this.name);
  }

  private async refuse(): Promise<never> {
    throw notRunning(this.name);
  }
}

function notRunning(name: string): ForgeError {
  return new ForgeError(`${name} does not run: only the platform can copy from it.`, {
    code: 'SOURCE_STOPPED',
    exit: EXIT.notReady,
    hint: 'Start it, or use --via api.',
  });
}

function notTold(id: number, why: string): ForgeError {
  return new ForgeError(`The platform does not tell what is on the stopped instance ${id}: ${why}.`, {
    code: 'SOURCE_UNREADABLE',
    exit: EXIT.notReady,
    hint: `Without that a copy could not be compared with anything. Try again in a while, or start it: forgectl start ${id}`,
    details: { instance_id: id },
  });
}
