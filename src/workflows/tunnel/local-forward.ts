import type { Socket } from 'node:net';
import type { Clock } from '../../clock.js';
import { ForgeError } from '../../errors.js';
import type { ServiceDeclaration } from '../../instance/services/service.js';
import { findPortHolder } from '../../port-holder.js';
import type { Carrier, Target } from '../../ssh/carrier.js';
import { isTaken, type LocalEnd, type LocalListener, listenLocally } from '../../ssh/local-listener.js';
import { type Inspector, noTraffic, reset } from '../../ssh/socket-pair.js';
import { askSocks } from '../../ssh/socks.js';
import { HostCheck, hostsOfPort } from './host-check.js';
import type { Line } from './line.js';
import { type ForwardSpec, nameOfEnd } from './specs.js';

/** A new socket waits this long for the connection to come back. */
const HOLD_MS = 10_000;
/** Ports above the wished one that are tried with --auto-port. */
const AUTO_PORTS = 100;

export type ForwardState = 'listening' | 'waiting' | 'ready';

export interface ForwardOptions {
  line: Line;
  clock: Clock;
  signal: AbortSignal;
  /** Told when the machine refused a socket: nothing listens there. */
  onRefused: (forward: LocalForward) => void;
}

export interface OpenOptions extends ForwardOptions {
  autoPort: boolean;
  anyHost: boolean;
}

interface Leading {
  /** Null for a SOCKS proxy: its clients say where to. */
  target: Target | null;
  service: ServiceDeclaration | null;
  isByName: boolean;
}

/** One local end and what it leads to. It listens from before the first connection until the tunnel is closed. */
export class LocalForward {
  readonly traffic = noTraffic();
  readonly end: LocalEnd;
  /** Where it was wished to listen; another port with --auto-port. */
  readonly wished: LocalEnd;
  /** Its port on the machine is the service's, whatever that is. */
  readonly isByName: boolean;
  target: Target | null;
  service: ServiceDeclaration | null;
  /** Its web page may be called by every name; otherwise by this computer's. */
  anyHost: boolean;
  /** Why it is not ready, in words. */
  reason: string | null = null;
  private now: { state: ForwardState; sinceMs: number };
  private readonly options: ForwardOptions;
  private readonly sockets = new Set<Socket>();
  private listener: LocalListener | null = null;

  private constructor(ends: { wished: LocalEnd; listener: LocalListener }, to: Leading, options: OpenOptions) {
    this.wished = ends.wished;
    this.end = ends.listener.end;
    this.listener = ends.listener;
    this.target = to.target;
    this.service = to.service;
    this.isByName = to.isByName;
    this.anyHost = options.anyHost;
    this.options = options;
    this.now = { state: 'listening', sinceMs: options.clock.now() };
  }

  static async open(wished: LocalEnd, to: Leading, options: OpenOptions): Promise<LocalForward> {
    let forward: LocalForward | null = null;
    const accept = (socket: Socket): void => {
      if (forward === null) socket.destroy();
      else forward.accept(socket);
    };
    const listener = await listenSomewhere(wished, options.autoPort, accept);
    forward = new LocalForward({ wished, listener }, to, options);
    return forward;
  }

  get state(): ForwardState {
    return this.now.state;
  }

  set state(state: ForwardState) {
    if (state !== this.now.state) this.now = { state, sinceMs: this.options.clock.now() };
  }

  /** Since when it is in this state. */
  get sinceMs(): number {
    return this.now.sinceMs;
  }

  /** "forge", or the remote end. */
  get name(): string {
    if (this.target === null) return 'socks';
    const { host, port } = this.target;
    return this.service?.name ?? `${host === '127.0.0.1' ? '' : `${host}:`}${port}`;
  }

  /** As the machine sees it; null when the clients choose. */
  get remote(): string | null {
    return this.target === null ? null : `${this.target.host}:${this.target.port}`;
  }

  /** "localhost:7860" */
  get local(): string {
    return nameOfEnd(this.end);
  }

  /** How a browser reaches it; null for what is no web page. */
  get url(): string | null {
    if (this.end.kind === 'unix') return null;
    // With the h, names are looked up on the machine.
    if (this.target === null) return `socks5h://${this.local}`;
    if (this.service === null) return null;
    const anywhere = this.end.address === '0.0.0.0' || this.end.address === '::';
    return `${this.service.scheme}://${anywhere ? `localhost:${this.end.port}` : this.local}`;
  }

  /** Whether this is what the spec asks for. */
  isFor({ local, remote }: ForwardSpec): boolean {
    const isSameRemote =
      'service' in remote
        ? this.service?.name === remote.service
        : this.target?.host === remote.host && this.target.port === remote.port;
    return isSameRemote && (local === null ? this.isByName : nameOfEnd(local) === nameOfEnd(this.wished));
  }

  /** Leads to where the machine says that the service is. */
  aim(service: ServiceDeclaration): void {
    this.service = service;
    this.target = { host: '127.0.0.1', port: service.internalPort };
  }

  close(): void {
    this.listener?.close();
    this.listener = null;
    for (const socket of this.sockets) reset(socket);
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    this.join(socket).catch(() => reset(socket));
  }

  /** While there is no connection the socket waits, unread; what could not be joined in time is refused. */
  private async join(socket: Socket): Promise<void> {
    const { line, clock, signal } = this.options;
    const untilMs = clock.now() + HOLD_MS;
    const asked = this.target === null ? await askSocks(socket, HOLD_MS) : null;
    const target = asked?.target ?? this.target;
    if (target === null) return;
    for (let carrier: Carrier | null = null; ; ) {
      carrier = await line.whenUp(untilMs - clock.now(), signal, carrier);
      const timeoutMs = untilMs - clock.now();
      if (socket.destroyed) return;
      if (carrier === null || timeoutMs <= 0) {
        refuse(socket, asked?.refused(FAILED));
        return;
      }
      try {
        await carrier.carry(socket, target, {
          traffic: this.traffic,
          timeoutMs,
          greeting: asked?.accepted,
          inspector: this.inspectorFor(socket),
          keepsSpares: this.state === 'ready' && this.service?.sparesDoNoHarm === true,
        });
        return;
      } catch (error) {
        if (!(error instanceof ForgeError)) throw error;
        if (error.code !== 'SSH_CHANNEL_REFUSED') continue;
        refuse(socket, asked?.refused(NOBODY_THERE));
        this.options.onRefused(this);
        return;
      }
    }
  }

  /** For web pages at a port, which any page of a browser can reach. */
  private inspectorFor({ localAddress }: Socket): Inspector | undefined {
    const { end } = this;
    if (this.service === null || end.kind === 'unix' || this.anyHost) return undefined;
    return new HostCheck(hostsOfPort(end.address, localAddress));
  }
}

/** Codes of SOCKS 5. */
const FAILED = 1;
const NOBODY_THERE = 5;

/** A client of the proxy is told why; another one sees that nobody is there. */
function refuse(socket: Socket, answer: Buffer | undefined): void {
  if (answer === undefined) reset(socket);
  else socket.end(answer, () => socket.destroy());
}

async function listenSomewhere(
  wished: LocalEnd,
  autoPort: boolean,
  onSocket: (socket: Socket) => void,
): Promise<LocalListener> {
  for (let more = 0; ; more += 1) {
    const end = wished.kind === 'unix' ? wished : { ...wished, port: wished.port + more };
    try {
      return await listenLocally(end, onSocket);
    } catch (error) {
      if (!isTaken(error) || end.kind === 'unix') throw error;
      if (!autoPort || more >= AUTO_PORTS || end.port >= 65535) throw withHolder(error, end.port);
    }
  }
}

function withHolder(error: ForgeError, port: number): ForgeError {
  const holder = findPortHolder(port);
  if (holder === null) return error;
  const { code, exit, hint, details } = error;
  const { pid, name } = holder;
  return new ForgeError(`Port ${port} of this computer is taken by ${name} (process ${pid}).`, {
    code,
    exit,
    hint,
    details: { ...details, holder: name, holder_pid: pid },
  });
}
