import type { Reporter } from './reporter.js';

/** --quiet and --json: only warnings, on stderr. */
export function createSilentReporter(write: (text: string) => void): Reporter {
  return {
    stage: () => ({ detail: () => {}, done: () => {}, failed: () => {} }),
    info: () => {},
    warn: (text) => write(`Warning: ${text}\n`),
    event: () => {},
  };
}
