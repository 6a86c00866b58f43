import { setTimeout as delay } from 'node:timers/promises';

/** Time as the workflows see it. In the sandbox it runs faster than the wall clock; in tests it may be driven by hand. */
export interface Clock {
  /** How many of its seconds pass in one of the wall's; left out for one. */
  readonly scale?: number;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms` of this clock's time; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    signal?.throwIfAborted();
    try {
      await delay(Math.max(0, ms), undefined, { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};

/** A clock that runs `scale` times as fast as the wall clock and shows `shownMs` when the wall clock shows `wallMs`. */
export function scaledClock(scale: number, anchor: { wallMs: number; shownMs: number }): Clock {
  return {
    scale,
    now: () => anchor.shownMs + (Date.now() - anchor.wallMs) * scale,
    sleep: (ms, signal) => systemClock.sleep(ms / scale, signal),
  };
}
