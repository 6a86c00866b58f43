import { spawn } from 'node:child_process';
import { type AddressInfo, connect as connectTcp, createServer, type Socket, type Server as TcpServer } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ServerChannel, type Session } from 'ssh2';
import { generateKeyPair } from '../../../src/ssh/own-key.ts';

const { Server, utils } = ssh2;

export function newKey(): { private: string; public: string } {
  return generateKeyPair(utils);
}

/** Again when ssh2 made a pair that nobody can read, as in own-key.ts. */
export function newLockedKey(passphrase: string): { private: string; public: string } {
  for (;;) {
    const made = utils.generateKeyPairSync('ed25519', { passphrase, cipher: 'aes256-ctr', rounds: 1 });
    const parsed = [utils.parseKey(made.private, passphrase), utils.parseKey(made.public)];
    if (parsed.every((key) => !(key instanceof Error))) return made;
  }
}

interface Behaviour {
  hostKeys: string[];
  /** Public lines that may log in. */
  authorized?: string[] | 'everybody';
  /** Milliseconds before each answer to a login. */
  slowLoginMs?: number;
  /** Commands that never get an answer to their request. */
  ignoresSessions?: boolean;
  ignoresForwards?: boolean;
  /** Ends every channel without a status, then the connection. */
  cutsCommands?: boolean;
  /** Variables of every command. */
  env?: Record<string, string>;
}

/** A real SSH server on loopback whose commands a real bash runs. */
export class LoopbackSshd {
  readonly offered: string[] = [];
  readonly connections = new Set<Connection>();
  logins = 0;
  port = 0;
  private readonly server: InstanceType<typeof Server>;
  private readonly behaviour: Behaviour;

  constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
    this.server = new Server({ hostKeys: behaviour.hostKeys }, (client) => this.serve(client));
  }

  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  /** Public lines that may log in from now on. */
  authorize(...lines: string[]): void {
    this.behaviour.authorized = lines;
  }

  /** Of every command from now on. */
  setEnv(env: Record<string, string>): void {
    this.behaviour.env = env;
  }

  close(): void {
    this.server.close();
    for (const client of this.connections) client.end();
  }

  private serve(client: Connection): void {
    this.connections.add(client);
    client.on('close', () => this.connections.delete(client));
    client.on('error', () => {});
    (client as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);
    client.on('authentication', (context) => {
      setTimeout(() => this.judge(context), this.behaviour.slowLoginMs ?? 0);
    });
    client.on('ready', () => {
      this.logins += 1;
    });
    client.on('session', (accept) => this.serveSession(accept(), client));
    client.on('request', (accept, reject, name, info) => {
      if (name === 'tcpip-forward') listenFor(client, info as ListenInfo, accept, reject);
      else reject?.();
    });
    client.on('tcpip', (accept, reject, { destPort }) => {
      if (this.behaviour.ignoresForwards) return;
      const socket = connectTcp(destPort, '127.0.0.1');
      socket.once('error', () => reject?.());
      socket.once('connect', () => {
        const channel = accept();
        channel.on('error', () => {});
        socket.on('error', () => {});
        // As sshd does: what the client has closed is closed.
        channel.on('close', () => socket.destroySoon());
        channel.pipe(socket).pipe(channel);
      });
    });
  }

  private judge(context: AuthContext): void {
    if (this.isProven(context)) context.accept();
    else context.reject(['publickey']);
  }

  private isProven(context: AuthContext): boolean {
    if (context.method !== 'publickey') return false;
    const shown = context.key.data.toString('base64');
    if (context.signature === undefined) this.offered.push(shown);
    if (this.behaviour.authorized === 'everybody') return true;
    const known = this.behaviour.authorized?.find((line) => line.split(' ')[1] === shown);
    if (known === undefined) return false;
    const parsed = utils.parseKey(known);
    if (parsed instanceof Error) throw parsed;
    const key = Array.isArray(parsed) ? parsed[0] : parsed;
    const { signature, blob, hashAlgo } = context as typeof context & { hashAlgo?: string };
    return signature === undefined || key?.verify(blob as Buffer, signature, hashAlgo) === true;
  }

  private serveSession(session: Session, client: Connection): void {
    session.on('sftp', (accept) => {
      const files = accept();
      files.on('REALPATH', (id) => files.name(id, [{ filename: '/root', longname: '/root', attrs: {} as never }]));
    });
    session.on('exec', (accept, _reject, { command }) => {
      if (this.behaviour.ignoresSessions) return;
      const channel = accept();
      if (this.behaviour.cutsCommands) {
        channel.write('half of the ans');
        setTimeout(() => client.end(), 20);
        return;
      }
      runCommand(session, channel, command, this.behaviour.env);
    });
  }
}

interface ListenInfo {
  bindAddr: string;
  bindPort: number;
}

/** As `ssh -R` has it: what comes to a port here is offered to the client. */
function listenFor(
  client: Connection,
  { bindAddr, bindPort }: ListenInfo,
  accept: ((port: number) => void) | undefined,
  reject: (() => void) | undefined,
): void {
  const server: TcpServer = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    const { port } = server.address() as AddressInfo;
    client.forwardOut(bindAddr, port, '127.0.0.1', socket.remotePort ?? 0, (error, channel) => {
      if (error) socket.destroy();
      else channel.pipe(socket).pipe(channel);
    });
  });
  server.once('error', () => reject?.());
  server.listen(bindPort, bindAddr, () => accept?.((server.address() as AddressInfo).port));
  client.once('close', () => server.close());
}

function runCommand(session: Session, channel: ServerChannel, command: string, env: Record<string, string> = {}): void {
  const child = spawn('bash', ['-c', command], {
    // bash reads ~/.bashrc when its input is a socket; there is none here.
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...env },
  });
  session.on('signal', (_accept, _reject, { name }: { name: string }) =>
    child.kill(`SIG${name.replace(/^SIG/u, '')}` as never),
  );
  channel.pipe(child.stdin);
  child.stdin.on('error', () => {});
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  channel.on('error', () => {});
  channel.on('close', () => child.kill('SIGKILL'));
  child.on('close', (code, signal) => {
    if (signal === null) channel.exit(code ?? 0);
    else channel.exit(signal.replace(/^SIG/u, ''), false, '');
    channel.end();
  });
}

/** A TCP server that is no SSH server. */
export async function listenTcp(
  onSocket: (socket: Socket) => void,
): Promise<{ port: number; sockets: Set<Socket>; close(): void }> {
  const sockets = new Set<Socket>();
  const server: TcpServer = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    // A socket that is not read never learns that the other side has gone.
    socket.resume();
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A port that nothing listens on. */
export async function closedPort(): Promise<number> {
  const { port, close } = await listenTcp(() => {});
  close();
  return port;
}
