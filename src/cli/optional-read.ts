import { ForgeError } from '../errors.js';

/** A read that a command can do without. It is begun at once, and its failure fails nothing. */
export class OptionalRead<T> {
  failure: ForgeError | null = null;
  private readonly settled: Promise<T | null>;

  constructor(work: Promise<T>) {
    this.settled = work.catch((error: unknown) => {
      if (!(error instanceof ForgeError)) throw error;
      this.failure = error;
      return null;
    });
    // Awaited later, or never when something else has failed before.
    this.settled.catch(() => {});
  }

  /** Null when it failed, or is not there in time. */
  async value(graceMs: number | null = null): Promise<T | null> {
    if (graceMs === null) return this.settled;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), graceMs);
    });
    const value = await Promise.race([this.settled, late]);
    clearTimeout(timer);
    if (value === null) this.failure ??= tooSlow();
    return value;
  }
}

function tooSlow(): ForgeError {
  return new ForgeError('The API was too slow.', { code: 'API_SLOW', exit: 14 });
}
