import { hostname } from 'node:os';
import type { Inspector } from '../../ssh/socket-pair.js';
import {
  ChunkedBody,
  canBeginRequest,
  endOfHead,
  isForeignLine,
  LONGEST_HEAD,
  type RequestHead,
  readHead,
} from './http-heads.js';
import { isLoopback } from './specs.js';

const NOTHING = Buffer.alloc(0);

/**
 * Lets requests pass that name this computer as their host. A page of the web can have its own name lead to 127.0.0.1 (DNS
 * rebinding) and would reach what listens here, past every password, but its browser still says the page's name. What cannot
 * be a request of HTTP/1 is passed on as it is: a browser sends nothing else in clear, and TLS knows its own names.
 */
export class HostCheck implements Inspector {
  refusal: Buffer | null = null;
  private readonly mayBe: (host: string) => boolean;
  /** Of a head that has not come to its end. */
  private held: Buffer = NOTHING;
  private isFirst = true;
  private body: number | ChunkedBody = 0;
  private passesAll = false;

  constructor(mayBe: (host: string) => boolean) {
    this.mayBe = mayBe;
  }

  inspect(chunk: Buffer): Buffer {
    if (this.passesAll) return chunk;
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    const searched = Math.max(0, this.held.length - 2);
    this.held = NOTHING;
    const good = this.goodPart(bytes, searched);
    return good === bytes.length ? bytes : bytes.subarray(0, good);
  }

  /** Up to where it may pass. `searched`: no head ends before. */
  private goodPart(bytes: Buffer, searched: number): number {
    let at = 0;
    while (at < bytes.length) {
      const skipped = this.skipBody(bytes, at);
      if (skipped === -1) return this.refuse(BAD_REQUEST, at);
      at += skipped;
      if (this.body !== 0 || at === bytes.length) continue;
      const from = this.startOfHead(bytes, at);
      if (this.isFirst && this.isForeign(bytes, from)) return this.passAll(bytes);
      const end = endOfHead(bytes, from, searched);
      if ((end === -1 ? bytes.length : end) - at > LONGEST_HEAD) return this.refuse(TOO_LONG, at);
      if (end === -1) {
        this.held = bytes.subarray(at);
        return at;
      }
      const head = readHead(bytes.toString('latin1', from, end));
      if (head === null) return this.refuse(BAD_REQUEST, at);
      const refusal = this.judge(head);
      if (refusal !== null) return this.refuse(refusal, at);
      at = this.goOn(head, bytes, end);
    }
    return at;
  }

  private goOn(head: RequestHead, bytes: Buffer, end: number): number {
    this.isFirst = false;
    // Whoever is told that nothing changes sends no other host either: a browser keeps a connection for one origin.
    if (head.changesProtocol) return this.passAll(bytes);
    this.body = head.body === 'chunked' ? new ChunkedBody() : head.body;
    return end;
  }

  private skipBody(bytes: Buffer, from: number): number {
    if (typeof this.body === 'number') {
      const taken = Math.min(this.body, bytes.length - from);
      this.body -= taken;
      return taken;
    }
    const taken = this.body.skip(bytes, from);
    if (this.body.isOver) this.body = 0;
    return taken;
  }

  /** Servers pass over empty lines before a request. */
  private startOfHead(bytes: Buffer, at: number): number {
    let from = at;
    while (bytes[from] === 0x0d || bytes[from] === 0x0a) from += 1;
    return from;
  }

  private isForeign(bytes: Buffer, from: number): boolean {
    if (from === bytes.length) return false;
    if (!canBeginRequest(bytes[from] as number)) return true;
    const end = bytes.indexOf(0x0a, from) + 1;
    return end > 0 && isForeignLine(bytes.toString('latin1', from, end));
  }

  private judge({ hosts, hasMinorVersion0 }: RequestHead): Buffer | null {
    const foreign = hosts.find((host) => !this.mayBe(host));
    if (foreign !== undefined) return forbidden(foreign);
    return hosts.length === 0 && !hasMinorVersion0 ? BAD_REQUEST : null;
  }

  private passAll(bytes: Buffer): number {
    this.passesAll = true;
    return bytes.length;
  }

  private refuse(answer: Buffer, at: number): number {
    this.refusal = answer;
    return at;
  }
}

/**
 * The names by which a browser may call a port of this computer that listens on `bound` (null: the loopback) and was reached
 * at `reached`. None of them can be another's: no DNS decides what localhost is, and an address is not looked up at all.
 */
export function hostsOfPort(bound: string | null, reached: string | undefined): (host: string) => boolean {
  const names = new Set(['localhost', '127.0.0.1', '[::1]']);
  if (bound !== null) names.add(asHost(bound));
  if (!isLoopback(bound)) {
    const own = hostname().toLowerCase();
    for (const name of [own, own.split('.')[0] as string]) names.add(name).add(`${name}.local`);
    // Bound to every address: the one that the client has found.
    if (reached !== undefined) names.add(asHost(reached.replace(/^::ffff:(?=\d+\.)/iu, '')));
  }
  return (host) => {
    const name = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/u.exec(host.toLowerCase())?.[1]?.replace(/\.$/u, '') ?? '';
    return names.has(name) || name.endsWith('.localhost');
  };
}

/** As a browser writes it: an address of IPv6 in brackets, as short as it can be. */
function asHost(address: string): string {
  if (!address.includes(':')) return address.toLowerCase();
  try {
    return new URL(`http://[${address.split('%', 1)[0]}]`).hostname;
  } catch {
    return address.toLowerCase();
  }
}

function forbidden(host: string): Buffer {
  const shown = host.slice(0, 100).replace(/[^\w.:[\]-]/gu, '?');
  return answer(
    '403 Forbidden',
    `This is a tunnel of forgectl to a rented machine. It answers to localhost, and was called "${shown}".
A page of the web that has its own name lead to this computer would call it so (DNS rebinding), and could then use
the service without its password.

If that name is yours: forgectl tunnel INSTANCE ... --any-host
`,
  );
}

const BAD_REQUEST = answer('400 Bad Request', 'The tunnel of forgectl cannot tell which host this request is for.\n');
const TOO_LONG = answer(
  '431 Request Header Fields Too Large',
  `The head of a request has ${LONGEST_HEAD} bytes at most.\n`,
);

function answer(status: string, text: string): Buffer {
  const fields = [
    `HTTP/1.1 ${status}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
  ];
  return Buffer.from(`${fields.join('\r\n')}\r\n\r\n${text}`);
}
