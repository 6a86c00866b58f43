import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CallCut {
  /** From 1, counted from `arm` on. */
  call: number;
  /** before: the API does not have the call yet; after: it has carried it out, and nobody hears the answer. */
  when: 'before' | 'after';
  act: () => void;
}

/** Time for a signal to be seen before the call goes on: the API may carry out what its caller has given up. */
const GRACE_MS = 25;

/** Stands between forgectl and the API, counts the calls, and strikes at one of them. */
export class CuttingProxy {
  calls = 0;
  readonly routes: string[] = [];
  private cut: CallCut | null = null;
  private readonly server: Server;
  private readonly upstreamPort: number;

  private constructor(upstreamPort: number) {
    this.upstreamPort = upstreamPort;
    this.server = createServer((incoming, outgoing) => void this.pass(incoming, outgoing));
  }

  static async open(upstreamPort: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(upstreamPort);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  arm(cut: CallCut | null): void {
    this.calls = 0;
    this.routes.length = 0;
    this.cut = cut;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    this.calls += 1;
    this.routes.push(`${incoming.method} ${incoming.url?.split('?')[0]}`);
    const cut = this.cut !== null && this.cut.call === this.calls ? this.cut : null;
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    if (cut?.when === 'before') {
      cut.act();
      await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
    }
    const upstream = request(
      {
        port: this.upstreamPort,
        host: '127.0.0.1',
        method: incoming.method,
        path: incoming.url,
        headers: incoming.headers,
      },
      (answer) => {
        const body: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => body.push(chunk));
        answer.on('end', () => {
          if (cut?.when === 'after') {
            cut.act();
            setTimeout(() => outgoing.destroy(), GRACE_MS);
            return;
          }
          outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
          outgoing.end(Buffer.concat(body));
        });
        answer.on('error', () => outgoing.destroy());
      },
    );
    upstream.on('error', () => outgoing.destroy());
    upstream.end(Buffer.concat(chunks));
  }
}
