/** The platform keeps its books by the UTC day. A day is named by its first millisecond. */
export const DAY_MS = 86_400_000;

/** Whole days, both ends included. */
export interface DayWindow {
  firstDayMs: number;
  lastDayMs: number;
}

export function startOfDay(ms: number): number {
  return Math.floor(ms / DAY_MS) * DAY_MS;
}

/** Today and the days before it, `count` in all. */
export function lastDays(nowMs: number, count: number): DayWindow {
  const lastDayMs = startOfDay(nowMs);
  return { firstDayMs: lastDayMs - (count - 1) * DAY_MS, lastDayMs };
}

export function daysOf({ firstDayMs, lastDayMs }: DayWindow): number[] {
  const days: number[] = [];
  for (let day = firstDayMs; day <= lastDayMs; day += DAY_MS) days.push(day);
  return days;
}

/** "2026-11-24" */
export function dayName(dayMs: number): string {
  return new Date(dayMs).toISOString().slice(0, 10);
}
