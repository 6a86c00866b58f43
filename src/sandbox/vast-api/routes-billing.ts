import type { World } from '../world.js';
import { jsonQuery, numberQuery, ok, type Route } from './answers.js';
import { bill, billVolumes, chargeRows } from './billing.js';
import { BadRequest, type Filter, matches } from './filter.js';

const DEFAULT_PAGE = 100;
const MAX_PAGE = 500;

export function billingRoutes(world: World): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v0/charges/',
      scope: 'billing_read',
      threshold: 1,
      handle: ({ query }) => {
        const { day, type } = (jsonQuery(query, 'select_filters') ?? {}) as Filter;
        const [gte, lte] = [day?.['gte'], day?.['lte']];
        if (typeof gte !== 'number' || typeof lte !== 'number')
          throw new BadRequest("Must provide both 'day' gte and lte filters for instance charges");
        billAll(world);
        const rows = chargeRows(world, { gte, lte }).filter((row) => type === undefined || matches(row, { type }));
        if (query.get('latest_first') !== 'false') rows.reverse();
        const from = placeOf(rows, query.get('after_token'));
        const page = rows.slice(from, from + pageSize(numberQuery(query, 'limit', DEFAULT_PAGE)));
        const last = from + page.length < rows.length ? page.at(-1) : undefined;
        return ok({
          success: true,
          count: page.length,
          total: rows.length,
          next_token: last === undefined ? null : tokenOf(last),
          results: page.map(({ id: _id, ...row }) => row),
        });
      },
    },
    {
      method: 'GET',
      path: '/api/v1/invoices/',
      scope: 'billing_read',
      threshold: 3,
      handle: ({ query }) => {
        const { when } = (jsonQuery(query, 'select_filters') ?? {}) as { when?: Record<string, number> };
        // A bad range is a 200 with success false (vast-api 10).
        if (when === undefined) return ok({ success: false, error: 'invalid_request', msg: 'Invalid date range' });
        return ok({ success: true, count: 0, total: 0, next_token: null, results: [] });
      },
    },
  ];
}

function billAll(world: World): void {
  const now = world.now();
  billVolumes(world, now);
  for (const contract of world.living()) bill(world, contract, now);
}

function pageSize(asked: number): number {
  return Math.min(MAX_PAGE, Math.max(1, asked));
}

function tokenOf(row: Record<string, unknown>): string {
  return Buffer.from(JSON.stringify({ values: { source: row['source'] } })).toString('base64');
}

function placeOf(rows: readonly Record<string, unknown>[], token: string | null): number {
  if (token === null || token === '') return 0;
  let source: unknown;
  try {
    source = (JSON.parse(Buffer.from(token, 'base64').toString('utf8')) as { values: { source: unknown } }).values
      .source;
  } catch {
    throw new BadRequest('Invalid pagination token');
  }
  const at = rows.findIndex((row) => row['source'] === source);
  if (at === -1) throw new BadRequest('Invalid pagination token');
  return at + 1;
}
