import { EXIT, ForgeError } from '../errors.js';

export interface Interruption {
  signal: AbortSignal;
  /** Lines printed when a second Ctrl-C ends the process at once: what may still bill and how to end it. */
  lastWords: string[];
  /** Takes the handlers off again. */
  release(): void;
}

/** The first Ctrl-C (or SIGTERM) asks the command to stop in order; the second ends the process where it stands. */
export function listenForInterruption(): Interruption {
  const controller = new AbortController();
  const lastWords: string[] = [];
  const onSignal = (name: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void => {
    const exit = name === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
    if (controller.signal.aborted) {
      if (lastWords.length > 0) process.stderr.write(`\n${lastWords.join('\n')}\n`);
      process.exit(exit);
    }
    const message = name === 'SIGINT' ? 'Interrupted.' : 'Terminated.';
    controller.abort(new ForgeError(message, { code: name === 'SIGINT' ? 'INTERRUPTED' : 'TERMINATED', exit }));
  };
  const handlers = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => [name, () => onSignal(name)] as const);
  for (const [name, handler] of handlers) process.on(name, handler);
  return {
    signal: controller.signal,
    lastWords,
    release: () => {
      for (const [name, handler] of handlers) process.off(name, handler);
    },
  };
}
