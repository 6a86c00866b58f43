import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Recorded {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: unknown;
}

type Reply =
  | { status?: number; body?: unknown; text?: string; headers?: Record<string, string> }
  | 'cut'
  | 'hang'
  | 'half';

/** A server on loopback that answers what the test says and remembers what came. */
export class ScriptedServer {
  readonly calls: Recorded[] = [];
  private readonly server: Server;
  private readonly reply: (call: Recorded, nth: number) => Reply;

  constructor(reply: (call: Recorded, nth: number) => Reply) {
    this.reply = reply;
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const url = new URL(request.url ?? '/', 'http://x');
    const call = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    };
    this.calls.push(call);
    const reply = this.reply(call, this.calls.length);
    if (reply === 'hang') return;
    if (reply === 'cut') {
      response.destroy();
      return;
    }
    if (reply === 'half') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' }).write('{"success": tr');
      setTimeout(() => response.destroy(), 20);
      return;
    }
    response.writeHead(reply.status ?? 200, {
      'content-type': reply.text === undefined ? 'application/json' : 'text/plain',
      ...reply.headers,
    });
    response.end(reply.text ?? JSON.stringify(reply.body ?? { success: true }));
  }
}
