import { timingSafeEqual } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import ssh2, { type AuthContext, type Connection, type Server, type TcpipRequestInfo } from 'ssh2';
import { type SessionEnvironment, serveSession } from './ssh-session.js';
import { connectTo } from './virtual-ports.js';

const { Server: SshServer, utils } = ssh2;

export interface SshServerOptions {
  hostKey: string;
  /** Read at every login, so that keys count from the moment they are attached. */
  authorizedKeys: () => readonly string[];
  session: SessionEnvironment;
}

/** sshd of one machine on one port: root, keys only. */
export class MachineSshServer {
  private readonly server: Server;
  private readonly connections = new Set<Connection>();

  constructor({ hostKey, authorizedKeys, session }: SshServerOptions) {
    this.server = new SshServer({ hostKeys: [hostKey] }, (client) => {
      this.connections.add(client);
      client.on('close', () => this.connections.delete(client));
      client.on('error', () => {});
      // Without it every small answer waits for the client's delayed ACK (about 40 ms).
      (client as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);
      client.on('authentication', (context) => checkLogin(context, authorizedKeys()));
      client.on('ready', () => serveClient(client, session));
    });
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(0, '127.0.0.1', () => resolve((this.server.address() as AddressInfo).port));
    });
  }

  close(): void {
    this.server.close();
    for (const client of this.connections) client.end();
  }
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

function serveClient(client: Connection, session: SessionEnvironment): void {
  client.on('session', (accept) => serveSession(accept(), session));
  client.on('tcpip', (accept, reject, info: TcpipRequestInfo) => {
    // The machine's own loopback only; everything else is somebody else's.
    if (!['127.0.0.1', 'localhost', '::1', '0.0.0.0'].includes(info.destIP)) {
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
