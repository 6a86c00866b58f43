import { readFileSync } from 'node:fs';
import type { Clock } from '../clock.js';
import { writePrivateFile } from '../config/paths.js';
import type { Instance } from '../vast/model.js';
import { FileLock } from './file-lock.js';

const LOCK_WAIT_MS = 5_000;

/**
 * When forgectl stopped the machines of one context. The API shows an interruptible machine that its owner has stopped
 * exactly as one that was outbid; this memory tells them apart.
 */
export class OwnStops {
  private readonly file: string;
  private readonly clock: Clock;

  constructor(file: string, clock: Clock) {
    this.file = file;
    this.clock = clock;
  }

  /** `atMs` may lie ahead: the platform will stop it then, because forgectl has asked for it. */
  async note(instanceId: number, atMs = this.clock.now()): Promise<void> {
    await this.change((stops) => ({ ...stops, [instanceId]: new Date(atMs).toISOString() }));
  }

  /** It was started or destroyed. A stop that lies ahead stays planned. */
  async forget(instanceId: number): Promise<void> {
    if (this.sinceMs(instanceId) === null) return;
    await this.change((stops) => without(stops, [instanceId]));
  }

  /** Epoch ms; null when forgectl does not know of it. */
  sinceMs(instanceId: number): number | null {
    const since = Date.parse(this.read()[instanceId] ?? '');
    return Number.isFinite(since) && since <= this.clock.now() ? since : null;
  }

  /** Drops what a whole list of instances shows to be over: gone, or started by other hands. */
  async settle(all: readonly Instance[]): Promise<void> {
    const over = Object.keys(this.read())
      .map(Number)
      .filter((id) => {
        const row = all.find((instance) => instance.id === id);
        return row === undefined || (row.intendedStatus === 'running' && this.sinceMs(id) !== null);
      });
    if (over.length > 0) await this.change((stops) => without(stops, over));
  }

  private async change(edit: (stops: Record<string, string>) => Record<string, string>): Promise<void> {
    try {
      const lock = await FileLock.take(`${this.file}.lock`, 'stops', LOCK_WAIT_MS);
      try {
        await writePrivateFile(this.file, `${JSON.stringify(edit(this.read()), null, 2)}\n`);
      } finally {
        lock?.release();
      }
    } catch (error) {
      // A disk that takes no note must not fail a stop that has happened; it costs one word in a table.
      if (!(error instanceof Error) || !('code' in error)) throw error;
    }
  }

  /** A file that cannot be read is an empty one: the API's own word then counts. */
  private read(): Record<string, string> {
    try {
      const stops = JSON.parse(readFileSync(this.file, 'utf8')) as unknown;
      if (typeof stops !== 'object' || stops === null || Array.isArray(stops)) return {};
      return Object.fromEntries(Object.entries(stops).filter(([, time]) => typeof time === 'string'));
    } catch {
      return {};
    }
  }
}

function without(stops: Record<string, string>, ids: readonly number[]): Record<string, string> {
  return Object.fromEntries(Object.entries(stops).filter(([id]) => !ids.includes(Number(id))));
}
