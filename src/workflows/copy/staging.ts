import { createHash, createHmac, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

/**
 * The same copy finds its own parts again, and no other copy does. `key` is this user's secret: whoever could guess the name
 * could put a link there before.
 */
export function stagingName({ source, stagingKey }: StagingOwner, plan: TreePlan): BytePath {
  const { sourceBase, destinationBase } = plan.tree;
  const name = createHmac('sha256', stagingKey).update([source.name, sourceBase, destinationBase].join('\0'), 'latin1');
  return `${PART_PREFIX}${name.digest('hex').slice(0, 24)}` as BytePath;
}

/** What the names of staging folders are made from. */
export interface StagingOwner {
  source: Side;
  /** `readStagingKey` */
  stagingKey: string;
}

/** Made at first need, and the same from then on: 32 random bytes in a file of this user's own. */
export function readStagingKey(stateDir: string): string {
  const directory = join(stateDir, 'copies');
  const file = join(directory, 'staging-key');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (;;) {
    const key = read(file);
    if (/^[0-9a-f]{64}$/u.test(key)) return key;
    // One that was damaged makes room; of several processes that make one, the first is right.
    if (key !== '') rmSync(file, { force: true });
    const draft = `${file}.${randomBytes(8).toString('hex')}`;
    writeFileSync(draft, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx', flush: true });
    try {
      linkSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** A source that has changed has another name, so what is left of an older one is never gone on with. */
export function partName({ source, destination }: PackedItem): BytePath {
  return digest([destination, source.size, source.mtimeNs]).slice(0, 24) as BytePath;
}

function digest(parts: readonly (string | number | bigint)[]): string {
  return createHash('sha256').update(parts.join('\0'), 'latin1').digest('hex');
}

export async function lookAtStaging(
  { destination, resume, ...owner }: StagingOwner & { destination: Side; resume: boolean },
  plan: TreePlan,
): Promise<Staging> {
  const directory = stagingName(owner, plan);
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
export async function tidyStaging(sides: StagingOwner & { destination: Side }, plan: TreePlan): Promise<void> {
  const { directory, stale } = await lookAtStaging({ ...sides, resume: true }, plan);
  const operations: Operation[] = stale.map((path) => ({ do: 'remove', path }));
  await sides.destination.apply(plan.tree.destinationBase, [...operations, { do: 'rmdir', path: directory }]);
}
