import type { Filters, FilterValue } from './offers.js';

/** One offer as the API gives it: any column can be filtered by. */
export type OfferRow = Readonly<Record<string, unknown>>;

type Test = (held: unknown, wanted: FilterValue) => boolean;

const OPERATORS: Record<string, Test> = {
  eq: isSame,
  neq: (held, wanted) => !isSame(held, wanted),
  gt: (held, wanted) => compare(held, wanted, (difference) => difference > 0),
  gte: (held, wanted) => compare(held, wanted, (difference) => difference >= 0),
  lt: (held, wanted) => compare(held, wanted, (difference) => difference < 0),
  lte: (held, wanted) => compare(held, wanted, (difference) => difference <= 0),
  in: (held, wanted) => asList(wanted).some((item) => isSame(held, item)),
  notin: (held, wanted) => !asList(wanted).some((item) => isSame(held, item)),
};

/** Whether the API would let the row through. Decided here, so that one search tells of many filters. */
export function fitsFilters(row: OfferRow, filters: Filters): boolean {
  return Object.entries(filters).every(([field, tests]) => {
    const held = columnOf(row, field);
    return Object.entries(tests).every(([operator, wanted]) => {
      const test = Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined;
      return test?.(held, wanted) ?? false;
    });
  });
}

/** Columns that are filtered by under another name or in another form than they are shown (vast-api 3.1). */
function columnOf(row: OfferRow, field: string): unknown {
  switch (field) {
    case 'reliability':
    case 'reliability2':
      return row['reliability2'] ?? row['reliability'];
    case 'verified':
      return row['verification'] === 'verified' || row['verified'] === true || row['verified'] === 'verified';
    case 'geolocation':
      return /,\s*([A-Z]{2})$/u.exec(String(row[field] ?? '').trim())?.[1] ?? row[field];
    case 'driver_version':
      return driverNumber(row[field]);
    default:
      return row[field];
  }
}

/** "535.86.05" -> 535086005, as searches write it. */
function driverNumber(held: unknown): unknown {
  const [, major, minor, patch] = /^(\d+)(?:\.(\d+))?(?:\.(\d+))?$/u.exec(String(held)) ?? [];
  return major === undefined ? held : Number(major) * 1_000_000 + Number(minor ?? 0) * 1000 + Number(patch ?? 0);
}

/** A switch that is not told is off: rows have `external` null. Underscores stand for spaces. */
function isSame(held: unknown, wanted: FilterValue): boolean {
  if (typeof held === 'string' && typeof wanted === 'string')
    return held.replaceAll('_', ' ') === wanted.replaceAll('_', ' ');
  if (typeof wanted === 'boolean') return Boolean(held) === wanted;
  return (held ?? null) === wanted;
}

function compare(held: unknown, wanted: FilterValue, test: (difference: number) => boolean): boolean {
  return typeof held === 'number' && typeof wanted === 'number' && test(held - wanted);
}

function asList(wanted: FilterValue): (string | number)[] {
  return Array.isArray(wanted) ? wanted : [];
}
