import { EXIT, ForgeError } from '../../errors.js';
import {
  type BytePath,
  fromText,
  HERE,
  joinPath,
  nameOf,
  parentOf,
  staysInside,
  toText,
} from '../../instance/files/byte-path.js';
import { PART_PREFIX } from '../../instance/files/operations.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';
import { withoutEnd } from '../../text-ends.js';
import type { Exclude } from './excludes.js';
import type { Tree } from './plan.js';
import type { PackedItem, Place, Side } from './side.js';

export interface CopyRequest {
  /** As typed. */
  sources: readonly BytePath[];
  destination: BytePath;
  /** Both are the same computer. */
  onOneSide: boolean;
  exclude: Exclude;
  /** A link that is named as a source stands for what it points at. */
  followLinks: boolean;
  /** One that is named, and is not followed, may be made: it was not a stranger who made it, or it is wanted all the same. */
  mayNameLinks: boolean;
}

export interface Gathered {
  trees: Tree[];
  /** The directory to make first, which was named and is not there. */
  newDirectory: BytePath | null;
  /** What could not be listed at the source. */
  complaints: string[];
}

/** "dir/." */
const CONTENTS = /(?:^|\/)\.{1,2}\/*$/u;

interface Source {
  /** At the source. A machine may have said it, so it says nothing of where the copy goes. */
  path: BytePath;
  /** What it is called at the destination: from what was typed. */
  name: BytePath;
  /** "dir/." and the like: what is in it, not the directory itself. */
  contentsOnly: boolean;
  entries: TreeEntry[];
}

/** Looks at both sides and says what belongs where, as `cp -a` would: into a directory that is there, else under the new name. */
export async function gatherTrees(source: Side, destination: Side, request: CopyRequest): Promise<Gathered> {
  const isContents = request.sources.every((typed) => CONTENTS.test(typed));
  const [{ sources, complaints }, { place, listed }] = await Promise.all([
    listSources(source, request),
    destination.resolve(request.destination).then(async (found) => ({
      place: found,
      // Where they go is known before they are: both sides list at the same time.
      listed:
        isContents && !destination.isTop(found.real)
          ? (await destination.list([found.real], { deep: true })).entries
          : null,
    })),
  ]);
  const intoDirectory = request.sources.length > 1 || /(?:^|\/)\.{0,2}$/u.test(request.destination);
  const targets = sources.map((one) => {
    const goesInside = !one.contentsOnly && (intoDirectory || place.kind === 'directory');
    return { source: one, path: goesInside ? joinPath(place.real, one.name) : place.real };
  });
  refusePlace({ destination, place, targets, intoDirectory }, request);
  refuseTwice(
    destination,
    targets.filter((target) => !target.source.contentsOnly).map(({ path }) => path),
  );
  if (request.onOneSide) for (const target of targets) refuseItself(destination, target.source, target.path);
  const existing = listed ?? (await listTargets(destination, targets));
  const trees: Tree[] = [];
  for (const target of targets)
    addTree(trees, { ...target, existing: existing.get(target.path) ?? [], exclude: request.exclude });
  const isNew = place.kind === null && intoDirectory && sources.some(({ contentsOnly }) => !contentsOnly);
  return { trees, newDirectory: isNew ? place.real : null, complaints };
}

async function listSources(side: Side, request: CopyRequest): Promise<{ sources: Source[]; complaints: string[] }> {
  const named: (Omit<Source, 'entries'> & { typed: BytePath; wantsDirectory: boolean })[] = [];
  for (const typed of request.sources) {
    const contentsOnly = CONTENTS.test(typed);
    const wantsDirectory = contentsOnly || typed.endsWith('/') || typed === '';
    const path = wantsDirectory || request.followLinks ? (await side.resolve(typed)).real : side.absolute(typed);
    if (path === '/' || path === side.root) throw wholeMachine(side);
    named.push({ path, name: typedName(side, typed), contentsOnly, wantsDirectory, typed });
  }
  const { entries, complaints } = await side.list([...new Set(named.map(({ path }) => path))], { deep: true });
  const sources = named.map(({ typed, wantsDirectory, ...one }) => {
    const found = entries.get(one.path)?.sort(byPath);
    const root = found?.[0];
    if (found === undefined || root?.path !== HERE) throw noSuchPath(side, typed);
    if (wantsDirectory && root.type !== 'directory')
      throw usage(`${toText(typed)} on ${side.name} is not a directory.`, 'Leave out what stands behind its name.');
    if (root.type === 'link' && (request.followLinks || !request.mayNameLinks)) throw isLink(side, typed);
    return { ...one, entries: found };
  });
  return { sources, complaints };
}

/** The last part of what was typed. A machine must not choose how something is called here, or on another machine. */
function typedName(side: Side, typed: BytePath): BytePath {
  const path = withoutEnd(typed, '/') as BytePath;
  if (CONTENTS.test(typed)) return HERE;
  if (!side.isLocal && path === '') return fromText('workspace');
  if (!side.isLocal && path === '~') return fromText('root');
  const name = nameOf(path);
  if (!staysInside(name))
    throw usage(`${toText(typed)} has no name that a copy could have.`, 'Name a file or directory.');
  return name;
}

/** Two looks for any number of targets: only where a directory goes, what is below matters. */
async function listTargets(
  side: Side,
  targets: readonly { source: Source; path: BytePath }[],
): Promise<Map<BytePath, TreeEntry[]>> {
  const isDeep = ({ source }: { source: Source }): boolean => source.entries[0]?.type === 'directory';
  const deep = await side.list(
    targets.filter(isDeep).map(({ path }) => path),
    { deep: true },
  );
  const shallow = await side.list(
    targets.filter((one) => !isDeep(one)).map(({ path }) => path),
    { deep: false },
  );
  return new Map([...deep.entries, ...shallow.entries]);
}

export function byPath(one: TreeEntry, other: TreeEntry): number {
  return one.path < other.path ? -1 : one.path > other.path ? 1 : 0;
}

interface Target {
  source: Source;
  path: BytePath;
  existing: TreeEntry[];
  exclude: Exclude;
}

function addTree(trees: Tree[], { source, path, existing, exclude }: Target): void {
  const [root] = source.entries;
  if (root === undefined) return;
  if (root.type === 'directory') {
    trees.push({
      sourceBase: source.path,
      destinationBase: path,
      pairs: keptEntries(source.entries, exclude).map((entry) => ({ source: entry, destination: entry.path })),
      existing: new Map(existing.map((entry) => [entry.path, entry])),
      leavesBase: source.contentsOnly && existing.length > 0,
    });
    return;
  }
  const pair = { source: { ...root, path: nameOf(source.path) }, destination: nameOf(path) };
  const there = existing.map((entry): [BytePath, TreeEntry] => [nameOf(path), { ...entry, path: nameOf(path) }]);
  const [sourceBase, destinationBase] = [parentOf(source.path), parentOf(path)];
  const known = trees.find((tree) => {
    return tree.leavesBase && tree.sourceBase === sourceBase && tree.destinationBase === destinationBase;
  });
  if (known !== undefined) {
    (known.pairs as PackedItem[]).push(pair);
    for (const [name, entry] of there) (known.existing as Map<BytePath, TreeEntry>).set(name, entry);
  } else trees.push({ sourceBase, destinationBase, pairs: [pair], existing: new Map(there), leavesBase: true });
}

/**
 * What is not left out. Each entry's parent must be a directory of the same list: the other machine has written the list,
 * and must not lead through one of its links.
 */
export function keptEntries(entries: readonly TreeEntry[], exclude: Exclude): TreeEntry[] {
  const directories = new Set<BytePath>();
  const seen = new Set<BytePath>();
  return entries.filter((entry) => {
    const { path, type } = entry;
    if (path !== HERE) {
      if (!directories.has(parentOf(path)) || seen.has(path)) return false;
      if (nameOf(path).startsWith(PART_PREFIX) || exclude(path, type === 'directory')) return false;
    }
    seen.add(path);
    if (type === 'directory') directories.add(path);
    return true;
  });
}

interface Placing {
  destination: Side;
  place: Place;
  targets: readonly { source: Source; path: BytePath }[];
  intoDirectory: boolean;
}

function refusePlace(
  { destination, place, targets, intoDirectory }: Placing,
  { destination: typed }: CopyRequest,
): void {
  const text = toText(typed);
  const isDirectory = ({ source }: { source: Source }): boolean => source.entries[0]?.type === 'directory';
  const hasDirectory = targets.some(isDirectory);
  const topped = targets.some((target) => isDirectory(target) && destination.isTop(target.path));
  if (topped || (hasDirectory && destination.isTop(place.real))) {
    throw usage(
      `A directory is not copied to ${text === '' ? 'this place' : text}: what belongs to the login there (its keys, their modes) would change, and no later login would work.`,
      'Choose a directory below the workspace.',
    );
  }
  if (place.kind === 'dangling') throw usage(`${text} is a link to nothing.`, 'Name the place itself.');
  const mustBeDirectory = intoDirectory || targets.some(({ source }) => source.contentsOnly) || hasDirectory;
  if (place.kind === 'file' && mustBeDirectory) throw usage(`${text} is not a directory.`, 'Name a directory.');
  if (place.kind !== null || place.parentIsDirectory) return;
  throw new ForgeError(`There is no directory to put ${text} in on ${destination.name}.`, {
    code: 'COPY_NO_PATH',
    exit: EXIT.notFound,
    hint: 'Make it first, or check the spelling.',
  });
}

function refuseTwice(side: Side, paths: readonly BytePath[]): void {
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice !== undefined)
    throw usage(`Two of the sources would become ${side.show(twice)}.`, 'Copy them to different directories.');
}

function refuseItself(side: Side, { path, entries }: Source, target: BytePath): void {
  const isInside = path === target || (entries[0]?.type === 'directory' && target.startsWith(`${path}/`));
  if (isInside) throw usage(`${side.show(path)} cannot be copied into itself.`, 'Choose another place.');
}

function noSuchPath(side: Side, typed: BytePath): ForgeError {
  return new ForgeError(`There is no ${toText(typed)} on ${side.name}.`, {
    code: 'COPY_NO_PATH',
    exit: EXIT.notFound,
    hint: 'A path on an instance that does not begin with / counts from its workspace.',
  });
}

function isLink(side: Side, typed: BytePath): ForgeError {
  return new ForgeError(`${toText(typed)} on ${side.name} is a link.`, {
    code: 'COPY_LINK',
    exit: EXIT.usage,
    hint: 'Copy what it points at: -H. Make the link itself, wherever it leads: --links',
  });
}

function wholeMachine(side: Side): ForgeError {
  return usage(`${side.name} is not copied as a whole.`, 'Name a directory, e.g. /workspace.');
}

function usage(message: string, hint: string): ForgeError {
  return new ForgeError(message, { code: 'USAGE', exit: EXIT.usage, hint });
}
