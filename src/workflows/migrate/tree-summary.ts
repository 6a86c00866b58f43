import { type BytePath, HERE, parentOf, toText } from '../../instance/files/byte-path.js';
import { mayHaveHoles, type TreeEntry } from '../../instance/files/tree-entry.js';
import { FORGE_DIRECTORY } from '../../instance/layout.js';
import { ASIDE_PREFIX } from '../../instance/migration/aside.js';
import { type Exclude, readExcludes } from '../copy/excludes.js';
import type { LeftOut } from './left-out.js';

/** What a look at both workspaces tells about the move. */
export interface TreeSummary {
  files: number;
  /** Without holes. */
  bytes: number;
  biggest: { path: string; bytes: number }[];
  leftOut: (LeftOut & { files: number; bytes: number })[];
  linksOut: string[];
  overwrites: { path: string; files: number; bytes: number }[];
}

interface SummaryInput {
  source: readonly TreeEntry[];
  destination: readonly TreeEntry[];
  /** Where the source's workspace lies, for links. */
  workspace: string;
  excluded: Exclude;
  rules: readonly LeftOut[];
}

const BIGGEST = 6;
const LINKS_TOLD = 5;

export function summarizeTrees(input: SummaryInput): TreeSummary {
  const { kept, dropped } = splitEntries(input.source, input.excluded);
  const files = kept.filter(({ type }) => type !== 'directory');
  return {
    files: files.length,
    bytes: sum(files),
    biggest: biggestOf(files),
    leftOut: leftOutOf(dropped, input.rules),
    linksOut: linksOut(files, input.workspace).slice(0, LINKS_TOLD),
    overwrites: overwritesOf(kept, input.destination),
  };
}

/** What lies in something that is left out is left out with it. */
export function splitEntries(
  entries: readonly TreeEntry[],
  excluded: Exclude,
): { kept: TreeEntry[]; dropped: TreeEntry[] } {
  const [kept, dropped]: [TreeEntry[], TreeEntry[]] = [[], []];
  const gone = new Set<BytePath>();
  for (const entry of [...entries].sort((one, other) => (one.path < other.path ? -1 : 1))) {
    const { path, type } = entry;
    if (path === HERE) continue;
    const isOut = gone.has(parentOf(path)) || excluded(path, type === 'directory');
    if (isOut && type === 'directory') gone.add(path);
    (isOut ? dropped : kept).push(entry);
  }
  return { kept, dropped };
}

function bytesOf(entry: TreeEntry): number {
  return mayHaveHoles(entry) ? entry.allocatedBytes : entry.size;
}

function sum(entries: readonly TreeEntry[]): number {
  const seen = new Set<string>();
  return entries.reduce((total, entry) => {
    // Further names of a file cost nothing.
    if (entry.inode !== null && seen.has(entry.inode)) return total;
    if (entry.inode !== null) seen.add(entry.inode);
    return total + bytesOf(entry);
  }, 0);
}

/** By the first directories, and below Forge and its models one or two deeper: that is where people look. */
function biggestOf(files: readonly TreeEntry[]): { path: string; bytes: number }[] {
  const sizes = new Map<string, number>();
  for (const entry of files) {
    const parts = entry.path.split('/').slice(0, -1);
    const depth = parts[0] === FORGE_DIRECTORY ? (parts[1] === 'models' ? 3 : 2) : 1;
    const name = toText(parts.slice(0, depth).join('/') as BytePath);
    if (name !== '') sizes.set(name, (sizes.get(name) ?? 0) + bytesOf(entry));
  }
  return [...sizes]
    .map(([path, bytes]) => ({ path, bytes }))
    .sort((one, other) => other.bytes - one.bytes)
    .slice(0, BIGGEST);
}

function leftOutOf(dropped: readonly TreeEntry[], rules: readonly LeftOut[]): TreeSummary['leftOut'] {
  const counted = rules.map((rule) => ({ ...rule, files: 0, bytes: 0, fits: readExcludes([rule.pattern]) }));
  for (const entry of dropped) {
    if (entry.path.startsWith(ASIDE_PREFIX) || entry.type === 'directory') continue;
    const rule = counted.find(({ fits }) => isBelow(entry.path, fits));
    if (rule === undefined) continue;
    rule.files += 1;
    rule.bytes += bytesOf(entry);
  }
  return counted.filter(({ files }) => files > 0).map(({ fits: _, ...rule }) => rule);
}

function isBelow(path: BytePath, fits: Exclude): boolean {
  const parts = path.split('/');
  return parts.some((_, at) => fits(parts.slice(0, at + 1).join('/') as BytePath, at + 1 < parts.length));
}

function linksOut(files: readonly TreeEntry[], workspace: string): string[] {
  return files.flatMap(({ path, target }) => {
    if (target === null || !target.startsWith('/') || target.startsWith(`${workspace}/`)) return [];
    return [`${toText(path)} -> ${toText(target)}`];
  });
}

/** Forge's tree goes as a whole; elsewhere only what has the name of something that comes. */
function overwritesOf(kept: readonly TreeEntry[], destination: readonly TreeEntry[]): TreeSummary['overwrites'] {
  const coming = new Map(kept.map((entry) => [entry.path, entry.type]));
  const found = new Map<string, { files: number; bytes: number }>();
  const hasForge = coming.has(FORGE_DIRECTORY as BytePath);
  for (const entry of destination) {
    const [top = ''] = entry.path.split('/');
    if (entry.type === 'directory' || top.startsWith(ASIDE_PREFIX)) continue;
    const isInForge = hasForge && top === FORGE_DIRECTORY;
    if (!isInForge && !coming.has(entry.path) && !isUnderFile(entry.path, coming)) continue;
    const name = toText(top as BytePath);
    const known = found.get(name) ?? { files: 0, bytes: 0 };
    found.set(name, { files: known.files + 1, bytes: known.bytes + bytesOf(entry) });
  }
  return [...found].map(([path, counts]) => ({ path, ...counts })).sort((one, other) => other.bytes - one.bytes);
}

function isUnderFile(path: BytePath, coming: ReadonlyMap<BytePath, TreeEntry['type']>): boolean {
  for (let above = parentOf(path); above !== HERE; above = parentOf(above)) {
    const type = coming.get(above);
    if (type !== undefined) return type !== 'directory';
  }
  return false;
}
