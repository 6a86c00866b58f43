import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Lies } from './hostile-home.ts';

export const ESCAPES = '\u001b]0;API\u0007\u001b[2J\u009b31m\u202e\u2066\r\b\u001b[5;31;47mX\u0085';

/** Words that the client has to recognise, and addresses that it has to reach, if it is to come to the rest. */
const KEPT =
  /^(?:actual_status|intended_status|cur_state|next_state|image_runtype|runtype|success|.*_token|.*ipaddr|ssh_host|result_url|hash_id|template_hash_id|HostPort|HostIp|type|source|frequency|request_method|api_endpoint|env|extra_env)$/u;
const VALUES: readonly unknown[] = [
  ...[null, true, -1, 1e308, 0.5, 2 ** 53 + 1, 1e18, '', 'x'.repeat(20_000), '..', [], {}, { toString: 1 }, [null]],
  ESCAPES,
];

/** In front of the sandbox's API: passes everything on, and puts lies into its answers. */
export class HostileApi {
  lies: Lies | null = null;
  private target = '';
  private readonly server: Server = createServer((request, response) => void this.pass(request, response));

  /** Its own address. */
  async start(target: string): Promise<string> {
    this.target = target;
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const sent: Buffer[] = [];
    for await (const chunk of request) sent.push(chunk as Buffer);
    const { method = 'GET', headers, url = '/' } = request;
    const answer = await fetch(`${this.target}${url}`, {
      method,
      headers: { authorization: headers.authorization ?? '', 'content-type': 'application/json' },
      // What a lie has put into a name must still find it.
      ...(method === 'GET' ? {} : { body: Buffer.concat(sent).toString().replaceAll(escaped(ESCAPES), '') }),
    });
    const text = await answer.text();
    const type = answer.headers.get('content-type') ?? '';
    response.writeHead(answer.status, { 'content-type': type });
    response.end(this.lies === null || !type.includes('json') ? text : this.lie(text, this.lies, `${method} ${url}`));
  }

  private lie(text: string, lies: Lies, call: string): string {
    const random = randomOf(`${lies.seed} ${call}`);
    const spoil = (value: unknown, key: string): unknown => {
      if (Array.isArray(value) && value.length > 0) return value.map((each) => spoil(each, key));
      if (typeof value === 'object' && value !== null && Object.keys(value).length > 0)
        return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, spoil(each, name)]));
      if (random() >= lies.share) return value;
      if (lies.values === 'all') return VALUES[Math.floor(random() * VALUES.length)];
      return typeof value === 'string' && !KEPT.test(key) ? value + ESCAPES : value;
    };
    return JSON.stringify(spoil(JSON.parse(text), ''));
  }
}

function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** mulberry32 over a hash of the text: the same on every computer. */
function randomOf(text: string): () => number {
  let state = [...text].reduce(
    (hash, character) => Math.imul(hash ^ character.charCodeAt(0), 16_777_619),
    2_166_136_261,
  );
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
