import { cleanLogLine } from '../instance/clean-log.js';
import type { LogStart } from '../instance/log-reader/log-stream.js';
import { lineTimeMs } from '../instance/log-text/line-time.js';

export interface LogLine {
  service: string;
  /** When it was written; null when it does not say. */
  timeMs: number | null;
  /** Clean and without secrets. */
  text: string;
  /** The same, with its colours where they may be shown. */
  shown: string;
}

export interface LineReading {
  redact: (text: string) => string;
  color: boolean;
  /** The machine's zone, for times that name none. */
  utcOffsetS: number;
}

export function readLine(service: string, raw: string, { redact, color, utcOffsetS }: LineReading): LogLine {
  const text = cleanLogLine(raw, { redact });
  const shown = color ? cleanLogLine(raw, { redact, color }) : text;
  return { service, timeMs: lineTimeMs(text, utcOffsetS), text, shown };
}

export function lineDocument({ service, timeMs, text }: LogLine): Record<string, unknown> {
  return { service, time: timeMs === null ? null : new Date(timeMs).toISOString(), text };
}

/**
 * Lines of several logs in the order in which they were written, as far as they say. A line without a time stays behind
 * the one before it in its log, so the order within a log never changes.
 */
export function mergeByTime(logs: readonly (readonly LogLine[])[]): LogLine[] {
  const queues = logs
    .map((lines) => ({ lines, times: effectiveTimes(lines), next: 0 }))
    .filter(({ lines }) => lines.length > 0);
  const merged: LogLine[] = [];
  for (;;) {
    let first: (typeof queues)[number] | null = null;
    for (const queue of queues) {
      if (queue.next >= queue.lines.length) continue;
      if (first === null || timeOf(queue) < timeOf(first)) first = queue;
    }
    if (first === null) return merged;
    merged.push(first.lines[first.next] as LogLine);
    first.next += 1;
  }
}

function timeOf({ times, next }: { times: readonly number[]; next: number }): number {
  return times[next] ?? 0;
}

/** Of a line without a time: that of the last before it; of the first ones: that of the first that has any. */
function effectiveTimes(lines: readonly LogLine[]): number[] {
  let last = lines.find(({ timeMs }) => timeMs !== null)?.timeMs ?? 0;
  return lines.map(({ timeMs }) => {
    last = Math.max(last, timeMs ?? last);
    return last;
  });
}

/** Those behind the last one that is known to be older; of lines without times, all. */
export function linesSince(lines: readonly LogLine[], since: LogStart['since']): readonly LogLine[] {
  if (since === null) return lines;
  const sinceMs = 'ago_s' in since ? Date.now() - since.ago_s * 1000 : since.epoch_s * 1000;
  return lines.slice(lines.findLastIndex(({ timeMs }) => timeMs !== null && timeMs < sinceMs) + 1);
}
