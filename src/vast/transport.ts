import { setFlagsFromString } from 'node:v8';
import { Agent } from 'undici';

// undici parses HTTP with a small WebAssembly module. Optimising it in the background costs a short command a fifth
// of its CPU time and gains nothing for the few answers it reads (test/bench/startup.js).
setFlagsFromString('--no-wasm-dynamic-tiering');
setFlagsFromString('--no-wasm-tier-up');

export interface HttpAnswer {
  status: number;
  text: string;
  retryAfterS: number | null;
}

export interface HttpCall {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | null;
  /** Wall time for connecting, for the headers, and between two pieces of the body. */
  timeoutMs: number;
  signal: AbortSignal | undefined;
}

/** An answer larger than this is nonsense: the biggest real ones (a thousand offers) are about 3 MB. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** One connection pool. Follows no redirects: the key must not travel to another host. */
export class Transport {
  private readonly agent: Agent;

  constructor(timeoutMs: number) {
    this.agent = new Agent({
      connect: { timeout: Math.min(timeoutMs, 20_000) },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
  }

  async send(call: HttpCall): Promise<HttpAnswer> {
    const deadline = AbortSignal.timeout(call.timeoutMs);
    const { origin, pathname, search } = new URL(call.url);
    const answer = await this.agent.request({
      origin,
      path: `${pathname}${search}`,
      method: call.method as 'GET',
      headers: call.headers,
      body: call.body,
      signal: call.signal === undefined ? deadline : AbortSignal.any([call.signal, deadline]),
    });
    const retryAfter = Number(answer.headers['retry-after']);
    return {
      status: answer.statusCode,
      text: await readBounded(answer.body),
      retryAfterS: Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
    };
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }
}

async function readBounded(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
