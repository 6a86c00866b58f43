import type { Clock } from '../clock.js';

/**
 * Least milliseconds between two calls of one route (vast-api 1.3: x-rate-limit thresholds in the published spec).
 * Where the spec says nothing: 1 s for writes, 0.25 s for reads.
 */
const MIN_INTERVAL_MS: Record<string, number> = {
  'PUT /api/v0/asks/{id}/': 4500,
  'GET /api/v0/instances/{id}/': 2000,
  'GET /api/v1/instances/': 1000,
  'PUT /api/v0/instances/{id}/': 1000,
  'PUT /api/v0/instances/': 1000,
  'DELETE /api/v0/instances/{id}/': 3000,
  'PUT /api/v0/instances/reboot/{id}/': 1000,
  'PUT /api/v0/instances/recycle/{id}/': 1000,
  'PUT /api/v0/instances/bid_price/{id}/': 5500,
  'PUT /api/v0/instances/command/{id}/': 1500,
  'DELETE /api/v0/instances/{id}/ssh/{key}/': 2000,
  'POST /api/v0/ssh/': 1000,
  'GET /api/v0/template/': 3000,
  'GET /api/v0/volumes/': 5500,
  'DELETE /api/v0/volumes/': 5500,
  'PUT /api/v0/commands/copy_direct/': 3500,
  'DELETE /api/v0/commands/copy_direct/': 3500,
  'GET /api/v0/charges/': 1000,
  'GET /api/v1/invoices/': 3000,
  'GET /api/v0/secrets/': 5000,
  'POST /api/v0/secrets/': 3000,
  'PUT /api/v0/secrets/': 3000,
  'DELETE /api/v0/secrets/': 3000,
  'GET /api/v0/auth/apikeys/': 1000,
};

/** Calls per period instead of an interval: a burst is allowed. */
const WINDOWS: Record<string, { calls: number; periodMs: number }> = {
  'POST /api/v0/bundles/': { calls: 10, periodMs: 60_000 },
};

const UNSTATED_WRITE_MS = 1000;
const UNSTATED_READ_MS = 250;

/** Paces calls by method and route template. Counted from the end of the last call, which is never earlier than the server's own count. */
export class Pacer {
  private readonly clock: Clock;
  private readonly ends = new Map<string, number[]>();
  private readonly queues = new Map<string, Promise<void>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Waits for the route's turn. Callers of one route queue up. Call `finished` when the answer is there. */
  async turn(method: string, route: string, signal?: AbortSignal): Promise<() => void> {
    const key = `${method} ${route}`;
    const before = this.queues.get(key) ?? Promise.resolve();
    let release: () => void = () => {};
    const mine = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.queues.set(
      key,
      before.then(() => mine),
    );
    await before;
    try {
      await this.clock.sleep(this.waitMs(key, method), signal);
    } catch (error) {
      release();
      throw error;
    }
    return () => {
      this.ends.set(key, [...(this.ends.get(key) ?? []).slice(-9), this.clock.now()]);
      release();
    };
  }

  private waitMs(key: string, method: string): number {
    const ends = this.ends.get(key) ?? [];
    const window = WINDOWS[key];
    const now = this.clock.now();
    if (window !== undefined) {
      const oldest = ends.length >= window.calls ? ends[ends.length - window.calls] : undefined;
      return oldest === undefined ? 0 : Math.max(0, oldest + window.periodMs - now);
    }
    const last = ends.at(-1);
    const interval = MIN_INTERVAL_MS[key] ?? (method === 'GET' ? UNSTATED_READ_MS : UNSTATED_WRITE_MS);
    return last === undefined ? 0 : Math.max(0, last + interval - now);
  }
}
