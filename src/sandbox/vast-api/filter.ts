/** The filter grammar of search, templates, lists and charges: field -> operator -> value (published spec: search offers). */
export class BadRequest extends Error {}

const OPERATORS: Record<string, (held: unknown, wanted: unknown) => boolean> = {
  eq: (held, wanted) => same(held, wanted),
  neq: (held, wanted) => !same(held, wanted),
  gt: (held, wanted) => compare(held, wanted, (difference) => difference > 0),
  gte: (held, wanted) => compare(held, wanted, (difference) => difference >= 0),
  lt: (held, wanted) => compare(held, wanted, (difference) => difference < 0),
  lte: (held, wanted) => compare(held, wanted, (difference) => difference <= 0),
  in: (held, wanted) => asList(wanted).some((item) => same(held, item)),
  notin: (held, wanted) => !asList(wanted).some((item) => same(held, item)),
};

export type Filter = Record<string, Record<string, unknown>>;

export function matches(
  row: Record<string, unknown>,
  filter: Filter,
  fieldOf = (field: string): unknown => row[field],
): boolean {
  return Object.entries(filter).every(([field, conditions]) => {
    if (typeof conditions !== 'object' || conditions === null || Array.isArray(conditions))
      throw new BadRequest(`Invalid filter for '${field}'`);
    return Object.entries(conditions).every(([operator, wanted]) => {
      const test = Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined;
      if (test === undefined) throw new BadRequest(`Invalid operator '${operator}' for '${field}'`);
      return test(fieldOf(field), wanted);
    });
  });
}

export function sortRows<T extends Record<string, unknown>>(
  rows: T[],
  order: unknown,
  fieldOf = (row: T, field: string): unknown => row[field],
): T[] {
  if (!Array.isArray(order)) throw new BadRequest('Invalid order');
  const keys = order.map((entry) => {
    if (Array.isArray(entry)) return { field: String(entry[0]), down: entry[1] === 'desc' };
    if (typeof entry === 'object' && entry !== null)
      return { field: String((entry as { col: unknown }).col), down: (entry as { dir: unknown }).dir === 'desc' };
    throw new BadRequest('Invalid order');
  });
  return [...rows].sort((one, other) => {
    for (const { field, down } of keys) {
      const difference = rank(fieldOf(one, field), fieldOf(other, field));
      if (difference !== 0) return down ? -difference : difference;
    }
    return 0;
  });
}

function same(held: unknown, wanted: unknown): boolean {
  if (typeof held === 'string' && typeof wanted === 'string')
    return held.replaceAll('_', ' ') === wanted.replaceAll('_', ' ');
  if (held === undefined) return wanted === null;
  return held === wanted || (typeof held === 'boolean' && typeof wanted === 'number' && Number(held) === wanted);
}

function compare(held: unknown, wanted: unknown, test: (difference: number) => boolean): boolean {
  if (typeof held !== 'number' || typeof wanted !== 'number') return false;
  return test(held - wanted);
}

function asList(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new BadRequest("'in' and 'notin' take a list");
  return value;
}

function rank(one: unknown, other: unknown): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return String(one ?? '').localeCompare(String(other ?? ''));
}
