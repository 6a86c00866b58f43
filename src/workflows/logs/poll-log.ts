import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { linesAfter, wholeLines } from '../../instance/log-text/log-window.js';

export interface PollDependencies {
  /** The last lines; null when they did not come in time. */
  fetch(): Promise<string | null>;
  clock: Clock;
  signal: AbortSignal;
}

export interface PollEvents {
  lines(lines: readonly string[], isFirst: boolean): Promise<void> | void;
  /** More was written between two looks than one look shows. */
  gap(): void;
  /** Once an outage of the API. */
  failed(error: ForgeError): void;
}

const EVERY_MS = 5_000;
const AFTER_FAILURE_MS = 15_000;

/** Follows a log that the API gives only the end of. Ends by an interruption, or with an error that will not pass. */
export async function pollLog({ fetch, clock, signal }: PollDependencies, events: PollEvents): Promise<never> {
  let before: string[] | null = null;
  let text = '';
  let hasFailed = false;
  for (;;) {
    signal.throwIfAborted();
    try {
      const now = await fetch();
      if (now !== null) {
        const lines = wholeLines(now, text);
        const fresh = before === null ? lines : linesAfter(before, lines);
        if (fresh === null) events.gap();
        await events.lines(fresh ?? lines, before === null);
        before = lines;
        text = now;
      }
      hasFailed = false;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ForgeError) || error.exit !== EXIT.apiFailed) throw error;
      if (!hasFailed) events.failed(error);
      hasFailed = true;
    }
    await clock.sleep(hasFailed ? AFTER_FAILURE_MS : EVERY_MS, signal);
  }
}
