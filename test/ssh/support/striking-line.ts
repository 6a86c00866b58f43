import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

type Direction = 'up' | 'down';
export type Ending = 'close' | 'reset';

/** A TCP line that is cut behind an exact byte, stalled, or refuses; up is towards the server. */
export class StrikingLine {
  accepted = 0;
  private readonly pairs = new Set<[Socket, Socket]>();
  private server: Server | null = null;
  private targetPort: number;
  private ownPort = 0;
  private stalled = false;
  private limit: { direction: Direction; left: number; ending: Ending; onCut: () => void } | null = null;

  private constructor(targetPort: number) {
    this.targetPort = targetPort;
  }

  static async open(targetPort: number): Promise<StrikingLine> {
    const line = new StrikingLine(targetPort);
    await line.listen();
    return line;
  }

  get port(): number {
    return this.ownPort;
  }

  /** Once so many more bytes have passed in that direction, over all connections. */
  cutAfter(bytes: number, direction: Direction, ending: Ending = 'reset'): Promise<void> {
    return new Promise((onCut) => {
      this.limit = { direction, left: bytes, ending, onCut };
    });
  }

  cut(ending: Ending = 'reset'): void {
    for (const pair of this.pairs) for (const socket of pair) end(socket, ending);
  }

  /** Nothing passes, and nobody is told. `present`: but new connections are well. */
  stall(isStalled: boolean, { present = false } = {}): void {
    this.stalled = isStalled && !present;
    for (const pair of this.pairs) for (const socket of pair) isStalled ? socket.pause() : socket.resume();
  }

  refuse(): void {
    this.server?.close();
    this.server = null;
  }

  /** Listens again where it did. */
  async listen(): Promise<void> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.serve(socket));
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.ownPort, '127.0.0.1', resolve);
    });
    this.ownPort = (server.address() as AddressInfo).port;
  }

  /** New connections lead there. */
  aimAt(port: number): void {
    this.targetPort = port;
  }

  close(): void {
    this.refuse();
    this.cut();
  }

  private serve(socket: Socket): void {
    this.accepted += 1;
    const other = connect({ port: this.targetPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const pair: [Socket, Socket] = [socket, other];
    this.pairs.add(pair);
    this.pass(socket, other, 'up');
    this.pass(other, socket, 'down');
    for (const one of pair) one.once('close', () => this.pairs.delete(pair));
    if (this.stalled) for (const one of pair) one.pause();
  }

  private pass(from: Socket, to: Socket, direction: Direction): void {
    from.on('error', () => to.destroy());
    from.once('close', () => to.destroy());
    from.once('end', () => to.end());
    from.on('data', (chunk) => {
      const { limit } = this;
      if (limit?.direction !== direction || limit.left > chunk.length) {
        if (limit?.direction === direction) limit.left -= chunk.length;
        if (!to.write(chunk)) from.pause();
        return;
      }
      this.limit = null;
      // The bytes before the cut arrive.
      to.write(chunk.subarray(0, limit.left), () => {
        this.cut(limit.ending);
        limit.onCut();
      });
    });
    to.on('drain', () => this.stalled || from.resume());
  }
}

function end(socket: Socket, ending: Ending): void {
  if (ending === 'reset') socket.resetAndDestroy();
  else socket.destroy();
}
