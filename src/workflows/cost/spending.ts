import type { Charge, ChargeKind } from '../../vast/model.js';
import { type DayWindow, daysOf, startOfDay } from './utc-days.js';

/** What was charged, by contract: in the window, today, and on each of its days. */
export interface Spending {
  window: DayWindow;
  charges: Charge[];
  today: Charge[];
  /** Null when they were not asked for. */
  days: DaySpending[] | null;
  /** Why some of it is an estimate; null when it is the platform's own bill. */
  estimateReason: string | null;
}

interface DaySpending {
  dayMs: number;
  charges: Charge[];
  isEstimate: boolean;
}

export interface SpendingReader {
  /** The sums of a window; all pages. */
  read(window: DayWindow): Promise<Charge[]>;
  /** Days that cannot change any more, remembered; null when nothing is. */
  cache: { get(dayMs: number): Charge[] | null; put(dayMs: number, charges: Charge[]): void } | null;
  /** Told before each further call. */
  onDay(number: number, count: number): void;
}

/**
 * One call gives the sums of a window, not their days. A contract that was charged on one day only is on that day; each
 * other day costs a call, once: a day that is over is remembered. Without `wantsDays` only today is asked for.
 */
export async function readSpending(reader: SpendingReader, window: DayWindow, wantsDays: boolean): Promise<Spending> {
  const charges = await reader.read(window);
  const spread = new Set(charges.flatMap((charge) => severalDays(charge, window)));
  const asked = daysOf(window).filter((day) => spread.has(day) && (wantsDays || day === window.lastDayMs));
  const read = new Map<number, Charge[]>();
  for (const [at, day] of asked.entries()) {
    const known = reader.cache?.get(day) ?? null;
    if (known === null) reader.onDay(at + 1, asked.length);
    const found = known ?? (await reader.read({ firstDayMs: day, lastDayMs: day }));
    read.set(day, found);
    if (known === null) reader.cache?.put(day, found);
  }
  return settle({ window, charges, read, wantsDays });
}

interface Books {
  window: DayWindow;
  charges: Charge[];
  read: ReadonlyMap<number, Charge[]>;
  wantsDays: boolean;
}

/** The days and the window are two answers to one question. A contract on which they disagree is spread evenly. */
function settle({ window, charges, read, wantsDays }: Books): Spending {
  const doubtful = charges.filter((charge) => disagree(charge, { window, charges, read, wantsDays }));
  const sources = new Set(doubtful.map(({ source }) => source));
  const days = daysOf(window).map((dayMs): DaySpending => {
    const sure = (read.get(dayMs) ?? charges.filter((charge) => isOn(charge, dayMs, window))).filter(
      ({ source }) => !sources.has(source),
    );
    const shares = doubtful.flatMap((charge) => shareOf(charge, dayMs) ?? []);
    return { dayMs, charges: [...sure, ...shares], isEstimate: shares.length > 0 };
  });
  const whole = charges.map((charge) => (sources.has(charge.source) ? inWindow(charge, window) : charge));
  return {
    window,
    charges: whole,
    today: days.at(-1)?.charges ?? [],
    days: wantsDays ? days : null,
    estimateReason:
      doubtful.length === 0 ? null : `the platform's days of ${[...sources].join(', ')} do not add up to its total`,
  };
}

/** The days of a contract that was charged on more than one of them, as far as its row tells. */
function severalDays(charge: Charge, window: DayWindow): number[] {
  const days = spanOf(charge, window);
  return days.length > 1 ? days : [];
}

function spanOf({ startMs, endMs }: Charge, window: DayWindow): number[] {
  const first = startMs === null ? window.firstDayMs : Math.max(window.firstDayMs, startOfDay(startMs));
  const last = endMs === null ? window.lastDayMs : Math.min(window.lastDayMs, startOfDay(endMs));
  return daysOf({ firstDayMs: first, lastDayMs: Math.max(first, last) });
}

function isOn(charge: Charge, dayMs: number, window: DayWindow): boolean {
  const [only, ...others] = spanOf(charge, window);
  return others.length === 0 && only === dayMs;
}

/** The bill goes on growing between two calls, and amounts are rounded. */
const MAY_DIFFER_USD = 0.05;
const MAY_DIFFER_BY = 0.05;
const A_CENT = 0.01;

function disagree(charge: Charge, { window, read, wantsDays }: Books): boolean {
  const days = severalDays(charge, window);
  if (days.length === 0) return false;
  const total = totalUsd(charge);
  const ofDay = (day: number): number => {
    const row = read.get(day)?.find(({ source }) => source === charge.source);
    return row === undefined ? 0 : totalUsd(row);
  };
  // Its disk costs every day: one day cannot be all of it.
  if (!wantsDays) return total > A_CENT && ofDay(window.lastDayMs) > total - 0.0005;
  const sum = days.reduce((whole, day) => whole + ofDay(day), 0);
  return Math.abs(sum - total) > MAY_DIFFER_USD + MAY_DIFFER_BY * Math.abs(total);
}

/** One of the days from its first to its last. */
function shareOf(charge: Charge, dayMs: number): Charge | null {
  const { startMs, endMs } = charge;
  if (startMs === null || endMs === null || dayMs < startOfDay(startMs) || dayMs > startOfDay(endMs)) return null;
  const count = daysOf({ firstDayMs: startOfDay(startMs), lastDayMs: startOfDay(endMs) }).length;
  return { ...charge, kinds: mapKinds(charge.kinds, (usd) => usd / count) };
}

function inWindow(charge: Charge, window: DayWindow): Charge {
  const share = shareOf(charge, startOfDay(charge.endMs ?? window.lastDayMs));
  if (share === null) return charge;
  const count = spanOf(charge, window).length;
  return { ...charge, kinds: mapKinds(share.kinds, (usd) => usd * count) };
}

function mapKinds(kinds: Charge['kinds'], change: (usd: number) => number): Charge['kinds'] {
  return Object.fromEntries(Object.entries(kinds).map(([kind, usd]) => [kind, change(usd)])) as Record<
    ChargeKind,
    number
  >;
}

export function totalUsd({ kinds }: Pick<Charge, 'kinds'>): number {
  return Object.values(kinds).reduce((sum, usd) => sum + usd, 0);
}
