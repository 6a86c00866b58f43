import { createHash } from 'node:crypto';
import { type BytePath, HERE, joinPath } from '../../instance/files/byte-path.js';
import { type Operation, PART_PREFIX } from '../../instance/files/operations.js';
import type { TreePlan } from './plan.js';
import type { PackedItem, Side } from './side.js';

/** Where files grow until they are whole: below the destination, so that a name is all that changes at the end. */
export interface Staging {
  /** Relative to the destination's base. */
  directory: BytePath;
  /** What an earlier try has left of large files: bytes in sight and bytes on the disk, by name. */
  parts: ReadonlyMap<BytePath, { size: number; allocatedBytes: number }>;
  /** What is of no use any more, relative to the destination's base. */
  stale: readonly BytePath[];
}

/** The same copy finds its own parts again, and no other copy does. */
export function stagingName(source: Side, plan: TreePlan): BytePath {
  const { sourceBase, destinationBase } = plan.tree;
  return `${PART_PREFIX}${digest([source.name, sourceBase, destinationBase]).slice(0, 12)}` as BytePath;
}

/** A source that has changed has another name, so what is left of an older one is never gone on with. */
export function partName({ source, destination }: PackedItem): BytePath {
  return digest([destination, source.size, source.mtimeNs]).slice(0, 24) as BytePath;
}

function digest(parts: readonly (string | number | bigint)[]): string {
  return createHash('sha256').update(parts.join('\0'), 'latin1').digest('hex');
}

export async function lookAtStaging(
  { source, destination, resume }: { source: Side; destination: Side; resume: boolean },
  plan: TreePlan,
): Promise<Staging> {
  const directory = stagingName(source, plan);
  const path = joinPath(plan.tree.destinationBase, directory);
  const { entries } = await destination.list([path], { deep: true });
  const wanted = new Set(resume ? plan.large.map(partName) : []);
  const parts = new Map<BytePath, { size: number; allocatedBytes: number }>();
  const stale: BytePath[] = [];
  for (const entry of entries.get(path) ?? []) {
    if (entry.path === HERE || entry.path.includes('/')) continue;
    if (entry.type === 'file' && entry.size > 0 && wanted.has(entry.path)) parts.set(entry.path, entry);
    else stale.push(joinPath(directory, entry.path));
  }
  return { directory, parts, stale };
}

/** After a copy that was stopped: keeps what the next one can go on with, and nothing else. */
export async function tidyStaging(sides: { source: Side; destination: Side }, plan: TreePlan): Promise<void> {
  const { directory, stale } = await lookAtStaging({ ...sides, resume: true }, plan);
  const operations: Operation[] = stale.map((path) => ({ do: 'remove', path }));
  await sides.destination.apply(plan.tree.destinationBase, [...operations, { do: 'rmdir', path: directory }]);
}
