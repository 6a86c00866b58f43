import { type AddressInfo, createServer, type Socket, type Server as TcpServer } from 'node:net';
import ssh2, { type Algorithms, type Connection, type ServerChannel } from 'ssh2';
import { newKey } from '../../ssh/support/loopback-sshd.ts';

/** What a hostile server reaches of ssh2's to say what ssh2 itself never would. */
interface Parts {
  _sock: Socket;
  _protocol: {
    channelData(id: number, data: Buffer): void;
    channelExtData(id: number, data: Buffer, type: number): void;
    channelOpenConfirm(remote: number, local: number, window: number, packetSize: number): void;
    _packetRW: { write: { alloc(bytes: number): Buffer; allocStart: number; finalize(packet: Buffer): Buffer } };
    _cipher: { encrypt(packet: Buffer): void };
  };
}

export interface Hostility {
  algorithms?: Algorithms;
  /** When keys are exchanged, before the login. */
  onHandshake?(peer: Peer): void;
  /** Lets everybody in unless it says something else. */
  ignoresLogin?: boolean;
  onReady?(peer: Peer): void;
  onExec?(channel: ServerChannel, peer: Peer, command: string): void;
  /** A session is answered with a confirmation that says this. */
  confirms?: { window?: number; packetSize?: number };
  /** Somebody's socket has come through. */
  onForward?(channel: ServerChannel, peer: Peer): void;
  /** Confirms no session. */
  ignoresSessions?: boolean;
}

/** One client of a hostile server, and what can be done to it. */
export class Peer {
  readonly client: Connection;
  sentBytes = 0;
  private readonly parts: Parts;

  constructor(client: Connection) {
    this.client = client;
    this.parts = client as unknown as Parts;
  }

  get isThere(): boolean {
    return this.parts._sock.writable;
  }

  /** As many bytes as the line takes, whatever the window says. */
  flood(channel: ServerChannel, into: 'stdout' | 'stderr' = 'stdout', bytes = 32 * 1024 - 7): void {
    const { id } = (channel as unknown as { outgoing: { id: number } }).outgoing;
    const chunk = Buffer.alloc(bytes, 'x');
    this.again(() => {
      if (into === 'stdout') this.parts._protocol.channelData(id, chunk);
      else this.parts._protocol.channelExtData(id, chunk, 1);
      this.sentBytes += chunk.length;
    });
  }

  /** As much as the window allows; the last of it a byte at a time, when nobody makes room any more. */
  trickle(channel: ServerChannel): void {
    const { outgoing } = channel as unknown as { outgoing: { id: number; window: number } };
    const put = (bytes: number): void => {
      this.parts._protocol.channelData(outgoing.id, Buffer.alloc(bytes, 'y'));
      outgoing.window -= bytes;
    };
    let turns = 0;
    this.again(() => {
      if (outgoing.window > 1_900_000) {
        put(16_384);
        turns = 0;
      } else if (turns < 2000) turns += 1;
      else if (outgoing.window > 0) put(1);
    });
  }

  /** For ever, or for so often: as fast as the line takes it, or without waiting for it. */
  again(act: () => void, { times = Number.POSITIVE_INFINITY } = {}): void {
    let done = 0;
    const go = (): void => {
      for (let nth = 0; nth < 16 && done < times && this.isThere; nth += 1, done += 1) act();
      const { _sock: socket } = this.parts;
      if (!this.isThere || done >= times) return;
      if (socket.writableLength > 4 << 20) socket.once('drain', go);
      else setImmediate(go);
    };
    go();
  }

  send(...fields: (number | Buffer | { uint32: number } | { string: string })[]): void {
    const payload = Buffer.concat(fields.map(encoded));
    const { _packetRW: packets, _cipher: cipher } = this.parts._protocol;
    const packet = packets.write.alloc(payload.length);
    payload.copy(packet, packets.write.allocStart);
    cipher.encrypt(packets.write.finalize(packet));
  }

  /** Reads nothing more. */
  goDeaf(): void {
    this.parts._sock.pause();
    // Whoever writes to it resumes it otherwise.
    this.parts._sock.resume = () => this.parts._sock;
  }

  confirmsWith({ window, packetSize }: { window?: number; packetSize?: number }): void {
    const { _protocol: protocol } = this.parts;
    const confirm = protocol.channelOpenConfirm.bind(protocol);
    protocol.channelOpenConfirm = (remote, local, usual, size) =>
      confirm(remote, local, window ?? usual, packetSize ?? size);
  }
}

function encoded(field: number | Buffer | { uint32: number } | { string: string }): Buffer {
  if (typeof field === 'number') return Buffer.from([field]);
  if (Buffer.isBuffer(field)) return field;
  const number = Buffer.alloc(4);
  if ('uint32' in field) {
    number.writeUInt32BE(field.uint32);
    return number;
  }
  const text = Buffer.from(field.string);
  number.writeUInt32BE(text.length);
  return Buffer.concat([number, text]);
}

const HOST_KEY = newKey();

/** An SSH server on loopback that lets everybody in and attacks them. */
export class HostileSshd {
  readonly peers: Peer[] = [];
  port = 0;
  private readonly server: InstanceType<typeof ssh2.Server>;
  private readonly hostility: Hostility;

  private constructor(hostility: Hostility) {
    this.hostility = hostility;
    const { algorithms } = hostility;
    this.server = new ssh2.Server({ hostKeys: [HOST_KEY.private], ...(algorithms && { algorithms }) }, (client) =>
      this.serve(client),
    );
  }

  static async open(hostility: Hostility): Promise<HostileSshd> {
    const sshd = new HostileSshd(hostility);
    await new Promise<void>((resolve) => sshd.server.listen(0, '127.0.0.1', resolve));
    sshd.port = (sshd.server.address() as AddressInfo).port;
    return sshd;
  }

  get arrived(): number {
    return this.peers.length;
  }

  close(): void {
    this.server.close();
    for (const { client } of this.peers) (client as unknown as Parts)._sock.destroy();
  }

  private serve(client: Connection): void {
    const { hostility } = this;
    const peer = new Peer(client);
    this.peers.push(peer);
    client.on('error', () => {});
    client.on('handshake', () => hostility.onHandshake?.(peer));
    client.on('authentication', (context) => {
      if (hostility.ignoresLogin) return;
      if (context.method === 'none') context.reject(['publickey']);
      else context.accept();
    });
    client.on('ready', () => {
      if (hostility.confirms) peer.confirmsWith(hostility.confirms);
      hostility.onReady?.(peer);
    });
    client.on('request', (_accept, reject) => reject?.());
    client.on('tcpip', (accept) => {
      const channel = accept();
      channel.on('error', () => {});
      hostility.onForward?.(channel, peer);
    });
    client.on('session', (accept) => {
      if (hostility.ignoresSessions) return;
      const session = accept();
      for (const request of ['pty', 'signal', 'window-change'] as const)
        session.on(request as 'pty', (acceptIt) => acceptIt?.());
      session.on('exec', (acceptIt, _reject, { command }) => {
        const channel = acceptIt();
        channel.on('error', () => {});
        hostility.onExec?.(channel, peer, command);
      });
      session.on('shell', (acceptIt) => {
        const channel = acceptIt();
        channel.on('error', () => {});
        hostility.onExec?.(channel, peer, '');
      });
    });
  }
}

/** A TCP server that speaks SSH no further than the test says. */
export async function openHalfSshd(
  onSocket: (socket: Socket) => void,
): Promise<{ port: number; readonly arrived: number; close(): void }> {
  let arrived = 0;
  const sockets = new Set<Socket>();
  const server: TcpServer = createServer((socket) => {
    sockets.add(socket);
    arrived += 1;
    socket.on('error', () => {});
    socket.resume();
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    get arrived() {
      return arrived;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
