import { EXIT, ForgeError } from '../../errors.js';
import { type BytePath, HERE, parentOf } from '../../instance/files/byte-path.js';
import type { Mismatch } from './compare.js';
import { planTree, type TreePlan, type Wishes } from './plan.js';
import type { Problem, Side } from './side.js';
import { lookAtStaging, type Staging, type StagingOwner, tidyStaging } from './staging.js';
import { type TransferContext, transferTree } from './transfer.js';
import { type CopyRequest, type Gathered, gatherTrees } from './trees.js';
import { type Verify, verifyTree } from './verify.js';

export interface CopyPlan {
  /** How the destination's paths are shown. */
  show: (path: BytePath) => string;
  trees: TreePlan[];
  newDirectory: BytePath | null;
  complaints: string[];
  totals: { files: number; directories: number; links: number; bytes: number; skipped: number; replaced: number };
}

export interface CopyOutcome {
  files: number;
  /** What went over the wire. */
  movedBytes: number;
  elapsedMs: number;
  problems: { path: BytePath; problem: Problem }[];
  mismatches: Mismatch[];
}

/** Looks at both sides; changes nothing. */
export async function planCopy(
  { source, destination }: { source: Side; destination: Side },
  request: CopyRequest,
  wishes: Wishes,
): Promise<CopyPlan> {
  const { trees, newDirectory, complaints }: Gathered = await gatherTrees(source, destination, request);
  const plans = trees.map((tree) => planTree(tree, wishes));
  const sum = (count: (plan: TreePlan) => number): number => plans.reduce((total, plan) => total + count(plan), 0);
  return {
    show: (path) => destination.show(path),
    trees: plans,
    newDirectory,
    complaints,
    totals: {
      files: sum(({ small, large, hardLinks }) => small.length + large.length + hardLinks.length),
      directories: sum(({ directories }) => directories.length),
      links: sum(({ links }) => links.length),
      bytes: sum(({ bytes }) => bytes),
      skipped: sum(({ skipped }) => skipped.length),
      replaced: sum(({ replaced }) => replaced),
    },
  };
}

/** Left free, so that a copy does not fill a disk that other programs write on. */
const MARGIN_BYTES = 16 * 1024 * 1024;

/** What the destination says before the first byte comes. */
export interface Survey {
  stagings: Staging[];
}

/** Is there room for all of it, less what an earlier try has left there? */
export async function surveyDestination(context: TransferContext, plan: CopyPlan): Promise<Survey> {
  const { destination } = context;
  const stagings = await Promise.all(
    plan.trees.map(async (tree) => {
      const [{ freeBytes, freeFiles }, staging] = await Promise.all([
        destination.space(nearestDirectory(plan, tree)),
        lookAtStaging(context, tree),
      ]);
      const thereBytes = [...staging.parts.values()].reduce((sum, part) => sum + part.allocatedBytes, 0);
      const neededBytes = tree.bytes - thereBytes;
      const names = tree.small.length + tree.large.length + tree.links.length + tree.directories.length;
      if (neededBytes > 0 && neededBytes + MARGIN_BYTES > freeBytes) throw noRoom(destination, neededBytes, freeBytes);
      if (freeFiles > 0 && names > freeFiles) throw noRoomForFiles(destination, names, freeFiles);
      return staging;
    }),
  );
  return { stagings };
}

function nearestDirectory({ newDirectory }: CopyPlan, { tree }: TreePlan): BytePath {
  if (newDirectory !== null) return parentOf(newDirectory);
  return tree.leavesBase || tree.existing.has(HERE) ? tree.destinationBase : parentOf(tree.destinationBase);
}

export interface CopyWork {
  plan: CopyPlan;
  survey: Survey;
  verify: Verify;
}

/** Copies, and compares afterwards. Problems of single files are told at the end; what stops everything is thrown. */
export async function runCopy(context: TransferContext, { plan, survey, verify }: CopyWork): Promise<CopyOutcome> {
  const problems = plan.trees.flatMap((tree) => tree.problems);
  for (const { path, problem } of problems) context.onProblem(path, problem);
  const collecting: TransferContext = {
    ...context,
    onProblem: (path, problem) => {
      problems.push({ path, problem });
      context.onProblem(path, problem);
    },
  };
  const { meter, clock } = context;
  const { newDirectory } = plan;
  const startedMs = clock.now();
  meter.begin('copying', plan.totals);
  for (const [index, tree] of plan.trees.entries())
    await transferTree(collecting, { plan: tree, staging: survey.stagings[index] as Staging, newDirectory });
  const copied = { files: meter.files, movedBytes: meter.movedBytes, elapsedMs: clock.now() - startedMs };
  const mismatches: Mismatch[] = [];
  const failed = new Set(problems.map(({ path }) => path));
  if (verify !== 'none')
    for (const tree of plan.trees) mismatches.push(...(await verifyTree(context, { plan: tree, failed, verify })));
  return { ...copied, problems, mismatches };
}

/** Where a copy was stopped. What cannot be tidied now is tidied by the next copy of the same. */
export async function tidyAfterStop(sides: StagingOwner & { destination: Side }, plan: CopyPlan): Promise<void> {
  for (const tree of plan.trees) await tidyStaging(sides, tree).catch(() => {});
}

function noRoom({ name }: Side, neededBytes: number, freeBytes: number): ForgeError {
  return new ForgeError(`There is no room on ${name}: ${mb(neededBytes)} needed, ${mb(freeBytes)} free.`, {
    code: 'DISK_FULL',
    exit: EXIT.notReady,
    hint: 'Nothing was copied. Make room, or leave something out with --exclude.',
    details: { needed_bytes: neededBytes, free_bytes: freeBytes },
  });
}

function noRoomForFiles({ name }: Side, needed: number, free: number): ForgeError {
  return new ForgeError(`The disk of ${name} takes ${free} more files, and ${needed} are to be copied.`, {
    code: 'DISK_FULL',
    exit: EXIT.notReady,
    hint: 'Nothing was copied. Leave something out with --exclude.',
    details: { needed_files: needed, free_files: free },
  });
}

function mb(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`;
}
