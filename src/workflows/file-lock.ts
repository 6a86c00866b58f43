import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock } from '../clock.js';
import { isRunning, type ProcessIdentity, thisProcess } from '../process-identity.js';

export interface LockHolder extends ProcessIdentity {
  /** What it does, in words. */
  what: string;
  /** ISO time. */
  since: string;
}

/** A file that one process holds at a time. One whose holder has ended, in whatever way, is taken over at once. */
export class FileLock {
  private readonly file: string;
  private readonly text: string;

  private constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
  }

  /** The lock, or who has it. */
  static tryTake(file: string, what: string): FileLock | LockHolder {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const text = JSON.stringify({ ...thisProcess(), what, since: new Date().toISOString() });
    for (;;) {
      if (placeWhole(file, text)) return new FileLock(file, text);
      const held = read(file);
      if (held === null) continue;
      const holder = parse(held);
      if (holder !== null && isRunning(holder)) return holder;
      takeAway(file, held);
    }
  }

  /** Waits for its turn; `limitMs` of wall time, since other processes live in it. Null when it was not free in time. */
  static async take(file: string, what: string, limitMs: number, signal?: AbortSignal): Promise<FileLock | null> {
    for (let waitedMs = 0; ; waitedMs += LOOK_EVERY_MS) {
      const taken = FileLock.tryTake(file, what);
      if (taken instanceof FileLock) return taken;
      if (waitedMs >= limitMs) return null;
      await systemClock.sleep(LOOK_EVERY_MS, signal);
    }
  }

  release(): void {
    if (read(this.file) === this.text) rmSync(this.file, { force: true });
  }
}

/** Who holds it now; null when nobody does. */
export function holderOf(file: string): LockHolder | null {
  const text = read(file);
  const holder = text === null ? null : parse(text);
  return holder !== null && isRunning(holder) ? holder : null;
}

const LOOK_EVERY_MS = 50;

/** A link fails when the name exists, and shows no half-written file to anybody. */
function placeWhole(file: string, text: string): boolean {
  const draft = `${file}.${process.pid}-${process.hrtime.bigint()}`;
  writeFileSync(draft, text, { mode: 0o600, flag: 'wx' });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Only one process wins the renaming. If it was a fresh lock after all, it goes back to its place. */
function takeAway(file: string, deadText: string): void {
  const aside = `${file}.dead-${process.pid}-${process.hrtime.bigint()}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = read(aside);
  if (moved !== null && moved !== deadText) placeWhole(file, moved);
  rmSync(aside, { force: true });
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function parse(text: string): LockHolder | null {
  try {
    const holder = JSON.parse(text) as LockHolder;
    return typeof holder.pid === 'number' ? holder : null;
  } catch {
    return null;
  }
}
