import { formatDuration } from '../ui/format.js';
import { isoMinute, type LimitAction, type LimitTime } from '../workflows/limits/limit-time.js';

/** "stop it at 2026-11-24 17:00 UTC, in 3h 38m" */
export function limitWords(action: LimitAction, { atMs, wantedMs }: LimitTime, nowMs: number): string {
  const off = atMs - wantedMs;
  const asked =
    Math.abs(off) < 60_000
      ? ''
      : ` (${formatDuration(Math.abs(off))} ${off > 0 ? 'later' : 'earlier'} than asked: it acts at full hours only)`;
  return `${action} it at ${isoMinute(atMs)}, in ${formatDuration(atMs - nowMs)}${asked}`;
}
