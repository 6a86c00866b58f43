import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

/** The real loopback port behind a machine's own port, or null when nothing listens on it (see python-environment.ts). */
async function realPort(root: string, port: number): Promise<number | null> {
  try {
    const [real, ...pids] = (await readFile(join(root, 'run', 'ports', String(port)), 'utf8')).split(' ').map(Number);
    return pids.some(isAlive) ? (real as number) : null;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A connection to a machine's own port. Rejects with ECONNREFUSED when nothing listens. */
export async function connectTo(root: string, port: number): Promise<Socket> {
  const real = await realPort(root, port);
  if (real === null) throw Object.assign(new Error('Connection refused'), { code: 'ECONNREFUSED' });
  return new Promise((resolve, reject) => {
    const socket = connect(real, '127.0.0.1');
    socket.setNoDelay(true);
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** `ssh -R` of one connection: ports of the machine that somebody far away answers. */
export class ReversePorts {
  private readonly root: string;
  private readonly servers = new Map<number, Server>();

  constructor(root: string) {
    this.root = root;
  }

  /** Port 0: any free one. Rejects when the machine's port is taken. */
  async open(wanted: number, onSocket: (socket: Socket, port: number) => void): Promise<number> {
    const server = createTcpServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on('error', () => socket.destroy());
      onSocket(socket, port);
    });
    const real = await listen(server);
    const port = wanted === 0 ? real : wanted;
    if ((await realPort(this.root, port)) !== null) {
      server.close();
      throw Object.assign(new Error('Address already in use'), { code: 'EADDRINUSE' });
    }
    await mkdir(join(this.root, 'run', 'ports'), { recursive: true });
    await writeFile(join(this.root, 'run', 'ports', String(port)), `${real} ${process.pid}`);
    this.servers.set(port, server);
    return port;
  }

  cancel(port: number): void {
    const server = this.servers.get(port);
    if (server === undefined) return;
    this.servers.delete(port);
    server.close();
    void rm(join(this.root, 'run', 'ports', String(port)), { force: true });
  }

  close(): void {
    for (const port of [...this.servers.keys()]) this.cancel(port);
  }
}

/** External port -> internal port of the image's proxy (instance.md 9). */
const PROXIED: Record<number, number> = { 1111: 11111, 7860: 17860, 8384: 18384, 6006: 16006 };

/**
 * The ports that a host publishes. Those of the image's proxy ask for the token and show a placeholder while the
 * application is down, as Caddy does; the others lead straight to the machine's own port.
 */
export class PublishedPorts {
  private readonly servers: Server[] = [];

  /** Container port -> port on this computer. */
  async open(root: string, ports: readonly number[], token: string): Promise<Record<number, number>> {
    const opened: Record<number, number> = {};
    for (const port of new Set(ports)) {
      const internal = PROXIED[port];
      const server = internal === undefined ? plainServer(root, port) : proxyServer(root, internal, token);
      opened[port] = await listen(server);
      this.servers.push(server);
    }
    return opened;
  }

  close(): void {
    for (const server of this.servers.splice(0)) {
      server.close();
      if ('closeAllConnections' in server) (server as ReturnType<typeof createServer>).closeAllConnections();
    }
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

function plainServer(root: string, port: number): Server {
  return createTcpServer((socket) => {
    socket.on('error', () => socket.destroy());
    connectTo(root, port).then(
      (inner) => {
        inner.on('error', () => socket.destroy());
        socket.pipe(inner).pipe(socket);
      },
      () => socket.destroy(),
    );
  });
}

function proxyServer(root: string, port: number, token: string): Server {
  return createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://machine.invalid');
    const given = request.headers.authorization?.replace(/^Bearer /u, '') ?? url.searchParams.get('token');
    if (given !== token) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="restricted"' }).end('Unauthorized');
      return;
    }
    const real = await realPort(root, port);
    if (real === null) {
      response
        .writeHead(502, { 'x-portal-placeholder': 'true', 'content-type': 'text/html' })
        .end('<title>Starting</title>');
      return;
    }
    const inner = httpRequest(
      {
        host: '127.0.0.1',
        port: real,
        method: request.method,
        path: request.url,
        headers: { ...request.headers, host: `localhost:${port}` },
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    inner.on('error', () => response.destroy());
    request.pipe(inner);
  });
}
