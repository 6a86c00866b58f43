import { EXIT, ForgeError } from '../../errors.js';
import type { Target } from '../../ssh/carrier.js';
import type { LocalEnd } from '../../ssh/local-listener.js';

/** One forward as it was asked for. */
export interface ForwardSpec {
  /** Null: the port that the service is known by. */
  local: LocalEnd | null;
  /** A service by name, or an address as the machine sees it. */
  remote: { service: string } | Target;
}

/** `-R`: a port of the machine that leads to this computer. */
export interface ReverseSpec {
  address: string;
  port: number;
  target: Target;
}

const SERVICE = /^[a-z][a-z0-9-]{0,62}$/iu;
const LARGEST_RANGE = 256;

/**
 * SERVICE, PORT, [BIND:]LOCAL:REMOTE, LOCAL:HOST:REMOTE as ssh -L has it, FROM-TO[:FROM-TO], PATH:REMOTE. REMOTE is a port
 * or a service. `address` is where plain ports listen; null is the loopback.
 */
export function parseForward(word: string, address: string | null = null): ForwardSpec[] {
  if (SERVICE.test(word)) return [{ local: null, remote: { service: word.toLowerCase() } }];
  const path = /^([^:]*[^:/])$/u.exec(word.slice(0, Math.max(0, word.lastIndexOf(':'))))?.[1];
  if (path !== undefined && (path.includes('/') || path.endsWith('.sock'))) {
    const remote = remoteOf(word.slice(path.length + 1));
    if (remote !== null) return [{ local: { kind: 'unix', path }, remote }];
  }
  const parts = splitParts(word);
  const found = parts === null ? null : (bare(parts, address) ?? pair(parts, address) ?? withHost(parts, address));
  if (found === null) throw unreadable(word);
  return found;
}

/** Words that cannot be the name of an instance. */
export function looksLikeForward(word: string): boolean {
  return word.includes(':') || word.includes('/') || /^\d+-\d+$/u.test(word);
}

/** All words of a line. Two that want the same local end are refused before anything is opened. */
export function parseForwards(words: readonly string[], address: string | null = null): ForwardSpec[] {
  const specs = words.flatMap((word) => parseForward(word, address));
  const seen = new Set<string>();
  for (const { local, remote } of specs) {
    const name = local === null ? JSON.stringify(remote) : nameOfEnd(local);
    if (seen.has(name) && !name.endsWith(':0'))
      throw usage(`${local === null ? serviceOf(remote) : name} is named twice.`);
    seen.add(name);
  }
  return specs;
}

/** [BIND:]REMOTE:[HOST:]LOCAL, as ssh -R has it. The machine listens on its own loopback unless BIND says otherwise. */
export function parseReverse(word: string): ReverseSpec {
  const parts = splitParts(word) ?? [];
  const [first = ''] = parts;
  const hasBind = !/^\d+$/u.test(first);
  const [port = '', ...rest] = hasBind ? parts.slice(1) : parts;
  const host = rest.length === 2 ? (rest[0] as string) : '127.0.0.1';
  const [remotePort, localPort] = [portOf(port, 0), portOf(rest.at(-1) ?? port)];
  if (remotePort === null || localPort === null || rest.length > 2 || (hasBind && parts.length < 2))
    throw usage(
      `"${word}" is not [BIND:]REMOTE:[HOST:]LOCAL.`,
      'For example: -R 9000:3000, -R 0:3000, -R 9000:10.0.0.7:80',
    );
  return { address: hasBind ? first : '127.0.0.1', port: remotePort, target: { host, port: localPort } };
}

/** [BIND:]PORT for the SOCKS listener. */
export function parseSocks(word: string, address: string | null = null): LocalEnd {
  const parts = splitParts(word) ?? [];
  const port = portOf(parts.at(-1) ?? '', 0);
  if (port === null || parts.length > 2 || parts[0] === '')
    throw usage(`"${word}" is not [BIND:]PORT.`, 'For example: -D 1080, -D 0');
  return { kind: 'tcp', address: parts.length === 2 ? loopback(parts[0] as string) : address, port };
}

export function nameOfEnd(end: LocalEnd): string {
  if (end.kind === 'unix') return end.path;
  const host = end.address ?? 'localhost';
  return `${host.includes(':') ? `[${host}]` : host}:${end.port}`;
}

export function isLoopback(address: string | null): boolean {
  return address === null || /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/iu.test(address);
}

function serviceOf(remote: ForwardSpec['remote']): string {
  return 'service' in remote ? remote.service : `${remote.host}:${remote.port}`;
}

/** At colons that are not inside of [brackets]. */
function splitParts(word: string): string[] | null {
  const parts = word.match(/\[[^\]]{0,256}\]|[^:[\]]+|(?<=:|^)(?=:|$)/gu) ?? [];
  const rebuilt = parts.join(':');
  return rebuilt === word ? parts.map((part) => part.replace(/^\[|\]$/gu, '')) : null;
}

/** PORT or FROM-TO: the same on both sides. */
function bare(parts: readonly string[], address: string | null): ForwardSpec[] | null {
  if (parts.length !== 1) return null;
  const ports = rangeOf(parts[0] as string);
  return ports === null ? null : ports.map((port) => forward(address, port, { host: LOCALHOST, port }));
}

/** [BIND:]LOCAL:REMOTE, each side a port or a range of the same size. */
function pair(parts: readonly string[], address: string | null): ForwardSpec[] | null {
  const hasBind = parts.length === 3 && !/^\d/u.test(parts[0] as string);
  if (parts.length !== 2 && !isAddress(parts, hasBind)) return null;
  const [local = '', remote = ''] = parts.slice(-2);
  const bind = parts.length === 3 ? loopback(parts[0] as string) : address;
  const locals = rangeOf(local, 0);
  const remotes = rangeOf(remote);
  if (locals === null) return null;
  if (remotes === null) {
    const service = locals.length === 1 && SERVICE.test(remote) ? remote.toLowerCase() : null;
    return service === null
      ? null
      : [{ local: { kind: 'tcp', address: bind, port: locals[0] as number }, remote: { service } }];
  }
  if (locals.length !== remotes.length) throw usage(`${local} and ${remote} are not of the same size.`);
  return locals.map((port, index) => forward(bind, port, { host: LOCALHOST, port: remotes[index] as number }));
}

function isAddress(parts: readonly string[], hasBind: boolean): boolean {
  // "127.0.0.2:8080:80" binds; "8080:10.0.0.7:80" leads elsewhere.
  return parts.length === 3 && (hasBind || /[.:]/u.test(parts[0] as string));
}

/** [BIND:]LOCAL:HOST:REMOTE */
function withHost(parts: readonly string[], address: string | null): ForwardSpec[] | null {
  if (parts.length !== 3 && parts.length !== 4) return null;
  const [local = '', host = '', remote = ''] = parts.slice(-3);
  const [localPort, remotePort] = [portOf(local, 0), portOf(remote)];
  if (localPort === null || remotePort === null || !/^[\w.:%-]+$/u.test(host)) return null;
  return [
    forward(parts.length === 4 ? loopback(parts[0] as string) : address, localPort, {
      host: host === 'localhost' ? LOCALHOST : host,
      port: remotePort,
    }),
  ];
}

/** image: its services listen on 127.0.0.1, and sshd may try ::1 first for a name. */
const LOCALHOST = '127.0.0.1';

function forward(address: string | null, port: number, remote: Target): ForwardSpec {
  return { local: { kind: 'tcp', address, port }, remote };
}

function loopback(address: string): string | null {
  return address === 'localhost' ? null : address === '*' ? '0.0.0.0' : address;
}

function remoteOf(text: string): ForwardSpec['remote'] | null {
  const port = portOf(text);
  if (port !== null) return { host: LOCALHOST, port };
  return SERVICE.test(text) ? { service: text.toLowerCase() } : null;
}

function rangeOf(text: string, smallest = 1): number[] | null {
  const match = /^(\d+)(?:-(\d+))?$/u.exec(text);
  if (match === null) return null;
  const from = portOf(match[1] ?? '', match[2] === undefined ? smallest : 1);
  const to = match[2] === undefined ? from : portOf(match[2]);
  if (from === null || to === null || to < from) return null;
  if (to - from >= LARGEST_RANGE) throw usage(`${text} is more than ${LARGEST_RANGE} ports.`);
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function portOf(text: string, smallest = 1): number | null {
  if (!/^\d{1,5}$/u.test(text)) return null;
  const port = Number(text);
  return port >= smallest && port <= 65535 ? port : null;
}

function unreadable(word: string): ForgeError {
  return usage(`"${word}" is neither a service nor LOCAL:REMOTE.`);
}

const EXAMPLES = 'For example: forge, jupyter, 9000:8000, 9000:forge, 0.0.0.0:9000:8000, 9000-9002, ./forge.sock:17860';

function usage(message: string, hint = EXAMPLES): ForgeError {
  return new ForgeError(message, { code: 'BAD_FORWARD', exit: EXIT.usage, hint });
}
