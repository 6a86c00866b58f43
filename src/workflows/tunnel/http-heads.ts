/** What a client begins a request with, as far as it says where the request goes and where the next one begins. */
export interface RequestHead {
  /** Of Host, and of a target that names a host itself. */
  hosts: string[];
  /** Bytes that follow, or that they come in chunks. */
  body: number | 'chunked';
  /** It asks to speak something else from here on. */
  changesProtocol: boolean;
  hasMinorVersion0: boolean;
}

/** Longer ones are refused: servers take 64 KiB at most. */
export const LONGEST_HEAD = 64 * 1024;

const LF = 0x0a;
/** Of RFC 9110: what methods and names of fields are made of. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/u;
/** Bytes as Latin-1, so a target may hold any that is no control and no space. */
const REQUEST_LINE = /^([\w!#$%&'*+.^`|~-]+) ([!-~\u0080-\u00ff]+) HTTP\/1\.([0-9])$/u;

/** HTTP/2 without TLS, which no browser speaks. */
const HTTP2_LINE = /^PRI \* HTTP\/2\.0\r?\n?$/u;

/** Whether bytes that begin so can be a request of HTTP/1: TLS, say, cannot. */
export function canBeginRequest(byte: number): boolean {
  return byte === 0x0d || byte === LF || TOKEN.test(String.fromCharCode(byte));
}

/** Whether a line with its end is of another protocol, and no request that a lenient server would understand. */
export function isForeignLine(line: string): boolean {
  return line.endsWith('\n') && (HTTP2_LINE.test(line) || !/http\//iu.test(line));
}

/** Where a head that begins at `from` ends, behind its empty line; -1 for not yet. `searched`: no line before it is empty. */
export function endOfHead(bytes: Buffer, from: number, searched = from): number {
  for (let at = bytes.indexOf(LF, Math.max(from, searched)); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    const before = bytes[at - 1] === 0x0d ? at - 2 : at - 1;
    if (before < from || bytes[before] === LF) return at + 1;
  }
  return -1;
}

/** Null for what is no request of HTTP/1, or one that two readers could take for two different ones. */
export function readHead(text: string): RequestHead | null {
  const [line = '', ...fields] = text.replace(/\r?\n\r?\n$/u, '').split(/\r?\n/u);
  const [, method = '', target = '', minor = ''] = REQUEST_LINE.exec(line) ?? [];
  if (method === '') return null;
  const named = fieldsOf(fields);
  if (named === null) return null;
  const body = bodyOf(named, minor === '0');
  const hosts = hostsOf(named, method, target);
  if (body === null || hosts === null) return null;
  return {
    hosts,
    body,
    changesProtocol: method === 'CONNECT' || named.has('upgrade'),
    hasMinorVersion0: minor === '0',
  };
}

/** By their names in small letters. Null when a line is none, or is a folded one. */
function fieldsOf(lines: readonly string[]): Map<string, string[]> | null {
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    // A bare CR or NUL ends a line for some servers.
    if (!TOKEN.test(name) || /[\r\0]/u.test(line)) return null;
    fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return fields;
}

function bodyOf(fields: ReadonlyMap<string, string[]>, isOld: boolean): RequestHead['body'] | null {
  const codings = fields.get('transfer-encoding');
  const [length, ...more] = new Set(fields.get('content-length') ?? ['0']);
  if (more.length > 0 || !/^\d{1,15}$/u.test(length ?? '')) return null;
  if (codings === undefined) return Number(length);
  const isPlain = codings.length === 1 && codings[0]?.toLowerCase() === 'chunked';
  return isPlain && !isOld && !fields.has('content-length') ? 'chunked' : null;
}

/** Null when there are two, of which a server could take either. */
function hostsOf(fields: ReadonlyMap<string, string[]>, method: string, target: string): string[] | null {
  const named = fields.get('host') ?? [];
  if (named.length > 1) return null;
  if (target.startsWith('/') || target === '*') return named;
  const authority = method === 'CONNECT' ? target : /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/iu.exec(target)?.[1];
  return authority === undefined ? null : [...named, authority];
}

/** Passes over a body that comes in chunks. */
export class ChunkedBody {
  private state: 'size' | 'data' | 'trailer' = 'size';
  private line = '';
  private left = 0;
  isOver = false;

  /** How many of the bytes from `from` on belong to it; -1 when they are not what they should be. */
  skip(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length && !this.isOver) {
      if (this.state === 'data') {
        const taken = Math.min(this.left, bytes.length - at);
        this.left -= taken;
        at += taken;
        if (this.left === 0) this.state = 'size';
        continue;
      }
      const end = bytes.indexOf(LF, at);
      this.line += bytes.toString('latin1', at, end === -1 ? bytes.length : end);
      if (this.line.length > LONGEST_HEAD) return -1;
      if (end === -1) return bytes.length - from;
      at = end + 1;
      if (!this.lineIsGood(this.line.replace(/\r$/u, ''))) return -1;
      this.line = '';
    }
    return at - from;
  }

  private lineIsGood(line: string): boolean {
    if (this.state === 'trailer') {
      this.isOver = line === '';
      return true;
    }
    const size = /^([0-9a-f]{1,12})[ \t]*(?:;[^\r\0]*)?$/iu.exec(line)?.[1];
    if (size === undefined) return false;
    const bytes = Number.parseInt(size, 16);
    this.state = bytes === 0 ? 'trailer' : 'data';
    // With the end of its line, which a server may take for granted: two bytes, whatever they are.
    this.left = bytes + 2;
    return true;
  }
}
