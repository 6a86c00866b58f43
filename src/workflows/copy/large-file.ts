import { type BytePath, joinPath } from '../../instance/files/byte-path.js';
import type { Operation } from '../../instance/files/operations.js';
import { mayHaveHoles, type Range, rangesBytes } from '../../instance/files/tree-entry.js';
import { isSameTime, isUnchanged } from './compare.js';
import type { TreePlan } from './plan.js';
import { diskFull, ShorterThanListed, systemCode, Unreadable } from './problems.js';
import { clip, cutRanges, splitForLanes } from './ranges.js';
import type { PackedItem, Problem } from './side.js';
import { partName, type Staging } from './staging.js';
import type { TransferContext } from './transfer.js';

export interface LargeWork {
  plan: TreePlan;
  staging: Staging;
  item: PackedItem;
}

/** What an earlier try has left is compared in pieces so much smaller than a share, or in a thousand pieces. */
const CHECKS_A_SHARE = 4;

/** One file that grows in ranges, by several lanes, until it is whole. */
export class LargeFile {
  readonly context: TransferContext;
  readonly from: BytePath;
  readonly part: BytePath;
  private readonly work: LargeWork;
  private openShares = 0;
  private countedBytes = 0;
  private problem: Problem | null = null;

  constructor(context: TransferContext, work: LargeWork) {
    this.context = context;
    this.work = work;
    const { sourceBase, destinationBase } = work.plan.tree;
    this.from = joinPath(sourceBase, work.item.source.path);
    this.part = joinPath(joinPath(destinationBase, work.staging.directory), partName(work.item));
  }

  get isGivenUp(): boolean {
    return this.problem !== null;
  }

  /** Gives the shares that are missing. */
  async prepare(): Promise<Range[][]> {
    const { source, meter, lanes, leastShareBytes } = this.context;
    const entry = this.work.item.source;
    const map = mayHaveHoles(entry) ? await source.map(this.from, entry) : [{ offset: 0, length: entry.size }];
    const partBytes = Math.min(entry.size, this.work.staging.parts.get(partName(this.work.item))?.size ?? 0);
    const grain = Math.max(leastShareBytes / CHECKS_A_SHARE, Math.ceil(entry.size / 1000 / 2 ** 20) * 2 ** 20);
    const missing = partBytes === 0 ? map : await this.findMissing(map, { grain, until: partBytes });
    const thereBytes = rangesBytes(map) - rangesBytes(missing);
    this.countedBytes = thereBytes;
    meter.count(thereBytes);
    const shares = splitForLanes(missing, lanes, leastShareBytes);
    this.openShares = shares.length;
    return shares;
  }

  /** The ranges whose bytes are not at the destination yet: nothing but the content tells that. */
  async findMissing(ranges: readonly Range[], { grain, until }: { grain: number; until: number }): Promise<Range[]> {
    const { source, destination } = this.context;
    const pieces = cutRanges(clip(ranges, 0, until), grain);
    const [wanted, there] = await Promise.all([
      source.hashRanges(this.from, pieces),
      destination.hashRanges(this.part, pieces),
    ]);
    const missing = pieces.filter((_, index) => wanted[index] === null || wanted[index] !== there[index]);
    return [...missing, ...clip(ranges, until, Number.POSITIVE_INFINITY)];
  }

  async bring(ranges: readonly Range[], onBytes: (bytes: number) => void): Promise<void> {
    await this.context.way.bringRanges({ from: this.from, to: this.part, ranges }, (bytes) => {
      this.countedBytes += bytes;
      onBytes(bytes);
    });
  }

  uncount(bytes: number): void {
    this.countedBytes -= bytes;
    this.context.meter.count(-bytes);
  }

  /** True when it was the last. */
  shareDone(): boolean {
    this.openShares -= 1;
    return this.openShares === 0;
  }

  /** Moved to its name when the source is still what it was listed as. */
  async finish(): Promise<void> {
    const { item, plan } = this.work;
    const { destination, keepOwner, meter } = this.context;
    const problem = this.problem ?? (await this.findChange());
    if (problem !== null) return this.giveUp(problem);
    const base = plan.tree.destinationBase;
    const path = joinPath(this.work.staging.directory, partName(item));
    const { size, mode, mtimeNs, owner } = item.source;
    const operations: Operation[] = [
      { do: 'truncate', size, path },
      ...(keepOwner ? [{ do: 'chown', owner, path } as const] : []),
      { do: 'chmod', mode, path },
      { do: 'touch', mtimeNs, path },
      { do: 'rename', from: path, path: item.destination },
    ];
    const last = (await destination.apply(base, operations)).at(-1);
    // The answer to an earlier try may have been lost: then the file is in its place already.
    if (last !== undefined && !(await this.isInPlace())) await this.giveUp({ kind: 'unwritable', detail: last.reason });
    else meter.countFiles(1);
  }

  /** A failure that concerns this file alone; anything else is thrown again. */
  async judge(error: unknown): Promise<void> {
    const code = systemCode(error);
    const isOwn = error instanceof ShorterThanListed || error instanceof Unreadable || code !== null;
    if (!isOwn || this.context.signal.aborted) throw error;
    if (code === 'ENOSPC' || code === 'EDQUOT') throw diskFull(this.context.destination.name);
    const kind = code !== null && this.context.destination.isLocal ? 'unwritable' : 'unreadable';
    this.problem = (await this.findChange()) ?? { kind, detail: code ?? (error as Error).message };
  }

  private async isInPlace(): Promise<boolean> {
    const { plan, item } = this.work;
    const path = joinPath(plan.tree.destinationBase, item.destination);
    const { entries } = await this.context.destination.list([path], { deep: false });
    const [entry] = entries.get(path) ?? [];
    return entry?.size === item.source.size && isSameTime(entry.mtimeNs, item.source.mtimeNs);
  }

  private async findChange(): Promise<Problem | null> {
    const { entries } = await this.context.source.list([this.from], { deep: false });
    const [now] = entries.get(this.from) ?? [];
    if (now === undefined) return { kind: 'vanished', detail: null };
    return isUnchanged(this.work.item.source, now) ? null : { kind: 'changed', detail: null };
  }

  private async giveUp(problem: Problem): Promise<void> {
    const { plan, item, staging } = this.work;
    const { destination, onProblem } = this.context;
    this.uncount(this.countedBytes);
    const path = joinPath(staging.directory, partName(item));
    await destination.apply(plan.tree.destinationBase, [{ do: 'remove', path }]);
    onProblem(joinPath(plan.tree.destinationBase, item.destination), problem);
  }
}
