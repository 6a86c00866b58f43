import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

type Row = Record<string, unknown>;

/** Stands before the sandbox's API and changes what it says of instances: where they are, what they are called. */
export class RewritingApi {
  /** Applied to each row. */
  rewrite: (row: Row) => Row = (row) => row;
  private readonly target: string;
  private readonly server: Server;

  constructor(target: string) {
    this.target = target;
    this.server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks);
      const answer = await fetch(`${this.target}${request.url}`, {
        method: request.method ?? 'GET',
        headers: {
          authorization: request.headers.authorization ?? '',
          'content-type': 'application/json',
        },
        ...(body.length === 0 ? {} : { body }),
      });
      const text = await answer.text();
      const headers = { 'content-type': answer.headers.get('content-type') ?? 'application/json' };
      const wait = answer.headers.get('retry-after');
      response.writeHead(answer.status, wait === null ? headers : { ...headers, 'retry-after': wait });
      response.end(this.changed(text));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private changed(text: string): string {
    try {
      const document = JSON.parse(text) as { instances?: Row | Row[] };
      const { instances } = document;
      if (Array.isArray(instances)) document.instances = instances.map((row) => this.rewrite(row));
      else if (instances != null && typeof instances === 'object') document.instances = this.rewrite(instances);
      return JSON.stringify(document);
    } catch {
      return text;
    }
  }
}
