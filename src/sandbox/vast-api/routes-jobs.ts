import type { Contract, ScheduledJob, World } from '../world.js';
import { type Answer, ok, type Route, refuse } from './answers.js';
import type { Contracts } from './contracts.js';

const HOUR_MS = 3_600_000;
const HOURS_A_WEEK = 168;
const path = '/api/v0/commands/schedule_job/';

/** Scheduled jobs (vast-api 11): one for an instance and an endpoint; a second one is refused with the id of the first. */
export function jobRoutes(world: World): Route[] {
  return [
    { method: 'GET', path, scope: 'instance_read', handle: () => ok(world.state.jobs.map(jobRow)) },
    {
      method: 'POST',
      path,
      scope: 'instance_write',
      handle: ({ body }) => {
        const wrong = problemOf(body);
        if (wrong !== null) return wrong;
        const instanceId = Number(body['instance_id']);
        const taken = world.state.jobs.find(
          (job) => job.instanceId === instanceId && job.path === body['api_endpoint'],
        );
        if (taken !== undefined) return refuse(422, 'exists', 'A scheduled job exists', { scheduled_job_id: taken.id });
        if (world.find(instanceId) === undefined) return refuse(404, 'no_such_instance', 'Instance not found.');
        const job = jobOf(body, { id: world.newId(), instanceId, seenMs: world.now(), lastRunMs: null });
        world.state.jobs.push(job);
        world.save();
        return ok({ success: true, scheduled_job_id: job.id });
      },
    },
    {
      method: 'PUT',
      path: `${path}{id}/`,
      scope: 'instance_write',
      handle: ({ params, body }) => {
        const at = world.state.jobs.findIndex(({ id }) => String(id) === params['id']);
        const former = world.state.jobs[at];
        if (former === undefined) return refuse(404, 'not_found', 'There is no such scheduled job.');
        const merged = { ...jobRow(former), ...body };
        const wrong = problemOf(merged);
        if (wrong !== null) return wrong;
        world.state.jobs[at] = jobOf(merged, { ...former, seenMs: world.now() });
        world.save();
        return ok({ success: true, scheduled_job_id: former.id });
      },
    },
    {
      method: 'DELETE',
      path: `${path}{id}/`,
      scope: 'instance_write',
      handle: ({ params }) => {
        const left = world.state.jobs.filter(({ id }) => String(id) !== params['id']);
        if (left.length === world.state.jobs.length) return refuse(404, 'not_found', 'There is no such scheduled job.');
        world.state.jobs = left;
        world.save();
        return ok({ success: true });
      },
    },
  ];
}

/** What the calendar needs: hourly nothing, daily the hour, weekly day and hour. */
function problemOf(body: Record<string, unknown>): Answer | null {
  const { frequency, day_of_the_week: day, hour_of_the_day: hour, start_time: start, end_time: end } = body;
  const hasDay = Number.isInteger(day) && Number(day) >= 0 && Number(day) <= 6;
  const hasHour = Number.isInteger(hour) && Number(hour) >= 0 && Number(hour) <= 23;
  const none = (value: unknown): boolean => value === null || value === undefined;
  const fits =
    (frequency === 'HOURLY' && none(day) && none(hour)) ||
    (frequency === 'DAILY' && none(day) && hasHour) ||
    (frequency === 'WEEKLY' && hasDay && hasHour);
  if (!fits) return refuse(400, 'invalid_args', 'Invalid frequency, day_of_the_week or hour_of_the_day');
  if (typeof start !== 'number' || (!none(end) && Number(end) <= start))
    return refuse(400, 'invalid_args', 'start_time must be before end_time');
  return null;
}

function jobOf(
  body: Record<string, unknown>,
  kept: Pick<ScheduledJob, 'id' | 'instanceId' | 'seenMs' | 'lastRunMs'>,
): ScheduledJob {
  const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null);
  const end = numberOrNull(body['end_time']);
  return {
    id: kept.id,
    instanceId: kept.instanceId,
    startMs: Number(body['start_time']) * 1000,
    endMs: end === null ? null : end * 1000,
    frequency: String(body['frequency']),
    day: numberOrNull(body['day_of_the_week']),
    hour: numberOrNull(body['hour_of_the_day']),
    method: String(body['request_method']),
    path: String(body['api_endpoint']),
    body: (body['request_body'] ?? {}) as Record<string, unknown>,
    seenMs: kept.seenMs,
    lastRunMs: kept.lastRunMs,
  };
}

function jobRow(job: ScheduledJob): Record<string, unknown> {
  return {
    id: job.id,
    instance_id: job.instanceId,
    start_time: job.startMs / 1000,
    end_time: job.endMs === null ? null : job.endMs / 1000,
    api_endpoint: job.path,
    request_method: job.method,
    request_body: job.body,
    frequency: job.frequency,
    day_of_the_week: job.day,
    hour_of_the_day: job.hour,
    min_of_the_hour: 0,
    last_executed_around: job.lastRunMs === null ? null : job.lastRunMs / 1000,
    status: 'PENDING',
  };
}

/**
 * What is due is done, as if its call had been sent: the guards of a launch must really fire. At minute 0 of the hours that
 * the calendar names, whatever `start_time` says: others have seen the live platform run an hourly job hours before it.
 */
export function runDueJobs(world: World, contracts: Contracts): void {
  const now = world.now();
  for (const job of [...world.state.jobs]) {
    const dueMs = lastDueMs(job, now);
    job.seenMs = now;
    const contract = world.find(job.instanceId);
    if (dueMs !== null && contract !== undefined) {
      job.lastRunMs = now;
      carryOut(job, contract, contracts);
    }
    if (job.endMs !== null && now > job.endMs) world.state.jobs = world.state.jobs.filter(({ id }) => id !== job.id);
  }
}

function carryOut(job: ScheduledJob, contract: Contract, contracts: Contracts): void {
  if (job.path.replace(/\/$/u, '') !== `/api/v0/instances/${job.instanceId}`) return;
  if (job.method === 'DELETE') contracts.destroy(contract);
  else if (job.body['state'] === 'stopped') contracts.stop(contract);
  else if (job.body['state'] === 'running') contracts.start(contract);
}

/** The latest full hour since the last look that the calendar names; null when there is none. */
function lastDueMs(job: ScheduledJob, now: number): number | null {
  const latest = Math.floor(Math.min(now, job.endMs ?? now) / HOUR_MS) * HOUR_MS;
  for (let at = latest; at > job.seenMs && at > latest - HOURS_A_WEEK * HOUR_MS; at -= HOUR_MS)
    if (isNamed(job, new Date(at))) return at;
  return null;
}

function isNamed({ frequency, day, hour }: ScheduledJob, at: Date): boolean {
  if (frequency === 'HOURLY') return true;
  if (at.getUTCHours() !== hour) return false;
  return frequency === 'DAILY' || at.getUTCDay() === day;
}
