import type { Clock } from '../clock.js';
import { formatDuration } from './format.js';
import type { Reporter, Stage } from './reporter.js';
import { cleanLine } from './sanitize.js';

export interface ReporterOptions {
  /** Where lines go: stderr. */
  write: (text: string) => void;
  clock: Clock;
}

/** A detail that changes is repeated at most this often, so that a log of a long launch stays readable. */
const DETAIL_EVERY_MS = 15_000;

/** Lines without colour or animation: pipes, CI, dumb terminals. */
export function createPlainReporter({ write, clock }: ReporterOptions): Reporter {
  const line = (text: string): void => write(`${cleanLine(text)}\n`);
  return {
    stage: (_id, title) => plainStage(title, line, clock),
    info: (text) => write(`${text}\n`),
    warn: (text) => write(`Warning: ${text}\n`),
    event: () => {},
  };
}

function plainStage(title: string, line: (text: string) => void, clock: Clock): Stage {
  const startedMs = clock.now();
  let shown = '';
  let shownMs = startedMs;
  line(`${title} …`);
  const end = (mark: string, text: string): void =>
    line(`${mark} ${text} (${formatDuration(clock.now() - startedMs)})`);
  return {
    detail: (text) => {
      const now = clock.now();
      if (text === shown || text === '' || now - shownMs < DETAIL_EVERY_MS) return;
      shown = text;
      shownMs = now;
      line(`  ${title}: ${text}`);
    },
    done: (text) => end('done:', text ?? title),
    failed: (text) => end('failed:', text ?? title),
  };
}
