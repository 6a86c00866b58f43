import { type BytePath, joinPath } from '../../instance/files/byte-path.js';
import type { Job } from './job-queue.js';
import type { TreePlan } from './plan.js';
import type { PackedItem } from './side.js';
import type { Staging } from './staging.js';
import type { TransferContext } from './transfer.js';

const MOST_BYTES = 32 * 1024 * 1024;
const LEAST_BYTES = 4 * 1024 * 1024;
const MOST_FILES = 2000;
const LEAST_FILES = 500;

interface PackWork {
  plan: TreePlan;
  staging: Staging;
}

/** Packs large enough to be worth a channel, and enough of them to keep every lane busy. */
export function packJobs(context: TransferContext, work: PackWork): Job[] {
  const { small } = work.plan;
  const shares = context.lanes * 2;
  const total = small.reduce((sum, { source }) => sum + source.size, 0);
  const mostBytes = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, total / shares));
  const mostFiles = Math.min(MOST_FILES, Math.max(LEAST_FILES, small.length / shares));
  const packs: PackedItem[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const item of small) {
    if (bytes + item.source.size > mostBytes || (packs.at(-1)?.length ?? 0) >= mostFiles) {
      packs.push([]);
      bytes = 0;
    }
    packs.at(-1)?.push(item);
    bytes += item.source.size;
  }
  return packs.map((items) => new PackJob(context, work, items));
}

let packs = 0;

class PackJob implements Job {
  movedBytes = 0;
  losses = 0;
  private readonly context: TransferContext;
  private readonly work: PackWork;
  private readonly items: readonly PackedItem[];

  constructor(context: TransferContext, work: PackWork, items: readonly PackedItem[]) {
    this.context = context;
    this.work = work;
    this.items = items;
  }

  async run(): Promise<Job[]> {
    const { way, meter, keepOwner, onProblem } = this.context;
    const { sourceBase, destinationBase } = this.work.plan.tree;
    packs += 1;
    const aside = joinPath(this.work.staging.directory, `pack-${packs}` as BytePath);
    let countedBytes = 0;
    const onBytes = (bytes: number): void => {
      countedBytes += bytes;
    };
    try {
      const place = { base: destinationBase, aside, keepOwner };
      const problems = await way.bringPack({ sourceBase, place, items: this.items }, onBytes);
      for (const [index, problem] of problems) {
        const item = this.items[index];
        if (item !== undefined) onProblem(joinPath(destinationBase, item.destination), problem);
      }
      meter.countFiles(this.items.length - problems.size);
      return [];
    } catch (error) {
      meter.count(-countedBytes);
      throw error;
    }
  }

  /** Halves come through where a whole is always cut. */
  again(): Job[] {
    if (this.items.length < 2) return [this];
    const middle = Math.ceil(this.items.length / 2);
    return [this.items.slice(0, middle), this.items.slice(middle)].map((items) => {
      const half = new PackJob(this.context, this.work, items);
      half.losses = this.losses;
      return half;
    });
  }
}
