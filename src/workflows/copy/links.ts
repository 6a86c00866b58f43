import { type BytePath, parentOf } from '../../instance/files/byte-path.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';

/**
 * Where a link leads, relative to the tree that it is in; null when it leads out of it. By its text alone, so `..` behind a
 * name counts as out: what it means depends on whether the name is a link itself.
 */
export function targetInside(path: BytePath, target: BytePath): BytePath | null {
  if (target === '' || target.startsWith('/')) return null;
  const above = parentOf(path);
  const parts = above === '' ? [] : above.split('/');
  let hasName = false;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') {
      hasName = true;
      parts.push(part);
    } else if (hasName || parts.pop() === undefined) return null;
  }
  return parts.join('/') as BytePath;
}

interface Link {
  /** Relative to the destination's base. */
  destination: BytePath;
  source: TreeEntry;
}

/**
 * Those of a stranger's links that would lead out of the destination: by their own text, or through a link that is there
 * already and is not one of `links`. `existing`: the destination's entries by path.
 */
export function outwardLinks(
  links: readonly Link[],
  existing: ReadonlyMap<BytePath, TreeEntry>,
): ReadonlySet<BytePath> {
  const depths = [...existing.values()].filter(({ type }) => type === 'link').map(({ path }) => path.split('/').length);
  const deepest = depths.reduce((most, depth) => Math.max(most, depth), 0);
  const own = new Set(links.map(({ destination }) => destination));
  const outward = new Set<BytePath>();
  /** By a link: those which lead through it. */
  const followers = new Map<BytePath, BytePath[]>();
  for (const { destination, source } of links) {
    const leadsTo = targetInside(destination, source.target ?? ('' as BytePath));
    const passed = leadsTo === null ? [] : passedLinks(leadsTo, existing, deepest);
    if (leadsTo === null || passed.some((path) => !own.has(path))) outward.add(destination);
    for (const path of passed) followers.set(path, [...(followers.get(path) ?? []), destination]);
  }
  // A link that is not made leaves the one that is there, and whoever leads through that leads out too. The set grows meanwhile.
  for (const path of outward) for (const follower of followers.get(path) ?? []) outward.add(follower);
  return outward;
}

function passedLinks(path: BytePath, existing: ReadonlyMap<BytePath, TreeEntry>, deepest: number): BytePath[] {
  if (deepest === 0) return [];
  const found: BytePath[] = [];
  const parts = path.split('/', deepest);
  for (let count = 1; count <= parts.length; count += 1) {
    const above = parts.slice(0, count).join('/') as BytePath;
    if (existing.get(above)?.type === 'link') found.push(above);
  }
  return found;
}
