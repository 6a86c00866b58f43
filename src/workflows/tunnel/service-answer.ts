import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { ForgeError } from '../../errors.js';
import type { Carrier } from '../../ssh/carrier.js';
import type { LocalForward } from './local-forward.js';

/** What came back through the tunnel itself. */
export type Answer = { isThere: true; httpStatus: number | null } | { isThere: false; reason: string };

const ANSWER_LIMIT_MS = 8000;
const HEAD_BYTES = 4096;

/**
 * Whether the service answers: a web page with an HTTP status below 500, anything else by accepting the connection. Throws
 * when the connection below is the reason.
 */
export async function askService(carrier: Carrier, forward: LocalForward): Promise<Answer> {
  const { target } = forward;
  if (target === null) return { isThere: true, httpStatus: null };
  let way: Duplex;
  try {
    way = await carrier.openWay(target, ANSWER_LIMIT_MS);
  } catch (error) {
    if (!(error instanceof ForgeError) || !carrier.connection.isOpen()) throw error;
    return { isThere: false, reason: `nothing listens on ${target.port}` };
  }
  const { service } = forward;
  if (service === null) {
    way.destroy();
    return { isThere: true, httpStatus: null };
  }
  try {
    const httpStatus = await askHttp(service.scheme === 'https' ? secured(way) : way, target.port);
    if (httpStatus === null) return { isThere: false, reason: 'it accepts connections, and does not answer HTTP yet' };
    if (httpStatus >= 500) return { isThere: false, reason: `HTTP ${httpStatus}` };
    return { isThere: true, httpStatus };
  } finally {
    way.destroy();
  }
}

/** The platform signs it for another name, and SSH has proved already whose machine it is. */
function secured(way: Duplex): Duplex {
  return connectTls({ socket: way, rejectUnauthorized: false });
}

/** The status of GET /; null when none came. */
function askHttp(way: Duplex, port: number): Promise<number | null> {
  return new Promise((resolve) => {
    let head = '';
    const settle = (status: number | null): void => {
      clearTimeout(timer);
      resolve(status);
    };
    const timer = setTimeout(() => settle(null), ANSWER_LIMIT_MS);
    way.on('data', (chunk: Buffer) => {
      head += chunk.toString('latin1');
      const status = /^HTTP\/1\.[01] (\d{3})\b/u.exec(head)?.[1];
      if (status !== undefined) settle(Number(status));
      else if (head.length > HEAD_BYTES || head.includes('\n')) settle(null);
    });
    way.once('error', () => settle(null));
    way.once('end', () => settle(null));
    way.once('close', () => settle(null));
    way.write(`GET / HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: close\r\nUser-Agent: forgectl\r\n\r\n`);
  });
}
