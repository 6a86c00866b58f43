import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { nextRunMs, type ScheduledJob } from '../../vast/job-calendar.js';
import type { NewScheduledJob } from '../../vast/scheduled-jobs.js';
import type { LimitAction } from './limit-time.js';

export interface LimitDependencies {
  listJobs(): Promise<ScheduledJob[]>;
  /** `takenBy` is the job that is in the way; then nothing was made. */
  createJob(job: NewScheduledJob): Promise<{ takenBy: number | null }>;
  updateJob(id: number, job: NewScheduledJob): Promise<unknown>;
  removeJob(id: number): Promise<void>;
  clock: Clock;
}

/** What will end a machine, and when. */
export interface Limit {
  jobId: number;
  action: LimitAction;
  atMs: number;
}

/** The job that will stop or destroy the instance next; null when none will. */
export function limitOf(jobs: readonly ScheduledJob[], instanceId: number, nowMs: number): Limit | null {
  const found = limitJobs(jobs, instanceId).flatMap((job): Limit[] => {
    const atMs = nextRunMs(job, nowMs);
    return atMs === null || job.action === null || job.action === 'start'
      ? []
      : [{ jobId: job.id, action: job.action, atMs }];
  });
  return found.sort((one, other) => one.atMs - other.atMs)[0] ?? null;
}

/** Jobs that stop or destroy the instance, also those that have done so. */
export function limitJobs(jobs: readonly ScheduledJob[], instanceId: number): ScheduledJob[] {
  return jobs.filter((job) => job.instanceId === instanceId && (job.action === 'stop' || job.action === 'destroy'));
}

/**
 * Writes the limit as a job of the platform, which works without this computer, and reads it back: a limit that is not
 * proved to be there is worse than none. What limited the instance before is replaced. Harmless twice.
 */
export async function setLimit(
  deps: LimitDependencies,
  instanceId: number,
  { atMs, action }: { atMs: number; action: LimitAction },
): Promise<Limit> {
  const wanted = { instanceId, action, atMs };
  const [first, ...others] = limitJobs(await deps.listJobs(), instanceId);
  if (first === undefined) await create(deps, wanted);
  else if (!isSame(first, wanted, deps.clock.now())) await unlessAnswered(deps.updateJob(first.id, wanted));
  for (const { id } of others) await deps.removeJob(id);
  return readBack(deps, wanted);
}

/** Takes every limit of an instance away, and reads back that none is left. Returns the jobs that were there. */
export async function clearLimit(
  deps: Pick<LimitDependencies, 'listJobs' | 'removeJob'>,
  instanceId: number,
): Promise<ScheduledJob[]> {
  const jobs = limitJobs(await deps.listJobs(), instanceId);
  if (jobs.length === 0) return [];
  for (const { id } of jobs) await deps.removeJob(id);
  const [left] = limitJobs(await deps.listJobs(), instanceId);
  if (left === undefined) return jobs;
  throw new ForgeError(`The limit of instance ${instanceId} was taken away, but is still there.`, {
    code: 'LIMIT_NOT_CLEARED',
    exit: EXIT.apiFailed,
    hint: `Try again: forgectl limit ${instanceId} --clear`,
    details: { instance_id: instanceId, job_id: left.id },
  });
}

/** After an instance is gone its jobs are only litter. Never fails; returns the reason when some may be left. */
export async function sweepJobs(
  deps: Pick<LimitDependencies, 'listJobs' | 'removeJob'>,
  instanceId: number,
): Promise<ForgeError | null> {
  try {
    const jobs = await deps.listJobs();
    for (const { id } of jobs.filter((job) => job.instanceId === instanceId)) await deps.removeJob(id);
    return null;
  } catch (error) {
    if (error instanceof ForgeError) return error;
    throw error;
  }
}

/** The list was read a moment ago, so a job in the way is new, or somebody's for another purpose. */
async function create(deps: LimitDependencies, wanted: NewScheduledJob): Promise<void> {
  const { takenBy } = (await unlessAnswered(deps.createJob(wanted))) ?? { takenBy: null };
  if (takenBy === null) return;
  const other = (await deps.listJobs()).find(({ id }) => id === takenBy);
  if (other !== undefined && (other.action === 'stop' || other.action === 'destroy')) {
    await unlessAnswered(deps.updateJob(takenBy, wanted));
    return;
  }
  throw new ForgeError(
    `The platform keeps one scheduled job for an instance, and instance ${wanted.instanceId} has another one: job ${takenBy}${other?.action === 'start' ? ', which starts it' : ''}.`,
    {
      code: 'LIMIT_CONFLICT',
      exit: EXIT.conflict,
      hint: `Take it away first: vastai delete scheduled-job ${takenBy}`,
      details: { instance_id: wanted.instanceId, job_id: takenBy },
    },
  );
}

/** A write without an answer may have been carried out: reading back tells. */
async function unlessAnswered<T>(write: Promise<T>): Promise<T | null> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof ForgeError && (error as { outcomeUnknown?: boolean }).outcomeUnknown === true) return null;
    throw error;
  }
}

const LOOKS = 3;
const LOOK_EVERY_MS = 2_000;

async function readBack(deps: LimitDependencies, wanted: NewScheduledJob): Promise<Limit> {
  for (let look = 0; look < LOOKS; look += 1) {
    if (look > 0) await deps.clock.sleep(LOOK_EVERY_MS);
    const jobs = limitJobs(await deps.listJobs(), wanted.instanceId);
    const [only, ...others] = jobs;
    if (only !== undefined && others.length === 0 && isSame(only, wanted, deps.clock.now()))
      return { jobId: only.id, action: wanted.action, atMs: wanted.atMs };
  }
  throw new ForgeError('The limit was accepted by the platform, but does not read back.', {
    code: 'LIMIT_NOT_SET',
    exit: EXIT.apiFailed,
    hint: 'Without --max-lifetime and --max-spend nothing ends the machine but you.',
    details: { instance_id: wanted.instanceId },
  });
}

/** It will act at that hour, and at no other. */
function isSame(job: ScheduledJob, wanted: NewScheduledJob, nowMs: number): boolean {
  return (
    job.action === wanted.action &&
    job.frequency === 'WEEKLY' &&
    nextRunMs(job, nowMs) === wanted.atMs &&
    nextRunMs(job, wanted.atMs + 1) === null
  );
}
