import { formatBytes, formatDuration } from '../ui/format.js';
import type { Reporter, Stage } from '../ui/reporter.js';
import type { Progress } from '../workflows/copy/meter.js';

/** A line that changes faster cannot be read. */
const LINE_EVERY_MS = 250;
const EVENT_EVERY_MS = 1000;
/** A copy that brings nothing for so long says that, and no rate of before. */
const STILL_AFTER_MS = 3000;

const TITLES = { copying: 'Copying', comparing: 'Comparing' };

export interface ProgressTeller {
  progress: (progress: Progress) => void;
  done(): void;
  failed(): void;
}

/** Bytes, files, rate and time left: on a terminal in one line, in a pipe now and then, with --events as data. */
export function createProgressTeller(
  reporter: Reporter,
  { events, title }: { events: boolean; title: string },
): ProgressTeller {
  let stage: { phase: Progress['phase']; line: Stage } | null = null;
  let toldMs = 0;
  let last: { progress: Progress; movedMs: number } | null = null;
  let watch: NodeJS.Timeout | null = null;
  const open = (phase: Progress['phase']): Stage => {
    if (stage?.phase === phase) return stage.line;
    stage?.line.done();
    toldMs = 0;
    stage = { phase, line: reporter.stage(phase, phase === 'copying' ? title : TITLES[phase]) };
    return stage.line;
  };
  const tell = (progress: Progress, stillMs: number): void => {
    if (events) reporter.event('progress', progressDocument(progress));
    else open(progress.phase).detail(progressLine(progress, stillMs));
  };
  const look = (): void => {
    const stillMs = last === null ? 0 : performance.now() - last.movedMs;
    if (last === null || last.progress.phase !== 'copying' || stillMs < STILL_AFTER_MS) return;
    tell({ ...last.progress, bytesPerS: 0, remainingS: null }, stillMs);
  };
  const stop = (): void => {
    if (watch !== null) clearInterval(watch);
    watch = null;
  };
  return {
    progress: (progress) => {
      open(progress.phase);
      const now = performance.now();
      const { bytes, files, phase } = last?.progress ?? {};
      const isStill = phase === progress.phase && bytes === progress.bytes && files === progress.files;
      last = { progress, movedMs: isStill ? (last?.movedMs ?? now) : now };
      watch ??= setInterval(look, 1000).unref();
      if (toldMs !== 0 && now - toldMs < (events ? EVENT_EVERY_MS : LINE_EVERY_MS)) return;
      toldMs = now;
      tell(progress, 0);
    },
    done: () => {
      stop();
      stage?.line.done();
    },
    failed: () => {
      stop();
      stage?.line.failed();
    },
  };
}

/** `stillMs`: for how long nothing has come; 0 while something does. */
function progressLine(
  { bytes, totalBytes, files, totalFiles, bytesPerS, remainingS }: Progress,
  stillMs: number,
): string {
  const share = totalBytes === 0 ? files / Math.max(1, totalFiles) : bytes / totalBytes;
  return [
    `${Math.min(100, Math.floor(share * 100))}%`,
    formatBytes(bytes),
    ...(stillMs > 0 ? [`nothing for ${formatDuration(stillMs)}`] : []),
    ...(stillMs > 0 || bytesPerS === null ? [] : [`${formatBytes(Math.round(bytesPerS))}/s`]),
    ...(remainingS === null ? [] : [`${formatDuration(remainingS * 1000)} left`]),
    `${files}/${totalFiles} files`,
  ].join('  ');
}

function progressDocument(progress: Progress): Record<string, unknown> {
  const { phase, files, totalFiles, bytes, totalBytes, bytesPerS, remainingS } = progress;
  return {
    phase,
    files,
    total_files: totalFiles,
    bytes,
    total_bytes: totalBytes,
    bytes_per_s: bytesPerS === null ? null : Math.round(bytesPerS),
    remaining_s: remainingS === null ? null : Math.round(remainingS),
  };
}
