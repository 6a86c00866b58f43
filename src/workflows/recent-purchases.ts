import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../clock.js';

/** How long a search may still show an offer that was rented (peers: one offer is sold twice). */
const MEMORY_MS = 10 * 60_000;

/** Offers that launches of this computer rented a moment ago. Read and written only in a launch's turn. */
export class RecentPurchases {
  private readonly file: string;
  private readonly clock: Clock;

  constructor(file: string, clock: Clock) {
    this.file = file;
    this.clock = clock;
  }

  offerIds(): ReadonlySet<number> {
    return new Set(this.read().map(([id]) => id));
  }

  remember(offerId: number): void {
    mkdirSync(dirname(this.file), { recursive: true, mode: 0o700 });
    writeFileSync(this.file, JSON.stringify([...this.read(), [offerId, this.clock.now()]]), { mode: 0o600 });
  }

  private read(): [offerId: number, boughtMs: number][] {
    try {
      const bought = JSON.parse(readFileSync(this.file, 'utf8')) as [number, number][];
      return bought.filter(([, at]) => Math.abs(this.clock.now() - at) < MEMORY_MS);
    } catch {
      return [];
    }
  }
}
