import type { Clock } from '../../clock.js';
import type { ForgeError } from '../../errors.js';
import { type BytePath, HERE, joinPath } from '../../instance/files/byte-path.js';
import type { Operation } from '../../instance/files/operations.js';
import { type Job, JobQueue } from './job-queue.js';
import { largeFileJob } from './large-file-jobs.js';
import type { Meter } from './meter.js';
import { packJobs } from './pack-job.js';
import type { TreePlan } from './plan.js';
import { needsStaging, prepareTree } from './prepare-tree.js';
import { isLost } from './remote-runner.js';
import type { PackedItem, Problem, Side } from './side.js';
import type { Staging } from './staging.js';
import type { Way } from './way.js';

export interface TransferContext {
  source: Side;
  destination: Side;
  way: Way;
  meter: Meter;
  clock: Clock;
  signal: AbortSignal;
  /** Ends what the other lanes do. */
  stop: (reason: unknown) => void;
  /** Channels at a time. */
  lanes: number;
  /** Of a large file, for one lane. */
  leastShareBytes: number;
  /** Between machines the owners' numbers mean the same. */
  keepOwner: boolean;
  /** `readStagingKey` */
  stagingKey: string;
  /** Parts of an earlier try are used. */
  resume: boolean;
  onProblem: (path: BytePath, problem: Problem) => void;
  onLoss: (error: ForgeError) => void;
}

/** Losses of one job in a row without a byte in between. */
const MOST_LOSSES = 5;
const PAUSE_AFTER_LOSS_MS = 300;

export interface TreeTransfer {
  plan: TreePlan;
  staging: Staging;
  /** A directory to make first. */
  newDirectory: BytePath | null;
}

/** Brings one tree to the destination. What fails by itself is told and left; what stops everything is thrown. */
export async function transferTree(context: TransferContext, transfer: TreeTransfer): Promise<void> {
  const { plan, staging } = transfer;
  await prepareTree(context.destination, plan, transfer);
  const large = plan.large.map((item) => largeFileJob(context, { plan, staging, item }));
  await runJobs(context, [...large, ...packJobs(context, { plan, staging })]);
  await finishTree(context, transfer);
}

async function runJobs(context: TransferContext, jobs: readonly Job[]): Promise<void> {
  const queue = new JobQueue(jobs);
  let failure: { error: unknown } | null = null;
  const lane = async (from: 'front' | 'back'): Promise<void> => {
    for (let job = await queue.take(from); job !== null; job = await queue.take(from)) {
      let next: Job[] = [];
      try {
        if (failure === null) next = await job.run();
      } catch (error) {
        if (isLost(error) && mayGoOn(context, job, error)) {
          next = job.again();
          await context.clock.sleep(PAUSE_AFTER_LOSS_MS, context.signal).catch(() => {});
        } else if (failure === null) {
          failure = { error };
          context.stop(error);
        }
      }
      queue.finish(failure === null ? next : []);
    }
  };
  await Promise.all(Array.from({ length: context.lanes }, (_, index) => lane(index % 2 === 0 ? 'front' : 'back')));
  if (failure !== null) throw (failure as { error: unknown }).error;
}

function mayGoOn({ signal, onLoss }: TransferContext, job: Job, error: ForgeError): boolean {
  if (signal.aborted) return false;
  job.losses = job.movedBytes > 0 ? 1 : job.losses + 1;
  job.movedBytes = 0;
  if (job.losses > MOST_LOSSES) return false;
  onLoss(error);
  return true;
}

/** Names and attributes that can be set only when everything is in its place. */
async function finishTree(context: TransferContext, { plan, staging }: TreeTransfer): Promise<void> {
  const { destination, meter, onProblem } = context;
  const { destinationBase } = plan.tree;
  const links = plan.hardLinks.map(({ leader, destination: path }): Operation => ({ do: 'link', from: leader, path }));
  const operations: Operation[] = [...links, ...finishOperations(context, plan)];
  // Before the directories get their times.
  if (needsStaging(plan)) operations.unshift({ do: 'remove', path: staging.directory });
  const failed = await destination.apply(destinationBase, operations);
  meter.countFiles(links.length - failed.filter(({ index }) => operations[index]?.do === 'link').length);
  for (const { index, reason } of failed) {
    const path = joinPath(destinationBase, operations[index]?.path ?? HERE);
    onProblem(path, { kind: 'unwritable', detail: reason });
  }
}

function finishOperations({ keepOwner }: TransferContext, { tree, links, modes, directories }: TreePlan): Operation[] {
  const owned = (item: PackedItem): Operation[] =>
    keepOwner ? [{ do: 'chown', owner: item.source.owner, path: item.destination }] : [];
  const attributes = directories.filter(({ destination: path }) => path !== HERE || !tree.leavesBase).reverse();
  return [
    ...links.flatMap((item): Operation[] => [
      { do: 'symlink', target: item.source.target ?? HERE, path: item.destination },
      ...owned(item),
      { do: 'touch', mtimeNs: item.source.mtimeNs, path: item.destination },
    ]),
    ...modes.map(({ source: { mode }, destination: path }): Operation => ({ do: 'chmod', mode, path })),
    ...attributes.flatMap((item): Operation[] => [
      ...owned(item),
      { do: 'chmod', mode: item.source.mode, path: item.destination },
      { do: 'touch', mtimeNs: item.source.mtimeNs, path: item.destination },
    ]),
  ];
}
