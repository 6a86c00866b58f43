import { isRecord, type VastClient } from './client.js';
import type { ScheduledJob } from './job-calendar.js';
import { readNothing } from './schema/fields.js';
import { readScheduledJobs } from './schema/scheduled-job.js';
import { VastError } from './vast-error.js';

/** What forgectl asks for: one call, at a full hour within the next week. */
export interface NewScheduledJob {
  instanceId: number;
  action: 'stop' | 'destroy';
  atMs: number;
}

const ROUTE = '/api/v0/commands/schedule_job/';
/** How late the platform may still act. Far below a week, after which the calendar would name the hour again. */
const MAY_BE_LATE_S = 3 * 3600;

export function scheduledJobsApi(client: VastClient) {
  return {
    list: (options: { tries?: number } = {}): Promise<ScheduledJob[]> =>
      client.request({ method: 'GET', route: ROUTE, read: readScheduledJobs, ...options }),
    /** Returns the id of a job that is in the way: the platform keeps one for an instance and an endpoint (vast-api 11). */
    create: (job: NewScheduledJob): Promise<{ takenBy: number | null }> =>
      client.request<{ takenBy: number | null }>({
        method: 'POST',
        route: ROUTE,
        body: bodyOf(job),
        read: () => ({ takenBy: null }),
        readRefusal: (status, body) => takenBy(status, body),
      }),
    update: (id: number, job: NewScheduledJob): Promise<undefined> =>
      client.request({
        method: 'PUT',
        route: `${ROUTE}{id}/`,
        params: { id },
        body: bodyOf(job),
        read: readNothing,
      }),
    /** Gone already is done. */
    async remove(id: number): Promise<void> {
      try {
        await client.request({ method: 'DELETE', route: `${ROUTE}{id}/`, params: { id }, read: readNothing });
      } catch (error) {
        if (!(error instanceof VastError) || error.code !== 'API_NOT_FOUND') throw error;
      }
    },
  };
}

function takenBy(status: number, body: unknown): { takenBy: number } | undefined {
  const id = status === 422 && isRecord(body) ? Number(body['scheduled_job_id']) : Number.NaN;
  return Number.isInteger(id) ? { takenBy: id } : undefined;
}

/**
 * Weekly, with day and hour named. Others have seen the live platform carry out jobs at minute 0, and an hourly one hours
 * before its `start_time`: a calendar that names no earlier hour is right in any reading.
 */
function bodyOf({ instanceId, action, atMs }: NewScheduledJob): Record<string, unknown> {
  const at = new Date(atMs);
  const atS = Math.floor(atMs / 1000);
  return {
    instance_id: instanceId,
    api_endpoint: `/api/v0/instances/${instanceId}/`,
    request_method: action === 'destroy' ? 'DELETE' : 'PUT',
    request_body: action === 'destroy' ? {} : { state: 'stopped' },
    start_time: atS,
    end_time: atS + MAY_BE_LATE_S,
    frequency: 'WEEKLY',
    day_of_the_week: at.getUTCDay(),
    hour_of_the_day: at.getUTCHours(),
  };
}
