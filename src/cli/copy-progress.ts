import { formatBytes, formatDuration } from '../ui/format.js';
import type { Reporter, Stage } from '../ui/reporter.js';
import type { Progress } from '../workflows/copy/meter.js';

/** A line that changes faster cannot be read. */
const LINE_EVERY_MS = 250;
const EVENT_EVERY_MS = 1000;

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
  const open = (phase: Progress['phase']): Stage => {
    if (stage?.phase === phase) return stage.line;
    stage?.line.done();
    toldMs = 0;
    stage = { phase, line: reporter.stage(phase, phase === 'copying' ? title : TITLES[phase]) };
    return stage.line;
  };
  return {
    progress: (progress) => {
      const line = open(progress.phase);
      const now = performance.now();
      if (toldMs !== 0 && now - toldMs < (events ? EVENT_EVERY_MS : LINE_EVERY_MS)) return;
      toldMs = now;
      if (events) reporter.event('progress', progressDocument(progress));
      else line.detail(progressLine(progress));
    },
    done: () => stage?.line.done(),
    failed: () => stage?.line.failed(),
  };
}

function progressLine({ bytes, totalBytes, files, totalFiles, bytesPerS, remainingS }: Progress): string {
  const share = totalBytes === 0 ? files / Math.max(1, totalFiles) : bytes / totalBytes;
  return [
    `${Math.min(100, Math.floor(share * 100))}%`,
    formatBytes(bytes),
    ...(bytesPerS === null ? [] : [`${formatBytes(Math.round(bytesPerS))}/s`]),
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
