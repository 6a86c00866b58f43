import { type BytePath, HERE, joinPath } from '../../instance/files/byte-path.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';
import { inPool } from '../in-pool.js';
import { compareEntries, type Mismatch } from './compare.js';
import type { TreePlan } from './plan.js';
import { isLost } from './remote-runner.js';
import type { PackedItem } from './side.js';
import type { TransferContext } from './transfer.js';

/** fast: what a listing shows. full: the content too. */
export type Verify = 'none' | 'fast' | 'full';

interface VerifyRequest {
  plan: TreePlan;
  /** Absolute paths at the destination that were told of already. */
  failed: ReadonlySet<BytePath>;
  verify: Verify;
}

/** Looks at the destination anew and compares every path that was to be there. */
export async function verifyTree(context: TransferContext, request: VerifyRequest): Promise<Mismatch[]> {
  const { plan, verify } = request;
  const { destinationBase, leavesBase } = plan.tree;
  const items = itemsToCompare(request);
  const copies = await listCopies(context, plan, items);
  const mismatches: Mismatch[] = [];
  const alike: PackedItem[] = [];
  for (const item of items) {
    if (item.destination === HERE && leavesBase) continue;
    const found = compareEntries(item.source, copies.get(item.destination));
    const path = joinPath(destinationBase, item.destination);
    mismatches.push(...found.map((mismatch) => ({ ...mismatch, path })));
    if (found.every(({ what }) => what === 'mode' || what === 'mtime')) alike.push(item);
  }
  if (verify !== 'full') return mismatches;
  return [...mismatches, ...(await compareContents(context, plan, alike))];
}

/** What was left as it is on purpose is no copy. */
function itemsToCompare({ plan, failed }: VerifyRequest): PackedItem[] {
  const { tree, skipped } = plan;
  const left = new Set(skipped.filter(({ reason }) => reason !== 'same').map(({ destination }) => destination));
  const blocked = [...failed];
  return tree.pairs.filter(({ source, destination }) => {
    if (source.type === 'other' || left.has(destination)) return false;
    const path = joinPath(tree.destinationBase, destination);
    return !failed.has(path) && !blocked.some((above) => path.startsWith(`${above}/`));
  });
}

async function listCopies(
  { destination }: TransferContext,
  { tree }: TreePlan,
  items: readonly PackedItem[],
): Promise<Map<BytePath, TreeEntry>> {
  const isOneTree = tree.pairs.some((pair) => pair.destination === HERE);
  const base = tree.destinationBase;
  if (isOneTree) {
    const { entries } = await destination.list([base], { deep: true });
    return new Map((entries.get(base) ?? []).map((entry) => [entry.path, entry]));
  }
  const { entries } = await destination.list(
    items.map((item) => joinPath(base, item.destination)),
    { deep: false },
  );
  return new Map(
    items.flatMap((item) => {
      const entry = entries.get(joinPath(base, item.destination))?.[0];
      return entry === undefined ? [] : [[item.destination, entry] as const];
    }),
  );
}

const MOST_FILES = 500;
const MOST_BYTES = 256 * 1024 * 1024;

/** Both sides hash at the same time, several lists at once. */
async function compareContents(
  context: TransferContext,
  plan: TreePlan,
  items: readonly PackedItem[],
): Promise<Mismatch[]> {
  const files = items.filter(({ source }) => source.type === 'file');
  context.meter.begin('comparing', {
    files: files.length,
    bytes: files.reduce((sum, { source }) => sum + source.size, 0),
  });
  const found = await inPool(batchesOf(files), Math.min(context.lanes, 4), (batch) =>
    compareBatch(context, plan, batch),
  );
  return found.flat();
}

function batchesOf(items: readonly PackedItem[]): PackedItem[][] {
  const batches: PackedItem[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of items) {
    if (bytes + item.source.size > MOST_BYTES || (batches.at(-1)?.length ?? 0) >= MOST_FILES) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(item);
    bytes += item.source.size;
  }
  return batches;
}

async function compareBatch(
  context: TransferContext,
  plan: TreePlan,
  batch: readonly PackedItem[],
): Promise<Mismatch[]> {
  const { source, destination, meter } = context;
  const { sourceBase, destinationBase } = plan.tree;
  const copies = batch.map((item) => ({ ...item.source, path: item.destination }));
  const [one, other] = await Promise.all([
    again(() =>
      source.hashFiles(
        sourceBase,
        batch.map((item) => item.source),
        (bytes) => meter.move(bytes),
      ),
    ),
    again(() => destination.hashFiles(destinationBase, copies, () => {})),
  ]);
  meter.countFiles(batch.length);
  return batch.flatMap((item, index): Mismatch[] => {
    const [wanted, found] = [one[index] ?? null, other[index] ?? null];
    if (wanted !== null && wanted === found) return [];
    const path = joinPath(destinationBase, item.destination);
    return [{ path, what: 'content', source: wanted ?? 'cannot be read', destination: found }];
  });
}

const TRIES = 4;

async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isLost(error) || tries >= TRIES) throw error;
    }
  }
}
