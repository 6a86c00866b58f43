import { timingSafeEqual } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type Server, type TcpipRequestInfo } from 'ssh2';
import { type SessionEnvironment, serveSession } from './ssh-session.js';
import { connectTo, ReversePorts } from './virtual-ports.js';

const { Server: SshServer, utils } = ssh2;

export interface SshServerOptions {
  hostKey: string;
  /** Read at every login, so that keys count from the moment they are attached. */
  authorizedKeys: () => readonly string[];
  /** Keys that may do one thing only: lines with command="…" that somebody has put into the machine's own file. */
  forcedCommands?: () => readonly ForcedCommand[];
  session: SessionEnvironment;
}

/** sshd of one machine on one port: root, keys only. */
export class MachineSshServer {
  private readonly server: Server;
  private readonly connections = new Set<Connection>();

  constructor({ hostKey, authorizedKeys, forcedCommands = () => [], session }: SshServerOptions) {
    this.server = new SshServer({ hostKeys: [hostKey] }, (client, from) => {
      this.connections.add(client);
      client.on('close', () => this.connections.delete(client));
      client.on('error', () => {});
      // Without it every small answer waits for the client's delayed ACK (about 40 ms).
      (client as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);
      let forced: string | null = null;
      client.on('authentication', (context) => {
        const allowed = forcedCommands().find(({ key }) => isOf(key, context));
        forced = allowed?.command ?? null;
        checkLogin(context, allowed === undefined ? authorizedKeys() : [allowed.key]);
      });
      client.on('ready', () => serveClient(client, { session, forced }, this.loginVariables(from)));
    });
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, '127.0.0.1', () => resolve((this.server.address() as AddressInfo).port));
    });
  }

  /** sshd(8), LOGIN PROCESS: both ends of the connection. */
  private loginVariables({ ip, port }: { ip: string; port: number }): Record<string, string> {
    const own = this.server.address() as AddressInfo;
    return {
      SSH_CLIENT: `${ip} ${port} ${own.port}`,
      SSH_CONNECTION: `${ip} ${port} ${own.address} ${own.port}`,
    };
  }

  /** Without a word to the other side, and whatever is on its way is lost. */
  cut(): void {
    for (const client of this.connections) (client as unknown as { _sock: Socket })._sock.destroy();
  }

  close(): void {
    this.server.close();
    for (const client of this.connections) client.end();
  }
}

export interface ForcedCommand {
  /** "type base64" */
  key: string;
  command: string;
}

/** sshd(8), AUTHORIZED_KEYS FILE FORMAT: options before the key, a quote in a quoted one behind a backslash. */
export function readForcedCommands(text: string): ForcedCommand[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(?:[^\s"#]|"[^"]*")*?command="((?:[^"\\]|\\.)*)"\S*\s+((?:ssh|ecdsa)-\S+\s+\S+)/u.exec(line);
    if (match === null) return [];
    return [{ key: match[2] ?? '', command: (match[1] ?? '').replaceAll('\\"', '"') }];
  });
}

function isOf(line: string, context: AuthContext): boolean {
  const parsed = utils.parseKey(line);
  if (parsed instanceof Error || context.method !== 'publickey') return false;
  return [parsed].flat().some((key) => sameBytes(key.getPublicSSH(), context.key.data));
}

function checkLogin(context: AuthContext, authorized: readonly string[]): void {
  if (context.username !== 'root' || context.method !== 'publickey') {
    context.reject(['publickey']);
    return;
  }
  const key = authorized
    .map((line) => utils.parseKey(line))
    .flatMap((parsed) => (parsed instanceof Error ? [] : Array.isArray(parsed) ? parsed : [parsed]))
    .find((candidate) => sameBytes(candidate.getPublicSSH(), context.key.data));
  const proven =
    key !== undefined &&
    (context.signature === undefined ||
      key.verify(context.blob as Buffer, context.signature, (context as { hashAlgo?: string }).hashAlgo) === true);
  if (proven) context.accept();
  else context.reject(['publickey']);
}

function sameBytes(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

function serveClient(
  client: Connection,
  { session, forced }: { session: SessionEnvironment; forced: string | null },
  login: Record<string, string>,
): void {
  const reverse = new ReversePorts(session.root);
  client.on('close', () => reverse.close());
  client.on('request', (accept, reject, name, info) => {
    if (forced !== null) return reject?.();
    if (name === 'cancel-tcpip-forward') {
      reverse.cancel(info.bindPort);
      return accept?.();
    }
    if (name !== 'tcpip-forward') return reject?.();
    const offer = (socket: Socket, port: number): void => {
      client.forwardOut(info.bindAddr, port, '127.0.0.1', socket.remotePort ?? 0, (error, channel) => {
        if (error !== undefined) return socket.destroy();
        channel.on('error', () => socket.destroy());
        socket.on('error', () => channel.destroy());
        channel.pipe(socket).pipe(channel);
      });
    };
    reverse.open(info.bindPort, offer).then(
      (port) => accept?.(port),
      () => reject?.(),
    );
  });
  client.on('session', (accept) => serveSession(accept(), { ...session, forced }, login));
  client.on('tcpip', (accept, reject, info: TcpipRequestInfo) => {
    // The machine's own loopback only; everything else is somebody else's. A key for one command opens nothing.
    if (forced !== null || !['127.0.0.1', 'localhost', '::1', '0.0.0.0'].includes(info.destIP)) {
      reject?.();
      return;
    }
    connectTo(session.root, info.destPort).then(
      (socket) => {
        const channel = accept();
        channel.on('error', () => socket.destroy());
        channel.on('close', () => socket.destroy());
        socket.on('error', () => channel.destroy());
        channel.pipe(socket).pipe(channel);
      },
      () => reject?.(),
    );
  });
}
