import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { systemClock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import { quote } from '../instance/remote-command.js';
import { BoundedWay } from '../workflows/allowance.js';
import { NoWay } from '../workflows/copy/connection-pool.js';
import {
  type CopyOutcome,
  type CopyPlan,
  planCopy,
  runCopy,
  surveyDestination,
  tidyAfterStop,
} from '../workflows/copy/copy.js';
import { patternsOfFile, readExcludes } from '../workflows/copy/excludes.js';
import { LARGE_BYTES } from '../workflows/copy/plan.js';
import { type StagingOwner, stagingName } from '../workflows/copy/staging.js';
import type { Verify } from '../workflows/copy/verify.js';
import { FileLock } from '../workflows/file-lock.js';
import type { ForgeContext } from './context.js';
import { openEnds, parseEnds } from './copy-ends.js';
import { planTitle } from './copy-output.js';
import { createProgressTeller } from './copy-progress.js';
import { MOST_WARNINGS, type TransferWishes, transferContext } from './copy-transfer.js';

export interface CopyWishes {
  words: readonly string[];
  exclude: readonly string[];
  excludeFrom: string | null;
  noClobber: boolean;
  update: boolean;
  resume: boolean;
  followLinks: boolean;
  /** Links that lead out of what is copied are made, too. */
  links: boolean;
  verify: Verify;
  bwlimit: number | null;
  parallel: number | null;
  stallMs: number;
  sshKey: string | null;
  dryRun: boolean;
  events: boolean;
}

const TIDY_LIMIT_MS = 3000;

export interface CopyReport {
  plan: CopyPlan;
  /** What the hosts take for traffic, $/GB; null when it is not known. */
  trafficUsdPerGb: number | null;
  /** Null for a dry run. */
  outcome: CopyOutcome | null;
}

const LEFT_OUT: ReadonlySet<string> = new Set(['special', 'outward_link']);

/** Some things are left out by rule; anything else that is missing is a failure. */
export function isComplete({ plan, outcome }: CopyReport): boolean {
  if (outcome === null) return true;
  const failures = outcome.problems.filter(({ problem }) => !LEFT_OUT.has(problem.kind));
  return failures.length + outcome.mismatches.length + plan.complaints.length === 0;
}

/** From the words on the line to what was copied. */
export async function copyFiles(context: ForgeContext, wishes: CopyWishes): Promise<CopyReport> {
  const typed = parseEnds(wishes.words);
  // Buffers die young; room for more of them would be 30 MB that nobody needs.
  setFlagsFromString('--semi-space-growth-factor=1');
  const exclude = readExcludes([...wishes.exclude, ...(await patternsFrom(wishes.excludeFrom))]);
  const { signal: interrupted } = context.interruption;
  const failed = new AbortController();
  const signal = AbortSignal.any([interrupted, failed.signal]);
  // Every channel listens to it.
  setMaxListeners(0, signal);
  try {
    const ends = await openEnds(context, typed, { sshKey: wishes.sshKey, stallMs: wishes.stallMs, signal });
    try {
      const request = { sources: typed.sources, destination: typed.destination, onOneSide: ends.onOneSide };
      // This computer's links are its user's own.
      const mayLeadOut = ends.source.isLocal || wishes.links;
      const plan = await planCopy(
        ends,
        { ...request, exclude, followLinks: wishes.followLinks, mayNameLinks: mayLeadOut },
        {
          noClobber: wishes.noClobber,
          update: wishes.update,
          skipSame: wishes.resume,
          links: mayLeadOut ? 'all' : 'inside',
          largeBytes: LARGE_BYTES,
        },
      );
      for (const complaint of plan.complaints.slice(0, MOST_WARNINGS)) context.reporter.warn(`Not read: ${complaint}`);
      const { trafficUsdPerGb } = ends;
      if (wishes.dryRun) return { plan, trafficUsdPerGb, outcome: null };
      const { bwlimit, parallel, resume } = wishes;
      const { bytes } = plan.totals;
      const { stateDir } = context.paths;
      const stop = (why: unknown): void => failed.abort(why);
      const transfer = { ends, bytes, bwlimit, parallel, resume, stateDir, signal, stop };
      const outcome = await bring(context, { plan, transfer, events: wishes.events, verify: wishes.verify });
      return { plan, trafficUsdPerGb, outcome };
    } finally {
      ends.close();
    }
  } catch (error) {
    throw withLine(error instanceof NoWay ? error.cause : error);
  }
}

interface Bringing {
  plan: CopyPlan;
  transfer: TransferWishes;
  events: boolean;
  verify: Verify;
}

async function bring(context: ForgeContext, { plan, transfer, events, verify }: Bringing): Promise<CopyOutcome> {
  const { ends } = transfer;
  const reporter = await context.stageReporter(systemClock);
  const teller = createProgressTeller(reporter, { events, title: planTitle(plan) });
  const opened = transferContext(transfer, reporter, teller);
  const working = { ...opened, way: new BoundedWay(opened.way, plan) };
  const locks = lockAll(join(context.paths.stateDir, 'copies'), working, plan);
  try {
    const survey = await surveyDestination(working, plan);
    const outcome = await runCopy(working, { plan, survey, verify });
    teller.done();
    return outcome;
  } catch (error) {
    teller.failed();
    // Every end on an instance must still be there for that.
    if (ends.ways.every(({ runner }) => runner.relent(TIDY_LIMIT_MS))) await tidyAfterStop(working, plan);
    throw error;
  } finally {
    for (const lock of locks) lock.release();
  }
}

/** Two copies of the same to the same place would take each other's parts away. */
function lockAll(directory: string, owner: StagingOwner, plan: CopyPlan): FileLock[] {
  const locks: FileLock[] = [];
  for (const tree of plan.trees) {
    const taken = FileLock.tryTake(join(directory, `${stagingName(owner, tree)}.lock`), 'cp');
    if (taken instanceof FileLock) locks.push(taken);
    else {
      for (const lock of locks) lock.release();
      throw new ForgeError(`The same is being copied already, by process ${taken.pid} since ${taken.since}.`, {
        code: 'COPY_RUNS',
        exit: EXIT.conflict,
        hint: 'Wait until it has ended, or stop it.',
      });
    }
  }
  return locks;
}

async function patternsFrom(file: string | null): Promise<string[]> {
  if (file === null) return [];
  try {
    return patternsOfFile(await readFile(file, 'utf8'));
  } catch (error) {
    throw new ForgeError(`The patterns in ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}.`, {
      code: 'USAGE',
      exit: EXIT.usage,
      hint: 'Check the name after --exclude-from.',
      cause: error,
    });
  }
}

/** Who was interrupted is told how to go on. */
function withLine(error: unknown): unknown {
  const isStopped = error instanceof ForgeError && (error.exit === EXIT.interrupted || error.exit === EXIT.terminated);
  if (!isStopped) return error;
  const { code, exit, message } = error;
  return new ForgeError(`${message} What was copied before is whole.`, {
    code,
    exit,
    hint: `To go on where this stopped: forgectl ${quote(process.argv.slice(2))}`,
  });
}
