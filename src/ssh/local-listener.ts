import { lstatSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { EXIT, ForgeError } from '../errors.js';

/** Where a forward listens on this computer. A null address means the loopback, in both families. */
export type LocalEnd = { kind: 'tcp'; address: string | null; port: number } | { kind: 'unix'; path: string };

export interface LocalListener {
  /** The end as it is now: a port that was left to the system has its number. */
  end: LocalEnd;
  /** No new sockets from here on; those that were accepted live on. */
  close(): void;
}

/** Opens the local end, or says who is in the way. Sockets arrive paused: nothing is read before somebody takes it. */
export async function listenLocally(end: LocalEnd, onSocket: (socket: Socket) => void): Promise<LocalListener> {
  if (end.kind === 'unix') return listenUnix(end.path, onSocket);
  const addresses = end.address === null ? ['127.0.0.1', '::1'] : [end.address];
  for (let tries = 1; ; tries += 1) {
    const servers: Server[] = [];
    try {
      let { port } = end;
      for (const address of addresses) {
        const server = await listenTcp(address, port, { isOptional: servers.length > 0, onSocket });
        if (server === null) continue;
        servers.push(server);
        port = (server.address() as AddressInfo).port;
      }
      return { end: { ...end, port }, close: () => closeAll(servers) };
    } catch (error) {
      closeAll(servers);
      // The system chose a port that only one family has free.
      if (end.port === 0 && tries < 20 && isTaken(error)) continue;
      throw error;
    }
  }
}

export function isTaken(error: unknown): error is ForgeError {
  return error instanceof ForgeError && error.code === 'PORT_TAKEN';
}

function closeAll(servers: readonly Server[]): void {
  for (const server of servers) server.close();
}

function newServer(onSocket: (socket: Socket) => void): Server {
  return createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    // From the first moment on: a client that resets must hurt nobody else.
    socket.on('error', () => {});
    onSocket(socket);
  });
}

/** Null when this computer has no such family, which is no reason to refuse the other one. */
function listenTcp(
  address: string,
  port: number,
  { isOptional, onSocket }: { isOptional: boolean; onSocket: (socket: Socket) => void },
): Promise<Server | null> {
  const server = newServer(onSocket);
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (isOptional && (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')) resolve(null);
      else reject(describe(error, address, port));
    });
    // Only in this family: a wildcard would claim the other one as well.
    server.listen({ host: address, port, ipv6Only: address.includes(':'), exclusive: true }, () => resolve(server));
  });
}

function describe(error: NodeJS.ErrnoException, address: string, port: number): ForgeError {
  const where = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const details = { address, port };
  if (error.code === 'EADDRINUSE')
    return new ForgeError(`Port ${port} of this computer is taken (${where}).`, {
      code: 'PORT_TAKEN',
      exit: EXIT.conflict,
      hint: 'Take the next free one with --auto-port, or name another: LOCAL:REMOTE',
      details,
    });
  if (error.code === 'EACCES')
    return new ForgeError(`Port ${port} of this computer needs more rights than you have.`, {
      code: 'PORT_FORBIDDEN',
      exit: EXIT.notPermitted,
      hint: 'Ports above 1023 are free for all: LOCAL:REMOTE',
      details,
    });
  return new ForgeError(`Nothing can listen on ${where} (${error.code ?? error.message}).`, {
    code: 'BAD_ADDRESS',
    exit: EXIT.usage,
    hint: 'Is that an address of this computer?',
    details,
  });
}

async function listenUnix(path: string, onSocket: (socket: Socket) => void): Promise<LocalListener> {
  await clearStaleSocket(path);
  const server = newServer(onSocket);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new ForgeError(`Nothing can listen on ${path} (${error.code ?? error.message}).`, {
          code: error.code === 'EADDRINUSE' ? 'PORT_TAKEN' : 'BAD_ADDRESS',
          exit: error.code === 'EADDRINUSE' ? EXIT.conflict : EXIT.usage,
          hint: 'Does its directory exist, and is the path shorter than 100 characters?',
          details: { path },
        }),
      ),
    );
    // The name appears while `listen` runs, and from that moment on it belongs to the user alone.
    const umask = process.umask(0o177);
    try {
      server.listen(path, resolve);
    } finally {
      process.umask(umask);
    }
  });
  return { end: { kind: 'unix', path }, close: () => server.close() };
}

/** A socket that nobody answers on is left over from a process that was killed. Anything else is somebody's. */
async function clearStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (found.isSocket() && !(await answers(path))) {
    rmSync(path, { force: true });
    return;
  }
  throw new ForgeError(`${path} exists${found.isSocket() ? ' and somebody listens on it' : ''}.`, {
    code: 'PORT_TAKEN',
    exit: EXIT.conflict,
    hint: 'Name another path.',
    details: { path },
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (isAlive: boolean): void => {
      socket.destroy();
      resolve(isAlive);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code !== 'ECONNREFUSED'));
  });
}
