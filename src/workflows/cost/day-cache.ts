import { readFileSync } from 'node:fs';
import type { Clock } from '../../clock.js';
import { writePrivateFile } from '../../config/paths.js';
import type { Charge } from '../../vast/model.js';
import { DAY_MS, dayName } from './utc-days.js';

/** A day's bill may still change for a while after its end. */
const SETTLED_AFTER_MS = DAY_MS;
const KEPT_DAYS = 400;

interface Stored {
  version: 1;
  userId: number;
  days: Record<string, Charge[]>;
}

/** The bills of days that are over, of one account. What cannot be read or written is only slower. */
export class DayCache {
  private readonly file: string;
  private readonly userId: number;
  private readonly clock: Clock;
  private readonly days: Record<string, Charge[]>;
  private isChanged = false;

  constructor(file: string, userId: number, clock: Clock) {
    this.file = file;
    this.userId = userId;
    this.clock = clock;
    this.days = readDays(file, userId);
  }

  get(dayMs: number): Charge[] | null {
    return this.days[dayName(dayMs)] ?? null;
  }

  put(dayMs: number, charges: Charge[]): void {
    if (this.clock.now() - (dayMs + DAY_MS) < SETTLED_AFTER_MS) return;
    this.days[dayName(dayMs)] = charges;
    this.isChanged = true;
  }

  async save(): Promise<void> {
    if (!this.isChanged) return;
    const kept = Object.entries(this.days)
      .sort(([one], [other]) => other.localeCompare(one))
      .slice(0, KEPT_DAYS);
    const stored: Stored = { version: 1, userId: this.userId, days: Object.fromEntries(kept) };
    await writePrivateFile(this.file, `${JSON.stringify(stored)}\n`).catch(() => {});
  }
}

function readDays(file: string, userId: number): Record<string, Charge[]> {
  try {
    const stored = JSON.parse(readFileSync(file, 'utf8')) as Partial<Stored>;
    const { days } = stored;
    const fits = stored.version === 1 && stored.userId === userId && typeof days === 'object' && days !== null;
    return fits && Object.values(days).every((charges) => charges.every(isCharge)) ? { ...days } : {};
  } catch {
    return {};
  }
}

function isCharge({ source, kinds }: Charge): boolean {
  return typeof source === 'string' && Object.values(kinds).every((usd) => typeof usd === 'number');
}
