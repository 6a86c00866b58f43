import { EXIT, ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';
import type { ForgeContext } from './context.js';

/** What became of one of several instances. */
export interface Outcome<T> {
  instance: Instance;
  value: T | null;
  error: { code: string; message: string; hint: string | null; exit: number } | null;
}

/** One after the other. The failure of the only one is the command's own; of several, each is told, and it is exit 12. */
export async function settleSeveral<T>(
  context: ForgeContext,
  instances: readonly Instance[],
  work: (instance: Instance) => Promise<T>,
): Promise<Outcome<T>[]> {
  const outcomes: Outcome<T>[] = [];
  for (const instance of instances) {
    try {
      outcomes.push({ instance, value: await work(instance), error: null });
    } catch (error) {
      context.interruption.signal.throwIfAborted();
      if (!(error instanceof ForgeError) || instances.length < 2) throw error;
      const { code, message, hint, exit } = error;
      context.reporter.warn(`${message}${hint === null ? '' : `\n  ${hint}`}`);
      outcomes.push({ instance, value: null, error: { code, message, hint, exit } });
    }
  }
  if (outcomes.some(({ error }) => error !== null)) process.exitCode = EXIT.partlyFailed;
  return outcomes;
}
