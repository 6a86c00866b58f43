import { type BytePath, HERE, joinPath } from '../../../instance/files/byte-path.js';
import type { TreeEntry } from '../../../instance/files/tree-entry.js';
import { compareEntries } from '../../copy/compare.js';
import type { TreePlan } from '../../copy/plan.js';
import type { PackedItem, Side } from '../../copy/side.js';
import type { Carried, Pass, Transport } from '../transport.js';
import { type Look, WatchedCopy, type WatchedCopyDependencies } from './watched-copy.js';

/** Less than this is sooner brought the other way than the status bar tells of it. */
const WORTH_BYTES = 16 * 1024 * 1024;

export interface PlatformCopyOptions extends Omit<WatchedCopyDependencies, 'onStatus'> {
  /** Brings what is left when most is there: what changed meanwhile, and attributes of directories. */
  rest: Transport;
  worthBytes?: number;
  /** Whose copies `tidy` cancels. */
  destinationId: number;
  /** So long without a change is a hang; the clock's time. */
  stallMs?: number;
}

/** The platform's copy service as a way for a migration. It brings whole trees, stopped machines' too, and says nothing of its end. */
export class PlatformCopy implements Transport {
  readonly name = 'api';
  private readonly options: PlatformCopyOptions;

  constructor(options: PlatformCopyOptions) {
    this.options = options;
  }

  async carry(pass: Pass): Promise<Carried> {
    const { source, destination, context, plan } = pass;
    if (plan.totals.bytes < (this.options.worthBytes ?? WORTH_BYTES)) return this.options.rest.carry(pass);
    const copy = new WatchedCopy({ ...this.options, onStatus: (text) => pass.onDetail(text) });
    const { stallMs } = this.options;
    await copy.run({
      sourceId: source.instanceId,
      destinationId: destination.instanceId,
      sourcePath: source.path,
      destinationPath: destination.path,
      look: () => look(pass),
      signal: context.signal,
      ...(stallMs === undefined ? {} : { stallMs }),
    });
    return { movedBytes: null, problems: [] };
  }

  /** Nothing of it lies on a machine; but one that another process has begun may still be at work. */
  async tidy(): Promise<void> {
    await this.options.copies.cancel(this.options.destinationId);
  }
}

/** What has come of the plan. Where the source has changed since, whatever came of it will do: it is compared again later. */
async function look(pass: Pass): Promise<Look> {
  const { plan, context } = pass;
  let bytes = 0;
  let isComplete = true;
  for (const tree of plan.trees) {
    const there = await listBelow(context.destination, tree.tree.destinationBase);
    for (const { size } of there.values()) bytes += size;
    const missing = itemsOf(tree).filter((item) => !isThere(item.source, there.get(item.destination)));
    if (missing.length > 0 && !(await haveChanged(context.source, tree, missing, there))) isComplete = false;
  }
  return { isComplete, bytes, freeBytes: await freeBytesOf(pass) };
}

async function freeBytesOf({ plan, context }: Pass): Promise<number | null> {
  const [first] = plan.trees;
  if (first === undefined) return null;
  return context.destination.space(first.tree.destinationBase).then(
    ({ freeBytes }) => freeBytes,
    () => null,
  );
}

function itemsOf({ small, large, links, hardLinks }: TreePlan): PackedItem[] {
  return [...small, ...large, ...links, ...hardLinks];
}

async function listBelow(side: Side, base: BytePath): Promise<Map<BytePath, TreeEntry>> {
  const { entries } = await side.list([base], { deep: true });
  return new Map((entries.get(base) ?? []).map((entry) => [entry.path || HERE, entry]));
}

/** Modes come last, and are nobody's business here. */
function isThere(source: TreeEntry, copy: TreeEntry | undefined): boolean {
  return compareEntries(source, copy).every(({ what }) => what === 'mode');
}

async function haveChanged(
  source: Side,
  { tree }: TreePlan,
  items: readonly PackedItem[],
  there: ReadonlyMap<BytePath, TreeEntry>,
): Promise<boolean> {
  const pathOf = (item: PackedItem): BytePath => joinPath(tree.sourceBase, item.source.path);
  const { entries } = await source.list(items.map(pathOf), { deep: false });
  return items.every((item) => {
    const now = entries.get(pathOf(item))?.[0];
    return now === undefined || (!isThere(item.source, now) && there.has(item.destination));
  });
}
