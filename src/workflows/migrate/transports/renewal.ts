import type { Clock } from '../../../clock.js';
import { LEASE_S } from '../../../instance/migration/direct/passage.js';

/** Several tries fit into a lease. */
const RENEW_EVERY_MS = (LEASE_S * 1000) / 4;
/** The time that a computer sleeps is in no timer. */
const LOOK_EVERY_MS = 60_000;

/** Renews what was granted on the machines for as long as a pass works. One that cannot be renewed ends by itself. */
export class Renewal {
  private readonly renew: () => Promise<void>;
  private readonly clock: Clock;
  private readonly over = new AbortController();
  private renewedMs: number;
  private running: Promise<void> | null = null;

  /** It was granted just now. */
  constructor(renew: () => Promise<void>, clock: Clock) {
    this.renew = renew;
    this.clock = clock;
    this.renewedMs = clock.now();
  }

  /** Until `stop` is called. */
  start(): void {
    void this.keepOn();
  }

  /** Before a connection is opened, too: this computer may have slept through the time. */
  async ifDue(): Promise<void> {
    if (this.clock.now() - this.renewedMs < RENEW_EVERY_MS) return;
    this.running ??= this.renew().finally(() => {
      this.running = null;
    });
    await this.running;
    this.renewedMs = this.clock.now();
  }

  stop(): void {
    this.over.abort();
  }

  private async keepOn(): Promise<void> {
    const { signal } = this.over;
    while (!signal.aborted) {
      await this.clock.sleep(LOOK_EVERY_MS, signal).catch(() => {});
      // A machine that cannot be reached now is asked again.
      if (!signal.aborted) await this.ifDue().catch(() => {});
    }
  }
}
