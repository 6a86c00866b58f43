import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { World } from '../world.js';
import { type Answer, type Call, type Route, refuse } from './answers.js';
import type { Fault, FaultList } from './faults.js';
import { BadRequest } from './filter.js';

const MAX_BODY_BYTES = 1024 * 1024;
/** Limits are enforced a little late: two processes never measure the same instant. */
const TOLERANCE = 0.97;
/** These answer a bad key with 404 (published spec: search offers, charges, invoices). */
const BAD_KEY_IS_404 = /^\/api\/v0\/(bundles|charges)\/|^\/api\/v1\/invoices\//u;

interface Deps {
  world: World;
  faults: FaultList;
  routes: readonly Route[];
  log: (line: string) => void;
}

/** Routing, keys, rate limits, faults. What a route means is in its own file. */
export function createApiServer(deps: Deps): Server {
  const lastCalls = new Map<string, number[]>();
  return createServer((request, response) => {
    serve(deps, lastCalls, request, response).catch((error: Error) => {
      deps.log(error.stack ?? error.message);
      if (!response.headersSent) send(response, refuse(500, 'internal', error.message));
    });
  });
}

async function serve(
  deps: Deps,
  lastCalls: Map<string, number[]>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://sandbox.invalid');
  const path = url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`;
  const method = request.method ?? 'GET';
  const found = match(deps.routes, method, path);
  const text = await readBody(request);
  if (found === null) {
    send(
      response,
      deps.routes.some((route) => pattern(route).test(path))
        ? refuse(405, 'method_not_allowed', 'Method Not Allowed')
        : refuse(404, 'not_found', 'Not Found'),
    );
    return;
  }
  const { route, params } = found;
  const denied =
    route.scope === 'open' ? null : checkKey(deps.world, route, params, request.headers.authorization, path);
  const limited = denied ?? checkRate(deps.world, lastCalls, route, request.headers.authorization ?? '');
  if (limited !== null) {
    send(response, limited);
    return;
  }
  const fault = deps.faults.ofCall(method, route.path);
  if (fault !== null && breaksBefore(fault, response)) return;
  const answer = await answerOf(route, { method, params, query: url.searchParams, text });
  deps.log(`${method} ${path} → ${answer.status}`);
  if (fault?.name === 'close-after') response.destroy();
  else if (fault?.name === 'error-with-contract') send(response, refusedAndRented(fault, answer));
  else send(response, answer);
}

async function answerOf(route: Route, raw: Omit<Call, 'body'> & { text: string }): Promise<Answer> {
  let body: unknown = {};
  try {
    body = raw.text === '' ? {} : JSON.parse(raw.text);
  } catch {
    return refuse(400, 'invalid_request', 'Invalid JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return refuse(400, 'invalid_request', 'The body must be an object');
  try {
    return await route.handle({ ...raw, body: body as Record<string, unknown> });
  } catch (error) {
    if (error instanceof BadRequest || error instanceof SyntaxError)
      return refuse(400, 'invalid_request', error.message);
    throw error;
  }
}

/** Faults that never let the call through. Returns true when the answer is given (or refused). */
function breaksBefore(fault: Fault, response: ServerResponse): boolean {
  switch (fault.name) {
    case 'http-status':
      send(
        response,
        fault.status === 429
          ? { status: 429, body: 'API requests too frequent: endpoint threshold=4.5', text: true }
          : refuse(fault.status ?? 500, 'internal', fault.message ?? 'A fault that was switched on'),
      );
      return true;
    case 'garbage':
      send(response, { status: 200, body: '<html>504 Gateway Time-out</html>', text: true });
      return true;
    case 'success-false':
      send(response, { status: 200, body: { success: false, error: 'internal', msg: 'A fault that was switched on' } });
      return true;
    case 'offer-gone':
      send(
        response,
        refuse(
          fault.status ?? 404,
          'invalid_args',
          'error 404/3603: no_such_ask Instance type by id is not available.',
        ),
      );
      return true;
    case 'close-before':
      response.destroy();
      return true;
    case 'hang':
      return true;
    default:
      return false;
  }
}

/** The renting call is carried out and refused in one answer, as for a bid that turns out too low (peers: dstack). */
function refusedAndRented(fault: Fault, { body }: Answer): Answer {
  const { new_contract: contract } = body as { new_contract?: number };
  return refuse(fault.status ?? 200, 'invalid_price', fault.message ?? 'Your bid is too low', {
    new_contract: contract,
  }) as Answer;
}

function checkKey(
  world: World,
  route: Route,
  params: Record<string, string>,
  header: string | undefined,
  path: string,
): Answer | null {
  if (header === undefined) return refuse(403, 'auth_error', 'This action requires login.');
  const key = header.replace(/^Bearer\s+/u, '');
  const { apiKey, apiKeys } = world.state;
  if (key === apiKey) return null;
  const scoped = apiKeys.find((candidate) => candidate.key === key);
  if (scoped !== undefined) {
    const allowed = route.scope === null || Object.hasOwn(scoped.permissions.api, route.scope);
    return allowed ? null : refuse(403, 'not_authorized', `This API key lacks the permission ${route.scope}`);
  }
  const instance = world.living().find((contract) => contract.apiKey === key);
  if (instance !== undefined) {
    return route.instanceKey && params['id'] === String(instance.id)
      ? null
      : refuse(403, 'not_authorized', 'Restricted key');
  }
  return refuse(BAD_KEY_IS_404.test(path) ? 404 : 401, 'auth_error', 'Invalid user key');
}

/** Per method, route and key, in the sandbox's own time; the body is plain text (vast-api 1.2). */
function checkRate(world: World, lastCalls: Map<string, number[]>, route: Route, identity: string): Answer | null {
  const name = `${route.method} ${route.path} ${identity}`;
  const now = world.now();
  const calls = lastCalls.get(name) ?? [];
  const last = calls.at(-1);
  const tooSoon =
    route.threshold !== undefined && last !== undefined && now - last < route.threshold * 1000 * TOLERANCE;
  const recent = calls.filter((at) => now - at < 60_000);
  const tooMany = route.perMinute !== undefined && recent.length >= route.perMinute;
  if (tooSoon || tooMany)
    return {
      status: 429,
      body: `API requests too frequent${route.threshold === undefined ? '' : `: endpoint threshold=${route.threshold}`}`,
      text: true,
    };
  lastCalls.set(name, [...recent, now].slice(-(route.perMinute ?? 1)));
  return null;
}

const patterns = new WeakMap<Route, RegExp>();

function pattern(route: Route): RegExp {
  const known = patterns.get(route);
  if (known !== undefined) return known;
  const made = new RegExp(`^${route.path.replace(/\{(\w+)\}/gu, (_, name: string) => `(?<${name}>[^/]+)`)}$`, 'u');
  patterns.set(route, made);
  return made;
}

function match(
  routes: readonly Route[],
  method: string,
  path: string,
): { route: Route; params: Record<string, string> } | null {
  for (const route of routes) {
    const found = route.method === method ? pattern(route).exec(path) : null;
    if (found !== null) {
      const params = Object.entries(found.groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]);
      return { route, params: Object.fromEntries(params) as Record<string, string> };
    }
  }
  return null;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new BadRequest('The body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, { status, body, text }: Answer): void {
  response.writeHead(status, { 'content-type': text ? 'text/plain; charset=utf-8' : 'application/json' });
  response.end(text ? String(body) : JSON.stringify(body));
}
