import * as z from 'zod/mini';
import type { ScheduledJob } from '../job-calendar.js';
import { epochMs, id, nullableNumber, nullableText, reader, within } from './fields.js';

const jobSchema = z.pipe(
  z.object({
    id,
    instance_id: nullableNumber,
    start_time: epochMs,
    end_time: epochMs,
    frequency: nullableText,
    day_of_the_week: within(0, 6),
    hour_of_the_day: within(0, 23),
    min_of_the_hour: within(0, 59),
    api_endpoint: nullableText,
    request_method: nullableText,
    request_body: z.optional(z.unknown()),
  }),
  z.transform(
    (row): ScheduledJob => ({
      id: row.id,
      instanceId: row.instance_id ?? Number(/\/instances\/(\d+)\/?$/u.exec(row.api_endpoint ?? '')?.[1] ?? 0),
      action: jobAction(row),
      startMs: row.start_time,
      endMs: row.end_time,
      frequency: row.frequency,
      dayOfWeek: row.day_of_the_week,
      hourOfDay: row.hour_of_the_day,
      minuteOfHour: row.min_of_the_hour,
    }),
  ),
);

/** Null for what forgectl did not write and does not know: somebody's own job must not spoil the list. */
function jobAction(row: {
  api_endpoint: string | null;
  request_method: string | null;
  request_body?: unknown;
}): ScheduledJob['action'] {
  if (!/\/instances\/\d+\/?$/u.test(row.api_endpoint ?? '')) return null;
  if (row.request_method === 'DELETE') return 'destroy';
  const state = (bodyOf(row.request_body) as { state?: unknown } | null)?.state;
  return state === 'stopped' ? 'stop' : state === 'running' ? 'start' : null;
}

/** An object, or one as text. */
function bodyOf(body: unknown): unknown {
  if (typeof body !== 'string') return body ?? null;
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return null;
  }
}

export const readScheduledJobs = reader(
  z.union([
    z.array(jobSchema),
    z.pipe(
      z.object({ results: z.array(jobSchema) }),
      z.transform(({ results }) => results),
    ),
  ]),
);
