import { EXIT, ForgeError } from '../errors.js';
import { writeErr } from '../ui/door.js';

export interface Interruption {
  /** Aborted by the first Ctrl-C; a fresh one once the clean-up has begun. */
  readonly signal: AbortSignal;
  /** Lines printed when a second Ctrl-C ends the process at once: what may still bill and how to end it. */
  lastWords: string[];
  /** Calls work again from here on; the next Ctrl-C ends the process. */
  beginCleanUp(): void;
  /** Takes the handlers off again. */
  release(): void;
}

/** The first Ctrl-C (or SIGTERM) asks the command to stop in order; the second ends the process where it stands. */
export function listenForInterruption(): Interruption {
  let controller = new AbortController();
  let wasInterrupted = false;
  const lastWords: string[] = [];
  const onSignal = (name: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void => {
    const exit = name === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
    if (wasInterrupted) {
      if (lastWords.length > 0) writeErr(`\n${lastWords.join('\n')}\n`);
      process.exit(exit);
    }
    wasInterrupted = true;
    const message = name === 'SIGINT' ? 'Interrupted.' : 'Terminated.';
    controller.abort(new ForgeError(message, { code: name === 'SIGINT' ? 'INTERRUPTED' : 'TERMINATED', exit }));
  };
  const handlers = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => [name, () => onSignal(name)] as const);
  for (const [name, handler] of handlers) process.on(name, handler);
  return {
    get signal() {
      return controller.signal;
    },
    lastWords,
    beginCleanUp: () => {
      controller = new AbortController();
    },
    release: () => {
      for (const [name, handler] of handlers) process.off(name, handler);
    },
  };
}
