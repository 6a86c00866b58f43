/** What a route answers with. `text` answers are sent as plain text, as the real API does for 429. */
export interface Answer {
  status: number;
  body: unknown;
  text?: boolean;
}

export const ok = (body: unknown): Answer => ({ status: 200, body });

/** The usual error body (docs: rate-limits-and-errors). */
export function refuse(status: number, error: string, msg: string, more: Record<string, unknown> = {}): Answer {
  return { status, body: { success: false, error, msg, ...more } };
}

export interface Call {
  method: string;
  params: Record<string, string>;
  query: URLSearchParams;
  body: Record<string, unknown>;
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With {placeholders} and a trailing slash. */
  path: string;
  /** Scope that a restricted key needs (vast-api 1.4); null: any key; "open": no key at all. */
  scope: string | null | 'open';
  /** Least seconds between two calls, or calls a minute. */
  threshold?: number;
  perMinute?: number;
  /** An instance's own key may call it for its own id. */
  instanceKey?: boolean;
  handle: (call: Call) => Answer | Promise<Answer>;
}

/** Query values that are not strings are JSON (vast-api 1.1). Undefined when absent; throws SyntaxError on garbage. */
export function jsonQuery(query: URLSearchParams, name: string): unknown {
  const text = query.get(name);
  return text === null ? undefined : (JSON.parse(text) as unknown);
}

export function numberQuery(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  const number = Number(text);
  return text === null || !Number.isFinite(number) ? fallback : number;
}
