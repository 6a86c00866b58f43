import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { type Agent, createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

const BLOCK = 4096;

/** Bytes that only this seed has, so that a byte of another answer, or at another place, is noticed. */
function bytesOf(seed: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += BLOCK)
    bytes.fill(createHash('sha256').update(`${seed}:${at}`).digest(), at, Math.min(size, at + BLOCK));
  return bytes;
}

/** Answers /SEED/SIZE/WAY with those bytes: `length`, `chunked`, or `close`, where only the end of the connection is the end. */
export async function openBlobServer(): Promise<{ server: Server; port: number }> {
  const server = createServer((incoming, outgoing) => {
    const [, seed, size, way] = (incoming.url ?? '').split('/');
    const body = bytesOf(Number(seed), Number(size));
    const hash = createHash('sha256');
    incoming.on('error', () => {});
    incoming.on('data', (chunk: Buffer) => hash.update(chunk));
    incoming.on('end', () => {
      outgoing.setHeader('x-got', hash.digest('hex'));
      if (way === 'length') outgoing.setHeader('content-length', body.length);
      if (way === 'close') {
        outgoing.useChunkedEncodingByDefault = false;
        outgoing.setHeader('connection', 'close');
      }
      outgoing.write(body.subarray(0, body.length >> 1));
      outgoing.end(body.subarray(body.length >> 1));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

export interface Outcome {
  kind: 'whole' | 'failed' | 'wrong';
  detail: string;
}

interface Wish {
  port: number;
  seed: number;
  size: number;
  way: 'length' | 'chunked';
  /** Bytes that are sent along. */
  upload: number;
  agent: Agent | false;
}

/** One request: all of the right bytes, or an error. Anything else is wrong. */
export function ask({ port, seed, size, way, upload, agent }: Wish): Promise<Outcome> {
  const expected = bytesOf(seed, size);
  const sent = bytesOf(seed + 1, upload);
  return new Promise((resolve) => {
    let got = 0;
    const fail = (error: unknown): void =>
      resolve({ kind: 'failed', detail: (error as NodeJS.ErrnoException).code ?? '' });
    const outgoing = request(
      { port, host: '127.0.0.1', path: `/${seed}/${size}/${way}`, method: upload > 0 ? 'POST' : 'GET', agent },
      (answer: IncomingMessage) => {
        answer.on('data', (chunk: Buffer) => {
          if (!chunk.equals(expected.subarray(got, got + chunk.length)))
            resolve({ kind: 'wrong', detail: `${way}: other bytes at ${got}` });
          got += chunk.length;
        });
        answer.once('error', fail);
        answer.once('aborted', () => fail(new Error('aborted')));
        answer.once('end', () => {
          const isWhole = got === size && answer.headers['x-got'] === createHash('sha256').update(sent).digest('hex');
          resolve(
            isWhole ? { kind: 'whole', detail: '' } : { kind: 'wrong', detail: `${way}: ended at ${got} of ${size}` },
          );
        });
      },
    );
    outgoing.once('error', fail);
    // Long enough for a hold of 10 s: a request that hangs for longer than that is neither.
    outgoing.setTimeout(15_000, () => {
      resolve({ kind: 'wrong', detail: `${way}: hung` });
      outgoing.destroy();
    });
    outgoing.end(sent);
  });
}

/** Clients that take the end of the connection for the end of the answer. */
export class ClosingClients {
  private readonly child;
  private text = '';

  constructor(port: number, clients: number, seed: number) {
    const script = fileURLToPath(new URL('tunnel-clients.py', import.meta.url));
    const words = [script, port, clients, seed].map(String);
    this.child = spawn('python3', words, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      this.text += chunk;
    });
  }

  async end(): Promise<{ whole: number; failed: number; wrong: string[] }> {
    this.child.stdin.end();
    await new Promise((resolve) => this.child.once('close', resolve));
    return JSON.parse(this.text) as { whole: number; failed: number; wrong: string[] };
  }
}
