import { EXIT, ForgeError } from '../../errors.js';

/** What the platform does when a limit is reached. Stopped machines keep their disk, and its price. */
export type LimitAction = 'stop' | 'destroy';

/** Limits that the platform itself enforces; null for none. */
export interface SpendLimits {
  maxLifetimeMs: number | null;
  maxSpendUsd: number | null;
  action: LimitAction;
}

/** When they would strike to the second, epoch ms. */
export interface LimitWish {
  /** By the clock; null for no such limit. */
  timeMs: number | null;
  /** When the money is spent, if it runs all the time. */
  moneyMs: number | null;
}

interface Moments {
  /** From when on it counts. */
  sinceMs: number;
  nowMs: number;
}

export interface LimitTime {
  /** The full hour at which the platform acts. */
  atMs: number;
  /** What was asked for. */
  wantedMs: number;
}

const HOUR_MS = 3_600_000;
/** The job must be there before its hour. */
const LEAD_MS = 2 * 60_000;
/** The calendar names hours of a week, so the same hour comes again after seven days. */
const FARTHEST_MS = 167 * HOUR_MS;

/** As if it ran from the first moment on: never later than the money lasts. */
export function limitWish(
  { maxLifetimeMs, maxSpendUsd }: SpendLimits,
  price: { runningPerHourUsd: number; downloadUsd: number },
  rentedMs: number,
): LimitWish {
  return {
    timeMs: maxLifetimeMs === null ? null : rentedMs + maxLifetimeMs,
    moneyMs: maxSpendUsd === null ? null : rentedMs + lastsMs(maxSpendUsd - price.downloadUsd, price.runningPerHourUsd),
  };
}

/** How long the money lasts. */
export function lastsMs(usd: number, perHourUsd: number): number {
  return (Math.max(0, usd) / Math.max(perHourUsd, 1e-6)) * HOUR_MS;
}

/**
 * The platform acts at full hours only. Money is a ceiling: the last hour before it is spent. A time is rounded down, too,
 * unless that leaves less than half of it; then up. The earlier of the two counts. Throws when there is no such hour.
 */
export function limitTime(wish: LimitWish, moments: Moments): LimitTime | null {
  const found = [byTime(wish.timeMs, moments), byMoney(wish.moneyMs, moments)].filter((time) => time !== null);
  const [first] = found.sort((one, other) => one.atMs - other.atMs);
  if (first === undefined) return null;
  if (first.atMs - moments.nowMs > FARTHEST_MS) throw tooFar(first, moments.nowMs);
  return first;
}

function byTime(wantedMs: number | null, { sinceMs, nowMs }: Moments): LimitTime | null {
  if (wantedMs === null) return null;
  if (wantedMs <= nowMs) throw reached(wantedMs);
  const before = Math.floor(wantedMs / HOUR_MS) * HOUR_MS;
  if (before >= nowMs + LEAD_MS && (before - sinceMs) * 2 >= wantedMs - sinceMs) return { atMs: before, wantedMs };
  return { atMs: fullHourAfter(Math.max(wantedMs, nowMs + LEAD_MS)), wantedMs };
}

function byMoney(wantedMs: number | null, { nowMs }: Moments): LimitTime | null {
  if (wantedMs === null) return null;
  const atMs = Math.floor(wantedMs / HOUR_MS) * HOUR_MS;
  if (atMs >= nowMs + LEAD_MS) return { atMs, wantedMs };
  throw tooLittle(wantedMs, nowMs);
}

/** The first full hour for which a job can still be set. */
function firstHourMs(nowMs: number): number {
  return fullHourAfter(nowMs + LEAD_MS);
}

function fullHourAfter(ms: number): number {
  return Math.ceil(ms / HOUR_MS) * HOUR_MS;
}

function reached(wantedMs: number): ForgeError {
  return new ForgeError(`The limit was reached at ${isoMinute(wantedMs)}.`, {
    code: 'LIMIT_REACHED',
    exit: EXIT.moneyLimit,
    hint: 'Give more time.',
    details: { limit_at: new Date(wantedMs).toISOString() },
  });
}

function tooLittle(wantedMs: number, nowMs: number): ForgeError {
  const first = firstHourMs(nowMs);
  return new ForgeError(
    `The money would be spent by ${isoMinute(wantedMs)}, and the platform acts at full hours only, next at ${isoMinute(first)}.`,
    {
      code: 'LIMIT_TOO_SMALL',
      exit: EXIT.moneyLimit,
      hint: 'Give --max-spend more, or --max-lifetime instead.',
      details: { money_lasts_until: new Date(wantedMs).toISOString(), first_limit_at: new Date(first).toISOString() },
    },
  );
}

function tooFar({ wantedMs }: LimitTime, nowMs: number): ForgeError {
  return new ForgeError(
    `The platform's calendar reaches ${FARTHEST_MS / HOUR_MS} hours ahead; this limit would be in ${Math.round((wantedMs - nowMs) / HOUR_MS)}.`,
    {
      code: 'LIMIT_TOO_FAR',
      exit: EXIT.usage,
      hint: 'Add --max-lifetime 6d: the earlier of two limits counts, and forgectl limit moves it later.',
      details: { limit_at: new Date(wantedMs).toISOString() },
    },
  );
}

/** "2026-11-24 17:00 UTC" */
export function isoMinute(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
