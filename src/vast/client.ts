import type { Clock } from '../clock.js';
import { isLoopbackHost } from '../loopback.js';
import type { KnownValues } from '../secrets/known-values.js';
import { redactSecrets } from '../secrets/redact.js';
import { rememberSent } from '../secrets/sent.js';
import { Pacer } from './rate-limits.js';
import { redactJson, sentIn } from './redact.js';
import { type HttpAnswer, Transport } from './transport.js';
import { type CallFacts, cleanApiText, isRenting, nonsense, refusal, unreachable, VastError } from './vast-error.js';

/** One line of the wire log; bodies are redacted already. */
export interface WireEntry {
  method: string;
  url: string;
  status: number | null;
  elapsedMs: number;
  sent: unknown;
  received: unknown;
}

export interface VastClientOptions {
  baseUrl: string;
  /** Reveals the key at the moment of sending. */
  apiKey: () => string;
  clock: Clock;
  userAgent: string;
  /** Wall time for one call. */
  timeoutMs?: number;
  onWire?: (entry: WireEntry) => void;
  /** The one that counts now: after an interruption, clean-up goes on under another. */
  signal?: () => AbortSignal;
  /** 0..1; full jitter of the back-off. */
  random?: () => number;
}

export interface VastRequest<T> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With {placeholders}; ends in a slash, as the API's canonical paths do. */
  route: string;
  params?: Record<string, string | number>;
  /** Values that are not strings are sent as JSON (vast-api 1.1). */
  query?: Record<string, unknown>;
  body?: unknown;
  /** Reads the parsed body. Throws an Error that says what is wrong with it. */
  read: (body: unknown) => T;
  /** Some refusals are answers: what is returned instead of throwing; undefined for those that are not. */
  readRefusal?: (status: number, body: unknown) => T | undefined;
  /** How often it is sent at most when nothing speaks against it; 1 for what may well be missing. */
  tries?: number;
  /** Wall time for one call, where the client's own is too long to wait. */
  timeoutMs?: number;
}

/** Of an answer that is shown in a message. */
const MOST_OF_ANSWER = 8192;
const MAX_TRIES = 5;
const BACK_OFF_MS = 1_000;
const MAX_BACK_OFF_MS = 30_000;

/** The one door to the API: pacing, sending, retrying what is safe to repeat, and one kind of error. */
export class VastClient {
  private readonly options: VastClientOptions;
  private readonly transport: Transport;
  private readonly pacer: Pacer;
  private readonly base: URL;
  private readonly closing = new AbortController();
  /** How many requests went out, for the budget of calls. */
  calls = 0;

  constructor(options: VastClientOptions) {
    this.options = options;
    this.base = new URL(options.baseUrl);
    if (!/^https?:$/u.test(this.base.protocol))
      throw new Error(`The API's base URL must be http or https, not ${this.base.protocol}`);
    if (!isSafe(this.base)) throw new Error(`The API's base URL must be https: the key goes to ${this.base.host}`);
    this.transport = new Transport(options.timeoutMs ?? 60_000);
    this.pacer = new Pacer(options.clock);
  }

  async request<T>(request: VastRequest<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.tryOnce(request);
      } catch (error) {
        if (!(error instanceof VastError) || attempt >= (request.tries ?? MAX_TRIES) || !mayRepeat(request, error))
          throw error;
        await this.options.clock.sleep(this.backOffMs(attempt, error), this.options.signal?.());
      }
    }
  }

  /** Reads a result file of the object store: another host, and no key. Null while it is not there yet. */
  async fetchResult(url: string): Promise<string | null> {
    const facts: CallFacts = { method: 'GET', route: 'result_url', status: null, apiError: null, apiMessage: null };
    const target = URL.canParse(url, this.base.href) ? new URL(url, this.base) : null;
    // The host key's proof comes this way, so nobody on the way may write it.
    const isHere = target !== null && this.base.protocol === 'http:' && isSafe(target);
    if (target === null || (target.protocol !== 'https:' && !isHere))
      throw nonsense(facts, 'result_url is not an https address', false);
    const answer = await this.exchange(facts, target, {}, { sent: sentIn(null) }).catch((error: unknown) => {
      if (error instanceof VastError) return null;
      throw error;
    });
    return answer !== null && answer.status === 200 ? answer.text : null;
  }

  /** Waits in the clock's time; ends early, with an error, by an interruption or by `close`. */
  wait(ms: number): Promise<void> {
    const signal = this.options.signal?.();
    const ends = signal === undefined ? this.closing.signal : AbortSignal.any([signal, this.closing.signal]);
    return this.options.clock.sleep(ms, ends);
  }

  async close(): Promise<void> {
    this.closing.abort(new Error('the API client was closed'));
    await this.transport.close();
  }

  private async tryOnce<T>(request: VastRequest<T>): Promise<T> {
    const { method, route } = request;
    const facts: CallFacts = { method, route, status: null, apiError: null, apiMessage: null };
    const finished = await this.pacer.turn(method, route, this.options.signal?.());
    try {
      const key = this.options.apiKey();
      rememberSent(key);
      const sent = sentIn(request.body);
      sent.add(key);
      const headers = { authorization: `Bearer ${key}` };
      const answer = await this.exchange(facts, this.urlOf(request), headers, { ...request, sent });
      return this.understand(request, { ...facts, status: answer.status }, answer, sent);
    } finally {
      finished();
    }
  }

  private async exchange(
    facts: CallFacts,
    url: URL,
    headers: Record<string, string>,
    {
      body,
      sent,
      timeoutMs = this.options.timeoutMs ?? 60_000,
    }: Pick<VastRequest<unknown>, 'body' | 'timeoutMs'> & { sent: KnownValues },
  ): Promise<HttpAnswer> {
    const { userAgent } = this.options;
    const signal = this.options.signal?.();
    signal?.throwIfAborted();
    const startedMs = Date.now();
    this.calls += 1;
    const log = (status: number | null, received: () => unknown): void =>
      this.options.onWire?.({
        method: facts.method,
        url: redactSecrets(url.href),
        status,
        elapsedMs: Date.now() - startedMs,
        sent: redactJson(body),
        received: received(),
      });
    try {
      const answer = await this.transport.send({
        method: facts.method,
        url: url.href,
        headers: {
          accept: 'application/json',
          'user-agent': userAgent,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? null : JSON.stringify(body),
        timeoutMs,
        signal,
      });
      log(answer.status, () =>
        facts.route === 'result_url' ? `${answer.text.length} characters` : shownAnswer(answer.text, sent),
      );
      return answer;
    } catch (error) {
      signal?.throwIfAborted();
      log(null, () => cleanApiText(sent.hide((error as Error).message)));
      const { code } = error as { code?: string };
      const neverSent =
        code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'UND_ERR_CONNECT_TIMEOUT';
      throw unreachable(facts, error, facts.method !== 'GET' && !neverSent);
    }
  }

  private understand<T>(request: VastRequest<T>, facts: CallFacts, answer: HttpAnswer, sent: KnownValues): T {
    const clean = (text: unknown): string | null =>
      cleanApiText(typeof text === 'string' ? sent.hide(text.slice(0, MOST_OF_ANSWER)) : text);
    const body = parseJson(answer.text);
    const said = isRecord(body) ? body : {};
    const told: CallFacts = {
      ...facts,
      apiError: clean(said['error']),
      apiMessage:
        clean(said['msg'] ?? said['message'] ?? said['detail']) ?? (body === undefined ? clean(answer.text) : null),
    };
    const isWrite = facts.method !== 'GET';
    const leftContractId = isRenting(facts.route) ? contractIn(said) : null;
    if (answer.status < 200 || answer.status >= 300) {
      const meant = request.readRefusal?.(answer.status, body);
      if (meant !== undefined) return meant;
      const error = refusal(told, { outcomeUnknown: isWrite && answer.status >= 500, leftContractId });
      throw Object.assign(error, { waitS: answer.retryAfterS ?? thresholdOf(told.apiMessage) });
    }
    if (body === undefined) throw nonsense({ ...told, apiMessage: null }, 'it is not JSON', isWrite);
    if (said['success'] === false) throw refusal(told, { leftContractId });
    try {
      return request.read(body);
    } catch (error) {
      throw nonsense(told, clean((error as Error).message) ?? 'its shape is not as documented', isWrite);
    }
  }

  private urlOf({ route, params, query }: VastRequest<unknown>): URL {
    const path = route.replace(/\{(\w+)\}/gu, (_, name: string) => encodeURIComponent(String(params?.[name])));
    const url = new URL(path, this.base);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, typeof value === 'string' ? value : JSON.stringify(value));
    }
    return url;
  }

  private backOffMs(attempt: number, error: VastError): number {
    const { waitS } = error as VastError & { waitS?: number | null };
    const jitter = (this.options.random ?? Math.random)() * Math.min(MAX_BACK_OFF_MS, BACK_OFF_MS * 2 ** attempt);
    return waitS === null || waitS === undefined ? jitter : Math.min(waitS, 120) * 1000 + jitter / 4;
  }
}

/**
 * What may be sent again by itself. 429 means "not carried out", so any call may be, but the renting ones: those are
 * repeated by nobody who has not looked for the label first. GET and DELETE also after a failure in between.
 */
function mayRepeat({ method, route }: VastRequest<unknown>, error: VastError): boolean {
  const { status, apiError } = error.facts;
  if (isRenting(route)) return false;
  if (status === 429) return apiError !== 'tfa_locked';
  const passing = status === null ? error.code === 'API_UNREACHABLE' : [502, 503, 504].includes(status);
  return passing && (method === 'GET' || method === 'DELETE');
}

/** "API requests too frequent: endpoint threshold=4.5" (docs: rate-limits-and-errors). Seconds. */
function thresholdOf(message: string | null): number | null {
  const found = /threshold\s*=\s*(\d+(?:\.\d+)?)/u.exec(message ?? '')?.[1];
  return found === undefined ? null : Number(found);
}

/** A bid that is too low can make a contract and be refused in one answer (peers: dstack). */
function contractIn(said: Record<string, unknown>): number | null {
  const id = Number(said['new_contract'] ?? Number.NaN);
  return Number.isSafeInteger(id) && id > 0 ? id : null;
}

/** http is for this computer only. */
function isSafe({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isLoopbackHost(hostname));
}

/** For the wire log. */
function shownAnswer(text: string, sent: KnownValues): unknown {
  const body = parseJson(text);
  if (body !== undefined) return redactJson(sent.hideIn(body));
  return cleanApiText(sent.hide(text.slice(0, MOST_OF_ANSWER)));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
