/** A job of the platform on one instance. `action` is null for what forgectl does not know. */
export interface ScheduledJob {
  id: number;
  instanceId: number;
  action: 'stop' | 'start' | 'destroy' | null;
  /** Epoch ms; null where the API does not say. */
  startMs: number | null;
  endMs: number | null;
  /** HOURLY, DAILY or WEEKLY. */
  frequency: string | null;
  /** 0 is Sunday. All three in UTC; null for every one. */
  dayOfWeek: number | null;
  hourOfDay: number | null;
  minuteOfHour: number | null;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** When the platform will carry it out next; null when it will not any more. */
export function nextRunMs(job: ScheduledJob, nowMs: number): number | null {
  const fromMs = Math.max(nowMs, hourOf(job.startMs ?? 0));
  const at = nextSlotMs(job, fromMs);
  return at === null || (job.endMs !== null && at > job.endMs) ? null : at;
}

/** The first time the calendar names at or after `fromMs`. */
function nextSlotMs(job: ScheduledJob, fromMs: number): number | null {
  const { frequency, startMs } = job;
  const minuteMs = (job.minuteOfHour ?? 0) * 60_000;
  if (frequency === 'HOURLY') return firstAfter(fromMs, { everyMs: HOUR_MS, offsetMs: minuteMs });
  const inDayMs = (job.hourOfDay ?? 0) * HOUR_MS + minuteMs;
  if (frequency === 'DAILY') return firstAfter(fromMs, { everyMs: DAY_MS, offsetMs: inDayMs });
  // The epoch began on a Thursday.
  const inWeekMs = (((job.dayOfWeek ?? 0) + 7 - 4) % 7) * DAY_MS + inDayMs;
  if (frequency === 'WEEKLY') return firstAfter(fromMs, { everyMs: 7 * DAY_MS, offsetMs: inWeekMs });
  return startMs !== null && startMs >= fromMs ? startMs : null;
}

function firstAfter(fromMs: number, { everyMs, offsetMs }: { everyMs: number; offsetMs: number }): number {
  return Math.ceil((fromMs - offsetMs) / everyMs) * everyMs + offsetMs;
}

function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS) * HOUR_MS;
}
