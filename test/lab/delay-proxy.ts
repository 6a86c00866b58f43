import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Direction, type Ending, type Line, Pair } from './delay-line.ts';

export interface DelayProxyOptions {
  host: string;
  port: number;
  /** The proxy's own address and port. */
  listenHost?: string;
  listenPort?: number;
  oneWayMs?: number;
  /** Of the whole line, each direction by itself. Left out: as fast as it goes. */
  bytesPerSecond?: number;
}

/** Many due packets go out in one system call. */
const SOCKET = { allowHalfOpen: true, noDelay: true, highWaterMark: 1024 * 1024 };

/**
 * A TCP line with a length: what goes in at one end comes out at the other `oneWayMs` later, at full speed, in order. It can be
 * stalled, cut and reset, at once or behind an exact byte, and it can refuse.
 */
export class DelayProxy {
  /** Bytes that have come out of the line. */
  readonly delivered: Record<Direction, number> = { up: 0, down: 0 };
  accepted = 0;
  private readonly line: Line;
  private readonly target: { host: string; port: number };
  private readonly pairs = new Set<Pair>();
  private readonly listenHost: string;
  private listening: Server | null = null;
  private ownPort: number;

  private constructor(options: DelayProxyOptions) {
    this.target = { host: options.host, port: options.port };
    this.listenHost = options.listenHost ?? '127.0.0.1';
    this.ownPort = options.listenPort ?? 0;
    this.line = {
      oneWayMs: options.oneWayMs ?? 0,
      bytesPerSecond: options.bytesPerSecond ?? Number.POSITIVE_INFINITY,
      freeAt: { up: 0, down: 0 },
      stalled: { up: false, down: false },
      limits: { up: null, down: null },
      delivered: this.delivered,
      end: (ending) => this.end(ending),
    };
  }

  static async open(options: DelayProxyOptions): Promise<DelayProxy> {
    const proxy = new DelayProxy(options);
    await proxy.accept();
    return proxy;
  }

  get port(): number {
    return this.ownPort;
  }

  get host(): string {
    return this.listenHost;
  }

  get connections(): number {
    return this.pairs.size;
  }

  /** For what is sent from now on. */
  set oneWayMs(ms: number) {
    this.line.oneWayMs = ms;
  }

  set bytesPerSecond(rate: number) {
    this.line.bytesPerSecond = rate;
  }

  /** New connections lead there. */
  aimAt(host: string, port: number): void {
    Object.assign(this.target, { host, port });
  }

  /** Nothing comes out any more, and nobody is told: a line without a carrier. */
  stall(direction: Direction | 'both' = 'both'): void {
    for (const way of waysOf(direction)) this.line.stalled[way] = true;
  }

  /** What was held comes out. */
  resume(direction: Direction | 'both' = 'both'): void {
    for (const way of waysOf(direction)) this.line.stalled[way] = false;
    for (const pair of this.pairs) pair.flush();
  }

  /** Both ends see the connection closed. What is on its way is lost. */
  cut(): void {
    this.end('cut');
  }

  /** Both ends get a reset. */
  reset(): void {
    this.end('reset');
  }

  /** Once so many more bytes have come out in that direction, over all connections: exactly so many, in mid-packet if need be. */
  endAfter(bytes: number, direction: Direction, ending: Ending = 'cut'): void {
    this.line.limits[direction] = { left: bytes, ending };
  }

  /** Connecting is refused; what is connected goes on. */
  async refuse(): Promise<void> {
    const server = this.listening;
    this.listening = null;
    // Its callback waits for the last connection; the port is given back at once.
    server?.close();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Listens again, on the same port. */
  async accept(): Promise<void> {
    if (this.listening !== null) return;
    const server = createServer(SOCKET, (client) => this.serve(client));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.ownPort, this.listenHost, resolve);
    });
    this.ownPort = (server.address() as AddressInfo).port;
    this.listening = server;
  }

  async close(): Promise<void> {
    await this.refuse();
    this.end('cut');
  }

  private serve(client: Socket): void {
    this.accepted += 1;
    const server = connect({ ...this.target, ...SOCKET });
    const pair = new Pair(client, server, this.line);
    this.pairs.add(pair);
    pair.onEnd = () => this.pairs.delete(pair);
  }

  private end(ending: Ending): void {
    if (ending === 'stall') this.stall();
    else for (const pair of [...this.pairs]) pair.end(ending);
  }
}

function waysOf(direction: Direction | 'both'): Direction[] {
  return direction === 'both' ? ['up', 'down'] : [direction];
}
