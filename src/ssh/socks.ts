import type { Socket } from 'node:net';
import type { Target } from './carrier.js';

/** What a client of the proxy wishes, and how it is answered. */
export interface SocksRequest {
  target: Target;
  accepted: Buffer;
  /** 1: failed, 5: nothing listens there (of SOCKS 5; version 4 knows one). */
  refused(code: number): Buffer;
  /** Bytes that were read. */
  length: number;
}

/** How far a client has come: more must be read, it must be answered first, it has asked, or it cannot be served. */
export type SocksStep =
  | { kind: 'more' }
  | { kind: 'greeting'; answer: Buffer; length: number }
  | { kind: 'request'; request: SocksRequest }
  | { kind: 'bad'; answer: Buffer };

const MORE: SocksStep = { kind: 'more' };
const LONGEST_REQUEST = 1024;

/** Reads from the start of what a client has sent. SOCKS 5 without a password, 4 and 4a; only CONNECT. */
export function readSocks(bytes: Buffer, hasGreeted: boolean): SocksStep {
  if (bytes.length > LONGEST_REQUEST) return { kind: 'bad', answer: Buffer.alloc(0) };
  if (bytes.length === 0) return MORE;
  if (bytes[0] === 4) return readVersion4(bytes);
  if (bytes[0] !== 5) return { kind: 'bad', answer: Buffer.alloc(0) };
  return hasGreeted ? readRequest5(bytes) : readGreeting(bytes);
}

function readGreeting(bytes: Buffer): SocksStep {
  const length = 2 + (bytes[1] ?? 0);
  if (bytes.length < length || bytes.length < 2) return MORE;
  if (!bytes.subarray(2, length).includes(0)) return { kind: 'bad', answer: Buffer.from([5, 0xff]) };
  return { kind: 'greeting', answer: Buffer.from([5, 0]), length };
}

const reply5 = (code: number): Buffer => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);

function readRequest5(bytes: Buffer): SocksStep {
  if (bytes.length < 5) return MORE;
  const [, command, , type, first = 0] = bytes;
  if (command !== 1) return { kind: 'bad', answer: reply5(7) };
  const size = { 1: 4, 3: 1 + first, 4: 16 }[type ?? 0];
  if (size === undefined) return { kind: 'bad', answer: reply5(8) };
  const length = 4 + size + 2;
  if (bytes.length < length) return MORE;
  const address = bytes.subarray(4, 4 + size);
  const target = { host: hostOf(address, type ?? 0), port: bytes.readUInt16BE(length - 2) };
  if (target.host === '' || target.port === 0) return { kind: 'bad', answer: reply5(1) };
  return { kind: 'request', request: { target, accepted: reply5(0), refused: reply5, length } };
}

function hostOf(address: Buffer, type: number): string {
  if (type === 1) return [...address].join('.');
  if (type === 3) return nameOf(address.subarray(1));
  return Array.from({ length: 8 }, (_, at) => address.readUInt16BE(at * 2).toString(16)).join(':');
}

/** Whatever a browser may ask for; nothing that could be taken for something else in a log. */
function nameOf(bytes: Buffer): string {
  const name = bytes.toString('latin1');
  return /^[\w.:-]+$/u.test(name) ? name : '';
}

const reply4 = (code: number): Buffer => Buffer.from([0, code, 0, 0, 0, 0, 0, 0]);

function readVersion4(bytes: Buffer): SocksStep {
  const user = bytes.indexOf(0, 8);
  if (bytes.length < 9 || user === -1) return MORE;
  if (bytes[1] !== 1) return { kind: 'bad', answer: reply4(91) };
  const port = bytes.readUInt16BE(2);
  // 4a: 0.0.0.x stands for a name that follows.
  const isNamed = bytes[4] === 0 && bytes[5] === 0 && bytes[6] === 0 && bytes[7] !== 0;
  const end = isNamed ? bytes.indexOf(0, user + 1) : user;
  if (end === -1) return MORE;
  const host = isNamed ? nameOf(bytes.subarray(user + 1, end)) : [...bytes.subarray(4, 8)].join('.');
  if (host === '' || port === 0) return { kind: 'bad', answer: reply4(91) };
  const request = { target: { host, port }, accepted: reply4(90), refused: () => reply4(91), length: end + 1 };
  return { kind: 'request', request };
}

/** Talks to a client until it has asked. Null when it cannot be served; it was told so. What it sent beyond stays unread. */
export function askSocks(socket: Socket, limitMs: number): Promise<SocksRequest | null> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    let hasGreeted = false;
    const settle = (request: SocksRequest | null): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('close', onEnd).off('end', onEnd);
      socket.pause();
      resolve(request);
    };
    const onEnd = (): void => settle(null);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      let step = readSocks(bytes, hasGreeted);
      if (step.kind === 'greeting') {
        hasGreeted = true;
        socket.write(step.answer);
        bytes = bytes.subarray(step.length);
        step = readSocks(bytes, true);
      }
      if (step.kind === 'request') {
        settle(step.request);
        if (bytes.length > step.request.length) socket.unshift(bytes.subarray(step.request.length));
      } else if (step.kind === 'bad') {
        settle(null);
        socket.end(step.answer);
      }
    };
    const timer = setTimeout(onEnd, limitMs);
    socket.on('data', onData).once('close', onEnd).once('end', onEnd);
    socket.resume();
  });
}
