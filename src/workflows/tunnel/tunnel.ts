import { EXIT, ForgeError } from '../../errors.js';
import { findService, SERVICES } from '../../instance/services/catalog.js';
import { type MachineServices, readServices, servicesOf } from '../../instance/services/machine-services.js';
import type { ServiceDeclaration } from '../../instance/services/service.js';
import type { Carrier, Target } from '../../ssh/carrier.js';
import type { LocalEnd } from '../../ssh/local-listener.js';
import type { Instance } from '../../vast/model.js';
import type { TellTunnel } from './events.js';
import { Line, type LineDependencies, type LineTimings, TIMINGS } from './line.js';
import { type ForwardOptions, type ForwardState, LocalForward } from './local-forward.js';
import { ReverseForward } from './reverse-forward.js';
import { untilReady } from './service-watch.js';
import { type ForwardSpec, nameOfEnd, type ReverseSpec } from './specs.js';

const LOOK_LIMIT_MS = 20_000;

export type TunnelState = 'connecting' | 'up' | 'stalled' | 'reconnecting';

export interface ListenOptions {
  /** The next free port when the wished one is taken. */
  autoPort: boolean;
  /** Where services listen when nothing else is said; null is the loopback. */
  address: string | null;
  /** Web pages may be called by every name, not only by this computer's. */
  anyHost: boolean;
  /** Every service of the machine besides. */
  all: boolean;
}

export interface TunnelOptions {
  instance: Instance;
  tell: TellTunnel;
  timings?: Partial<LineTimings>;
}

/** Forwards over one line: local ends that stay open from before the first connection until the tunnel is closed. */
export class Tunnel {
  readonly forwards: LocalForward[] = [];
  readonly reverses: ReverseForward[] = [];
  readonly line: Line;
  private readonly deps: LineDependencies;
  private readonly options: TunnelOptions;
  private readonly closing = new AbortController();
  private machine: MachineServices | null = null;
  /** Named on the line, and known to nobody but perhaps the machine. */
  private unknown: { specs: readonly ForwardSpec[]; options: ListenOptions }[] = [];
  /** Ends with the connection that the watchers ask through. */
  private watching = new AbortController();
  private readonly watched = new Set<LocalForward>();
  private isClosed = false;
  private now: { state: TunnelState; sinceMs: number };

  constructor(deps: LineDependencies, options: TunnelOptions) {
    this.deps = { ...deps, signal: AbortSignal.any([deps.signal, this.closing.signal]) };
    this.options = options;
    const { instance, timings } = options;
    this.now = { state: 'connecting', sinceMs: deps.clock.now() };
    this.line = new Line(
      this.deps,
      { instance, tell: (event) => this.told(event), timings: { ...TIMINGS, ...timings } },
      (carrier) => this.cameUp(carrier),
    );
  }

  /** Opens local ends at once, but for services that only the machine may know. All or none. */
  async listen(specs: readonly ForwardSpec[], options: ListenOptions): Promise<void> {
    const { machine } = this;
    const wanted = machine !== null && options.all ? [...specs, ...this.missing(machine, specs)] : specs;
    const isKnown = (spec: ForwardSpec): boolean => this.declarationOf(spec) !== null;
    const unknown = wanted.filter((spec) => !isKnown(spec));
    if (machine !== null && unknown.length > 0) throw noSuchService(unknown, machine.services);
    const opened: LocalForward[] = [];
    try {
      for (const spec of wanted.filter(isKnown)) opened.push(await this.open(spec, options));
    } catch (error) {
      for (const forward of opened) forward.close();
      throw error;
    }
    if (machine === null) this.unknown.push({ specs: unknown, options });
    this.forwards.push(...opened);
    for (const forward of opened) this.options.tell({ event: 'listening', forward });
    this.watch();
  }

  /** Aborted when the tunnel is closed. */
  get signal(): AbortSignal {
    return this.closing.signal;
  }

  /** No further local end will come by itself. */
  get hasLooked(): boolean {
    return this.unknown.every(({ specs, options }) => specs.length === 0 && !options.all);
  }

  /** A SOCKS proxy: its clients say where to, as the machine sees it. */
  async listenForSocks(end: LocalEnd, { autoPort }: Pick<ListenOptions, 'autoPort'>): Promise<void> {
    const leading = { target: null, service: null, isByName: false };
    const forward = await LocalForward.open(end, leading, { ...this.forwardOptions(), autoPort, anyHost: true });
    this.forwards.push(forward);
    this.options.tell({ event: 'listening', forward });
    this.watch();
  }

  /** A port of the machine that leads here. */
  reverse(spec: ReverseSpec): void {
    const forward = new ReverseForward(spec);
    this.reverses.push(forward);
    this.openReverse(forward);
  }

  get state(): TunnelState {
    return this.now.state;
  }

  /** What a forward can be used for now, in a word, and since when. */
  stateOf(forward: LocalForward): { state: TunnelState | ForwardState; sinceMs: number } {
    if (this.now.state !== 'up') return this.now;
    return { state: forward.state === 'listening' ? 'up' : forward.state, sinceMs: forward.sinceMs };
  }

  /** Lives until something final happens, and throws it. */
  async run(): Promise<never> {
    try {
      return await this.line.run();
    } catch (error) {
      this.close(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  /** Ends `run` and every socket. */
  close(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closing.abort(new ForgeError(reason, { code: 'TUNNEL_CLOSED', exit: EXIT.done }));
    this.watching.abort();
    for (const forward of this.forwards) forward.close();
    this.options.tell({ event: 'closed', reason });
  }

  private told(event: Parameters<TellTunnel>[0]): void {
    const state = STATE_AFTER[event.event];
    if (state !== undefined) this.now = { state, sinceMs: this.deps.clock.now() };
    if (event.event === 'lost' || event.event === 'stalled') this.watching.abort();
    if (event.event === 'lost') {
      for (const forward of this.forwards) forward.state = 'listening';
      for (const forward of this.reverses) forward.lost();
    }
    this.options.tell(event);
    if (UP.has(event.event)) this.watchAgain();
  }

  private watchAgain(): void {
    this.watching.abort();
    this.watching = new AbortController();
    this.watched.clear();
    this.watch();
    for (const forward of this.reverses) this.openReverse(forward);
  }

  private openReverse(forward: ReverseForward): void {
    const { carrier } = this.line;
    const { signal } = this.watching;
    if (carrier === null || forward.port !== null) return;
    forward.open(carrier, { clock: this.deps.clock, tell: this.options.tell, signal }).catch(ignoringCuts(signal));
  }

  /** One watcher for each forward that nobody watches. */
  private watch(): void {
    const { carrier } = this.line;
    if (carrier === null) return;
    const { signal } = this.watching;
    for (const forward of this.forwards) {
      if (forward.state === 'ready' || this.watched.has(forward)) continue;
      this.watched.add(forward);
      untilReady(forward, { carrier, clock: this.deps.clock, tell: this.options.tell, signal })
        .catch(ignoringCuts(signal))
        .finally(() => {
          if (!signal.aborted) this.watched.delete(forward);
        });
    }
  }

  /** First the targets, then the sockets. */
  private async cameUp(carrier: Carrier): Promise<void> {
    if (this.machine !== null) return;
    const machine = await this.look(carrier);
    if (machine === null) return;
    this.machine = machine;
    for (const forward of this.forwards) {
      const found = machine.services.find(({ name }) => name === forward.service?.name);
      if (found !== undefined && forward.isByName) forward.aim(found);
    }
    for (const { specs, options } of this.unknown.splice(0)) await this.listen(specs, options);
  }

  /** What the machine has, and neither a local end nor a word of the line. */
  private missing({ services }: MachineServices, specs: readonly ForwardSpec[]): ForwardSpec[] {
    const names = new Set(this.forwards.map(({ name }) => name));
    for (const { remote } of specs) if ('service' in remote) names.add(remote.service);
    return services
      .filter(({ name }) => !names.has(name))
      .map(({ name }) => ({ local: null, remote: { service: name } }));
  }

  /** Null when the connection went away meanwhile: the next one is asked again. */
  private async look(carrier: Carrier): Promise<MachineServices | null> {
    try {
      return await readServices(carrier.connection, LOOK_LIMIT_MS);
    } catch (error) {
      if (!(error instanceof ForgeError)) throw error;
      if (!carrier.connection.isOpen()) return null;
      this.options.tell({
        event: 'warning',
        message: `The machine's list of services could not be read (${error.message}) The image's usual ports are taken.`,
      });
      return servicesOf(null, { isJupyterOfPlatform: false });
    }
  }

  private open(spec: ForwardSpec, { address, autoPort, anyHost }: ListenOptions): Promise<LocalForward> {
    const { service, target, isByName } = this.declarationOf(spec) as Declared;
    const local: LocalEnd = spec.local ?? {
      kind: 'tcp',
      address,
      port: service?.usualPort ?? target.port,
    };
    return LocalForward.open(local, { target, service, isByName }, { ...this.forwardOptions(), autoPort, anyHost });
  }

  private forwardOptions(): ForwardOptions {
    const { clock, signal } = this.deps;
    return {
      line: this.line,
      clock,
      signal,
      onRefused: (forward) => {
        // A proxy's client asked for something that is not there: that says nothing of the proxy.
        if (forward.target === null) return;
        forward.state = 'waiting';
        this.watch();
      },
    };
  }

  /** Null for a service that is not the image's, while the machine was not asked yet. */
  private declarationOf({ remote }: ForwardSpec): Declared | null {
    if (!('service' in remote)) {
      const known = this.machine?.services ?? SERVICES;
      const service =
        remote.host === '127.0.0.1' ? known.find(({ internalPort }) => internalPort === remote.port) : null;
      return { service: service ?? null, target: remote, isByName: false };
    }
    const service = this.machine?.services.find(({ name }) => name === remote.service) ?? findService(remote.service);
    return service === null
      ? null
      : { service, target: { host: '127.0.0.1', port: service.internalPort }, isByName: true };
  }
}

const UP = new Set(['connected', 'reconnected', 'recovered']);

const STATE_AFTER: Partial<Record<Parameters<TellTunnel>[0]['event'], TunnelState>> = {
  connected: 'up',
  reconnected: 'up',
  recovered: 'up',
  stalled: 'stalled',
  lost: 'reconnecting',
};

/** The line tells what became of the connection. */
function ignoringCuts(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ForgeError) && !signal.aborted) throw error;
  };
}

interface Declared {
  service: ServiceDeclaration | null;
  target: Target;
  /** The port is the service's, whatever it is. */
  isByName: boolean;
}

function noSuchService(specs: readonly ForwardSpec[], services: readonly ServiceDeclaration[]): ForgeError {
  const names = specs.map(({ local, remote }) => ('service' in remote ? remote.service : nameOfEnd(local as LocalEnd)));
  return new ForgeError(`The machine has no service ${names.map((name) => `"${name}"`).join(', ')}.`, {
    code: 'SERVICE_NOT_FOUND',
    exit: EXIT.notFound,
    hint: `It has: ${services.map(({ name }) => name).join(', ')}. Any port: LOCAL:REMOTE`,
    details: { services: services.map(({ name }) => name) },
  });
}
