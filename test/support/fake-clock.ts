import type { Clock } from '../../src/clock.ts';

/** Time that passes only by sleeping, at once. */
export class FakeClock implements Clock {
  readonly sleeps: number[] = [];
  private time = Date.UTC(2026, 10, 23);

  now(): number {
    return this.time;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (ms > 0) this.sleeps.push(ms);
    this.time += Math.max(0, ms);
    await Promise.resolve();
  }

  advance(ms: number): void {
    this.time += ms;
  }
}
