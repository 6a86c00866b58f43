import type { VastClient } from './client.js';
import type { Charge, ChargeKind } from './model.js';
import { readChargePage } from './schema/charge.js';
import { nonsense, type VastError } from './vast-error.js';

const ROUTE = '/api/v0/charges/';
/** The API's maximum (vast-api 10). */
const PAGE_SIZE = 500;
const MAX_PAGES = 200;

export interface ChargeRange {
  /** Whole UTC days, by their first millisecond: the platform keeps its books by the day. */
  firstDayMs: number;
  lastDayMs: number;
}

const DAY_S = 86_400;

export function chargesApi(client: VastClient) {
  return {
    /** One row a contract or volume, also of those that are gone. All pages, or an error. */
    list: (range: ChargeRange, options: { tries?: number } = {}): Promise<Charge[]> => listAll(client, range, options),
  };
}

async function listAll(client: VastClient, range: ChargeRange, options: { tries?: number }): Promise<Charge[]> {
  const day = { gte: range.firstDayMs / 1000, lte: range.lastDayMs / 1000 + DAY_S - 1 };
  const rows = new Map<string, Charge>();
  const tokens = new Set<string>();
  let total: number | null = null;
  let token: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await client.request({
      method: 'GET',
      route: ROUTE,
      query: {
        select_filters: { day },
        format: 'table',
        // New contracts come last, so that they cannot push a row from one page to the next.
        latest_first: false,
        limit: PAGE_SIZE,
        ...(token === undefined ? {} : { after_token: token }),
      },
      read: readChargePage,
      ...options,
    });
    for (const row of answer.results) rows.set(`${row.source} ${row.startMs} ${row.endMs}`, row);
    total ??= answer.total ?? null;
    const next = answer.next_token ?? '';
    if (next === '') {
      if (total !== null && rows.size < total) throw incomplete(`${rows.size} of ${total} rows and no further page`);
      return bySource([...rows.values()]);
    }
    if (tokens.has(next)) throw incomplete('the same page token came twice');
    tokens.add(next);
    token = next;
  }
  throw incomplete(`more than ${MAX_PAGES} pages`);
}

/** Should a contract have a row for each of several spans, they are its parts. */
function bySource(rows: readonly Charge[]): Charge[] {
  const whole = new Map<string, Charge>();
  for (const row of rows) {
    const before = whole.get(row.source);
    whole.set(row.source, before === undefined ? row : joined(before, row));
  }
  return [...whole.values()];
}

function joined(one: Charge, other: Charge): Charge {
  const kinds = { ...one.kinds };
  for (const kind of Object.keys(kinds) as ChargeKind[]) kinds[kind] += other.kinds[kind];
  const outer = (pick: (...times: number[]) => number, a: number | null, b: number | null): number | null =>
    a === null || b === null ? null : pick(a, b);
  return {
    ...one,
    kinds,
    startMs: outer(Math.min, one.startMs, other.startMs),
    endMs: outer(Math.max, one.endMs, other.endMs),
  };
}

/** A bill with a hole is an error, not a smaller bill. */
function incomplete(why: string): VastError {
  return nonsense(
    { method: 'GET', route: ROUTE, status: 200, apiError: null, apiMessage: null },
    `the list of charges is not complete: ${why}`,
    false,
  );
}
