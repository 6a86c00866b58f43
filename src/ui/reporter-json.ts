import type { Clock } from '../clock.js';
import { documentText } from './door.js';
import type { Reporter } from './reporter.js';
import { cleanLine } from './sanitize.js';

/** --json --events: one object a line on stdout. `time` is the wall clock's; `elapsed_s` the workflow's. */
export function createJsonReporter({ write, clock }: { write: (text: string) => void; clock: Clock }): Reporter {
  const event = (name: string, data: Record<string, unknown> = {}): void =>
    write(`${documentText({ event: name, time: new Date().toISOString(), ...data })}\n`);
  return {
    stage: (stage, title) => {
      const startedMs = clock.now();
      const elapsed = (): number => Math.round((clock.now() - startedMs) / 100) / 10;
      let last = '';
      event('stage_started', { stage, title });
      return {
        detail: (text) => {
          if (text === last || text === '') return;
          last = text;
          event('stage_detail', { stage, detail: cleanLine(text) });
        },
        done: (text) => event('stage_done', { stage, title: text ?? title, elapsed_s: elapsed() }),
        failed: (text) => event('stage_failed', { stage, title: text ?? title, elapsed_s: elapsed() }),
      };
    },
    info: () => {},
    warn: (message) => event('warning', { message }),
    event,
  };
}
