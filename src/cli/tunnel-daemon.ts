import type { Server } from 'node:net';
import { systemClock } from '../clock.js';
import { type EXIT, ForgeError } from '../errors.js';
import type { TunnelEvent } from '../workflows/tunnel/events.js';
import { parseForwards, parseReverse } from '../workflows/tunnel/specs.js';
import { Tunnel } from '../workflows/tunnel/tunnel.js';
import type { ForgeContext } from './context.js';
import { describeFailure } from './failure.js';
import { lineDependencies } from './tunnel-access.js';
import { type ControlRequest, serveControl, type TunnelStatus } from './tunnel-control.js';
import { logLine, writeTunnelLog } from './tunnel-log.js';
import { forwardDocument, reverseDocument, rounded } from './tunnel-output.js';
import { TunnelRegistry } from './tunnel-registry.js';
import type { TunnelRequest } from './tunnel-request.js';
import { openAll } from './tunnel-session.js';

/** What the background process tells the command that started it, until the tunnel is up. */
export type DaemonMessage =
  | { tells: 'retrying'; message: string }
  | { tells: 'up' }
  | { tells: 'already' }
  | {
      tells: 'failed';
      code: string;
      message: string;
      hint: string | null;
      exit: number;
      details: Record<string, unknown>;
    };

const LOOK_AT_REGISTRY_MS = 5000;

/** The background process of one instance: a tunnel that is asked and told through a socket. */
export class TunnelDaemon {
  private readonly context: ForgeContext;
  private readonly request: TunnelRequest;
  private readonly registry: TunnelRegistry;
  private readonly log: string;
  private readonly since = new Date().toISOString();
  private tunnel: Tunnel | null = null;
  private reconnects = 0;
  private lastError: TunnelStatus['last_error'] = null;

  constructor(context: ForgeContext, request: TunnelRequest) {
    this.context = context;
    this.request = request;
    this.registry = new TunnelRegistry(context.paths.stateDir, context.name);
    this.log = this.registry.logOf(request.instance.id);
  }

  /** Lives until it is stopped, the instance is gone, or something else is final. */
  async serve(): Promise<void> {
    const { id, label } = this.request.instance;
    const lock = this.registry.claim(id);
    if (lock === null) {
      tell({ tells: 'already' });
      return;
    }
    const socket = this.registry.newSocketPath(id);
    let control: Server | null = null;
    try {
      const tunnel = await this.open();
      control = await serveControl(socket, (request) => this.answer(tunnel, request));
      await this.registry.write({ instance_id: id, label, socket, since: this.since });
      void this.endWithRegistry(tunnel);
      await tunnel.run();
    } catch (error) {
      this.ended(error);
    } finally {
      control?.close();
      if (control === null || this.registry.isMine(id)) this.registry.remove({ instance_id: id, socket });
      lock.release();
      hangUp();
    }
  }

  private async open(): Promise<Tunnel> {
    const { instance, sshKey } = this.request;
    const deps = await lineDependencies(this.context, sshKey);
    const tunnel = new Tunnel(deps, { instance, tell: (event) => this.told(event) });
    this.tunnel = tunnel;
    writeTunnelLog(this.log, `process ${process.pid} opens a tunnel to instance ${instance.id}`);
    await openAll(tunnel, this.context, this.request);
    return tunnel;
  }

  private told(event: TunnelEvent): void {
    const line = logLine(event);
    if (line !== null) writeTunnelLog(this.log, line);
    if (event.event === 'reconnected') this.reconnects += 1;
    if (event.event === 'lost') this.lastError = { code: 'SSH_LOST', message: event.reason };
    if (event.event === 'retrying') {
      this.lastError = { code: event.error.code, message: event.error.message };
      tell({ tells: 'retrying', message: event.error.message });
    }
    if (event.event !== 'connected') return;
    tell({ tells: 'up' });
    hangUp();
  }

  private ended(error: unknown): void {
    if (error instanceof ForgeError && error.code === 'TUNNEL_CLOSED') return;
    const { code, message, hint, exit, details, stack } = describeFailure(error, { command: 'tunnel' });
    this.tunnel?.close(message);
    writeTunnelLog(this.log, `ended: ${stack ?? message}`);
    tell({ tells: 'failed', code, message, hint, exit, details });
    process.exitCode = exit;
  }

  private async answer(tunnel: Tunnel, request: ControlRequest): Promise<TunnelStatus> {
    if (request.do === 'add') await this.add(tunnel, request);
    const status = this.status(tunnel);
    // The answer goes out first.
    if (request.do === 'stop') setImmediate(() => tunnel.close('stopped by forgectl tunnel stop'));
    return status;
  }

  /** What is there already is left as it is, but for the names that it may be called by. */
  private async add(tunnel: Tunnel, request: ControlRequest & { do: 'add' }): Promise<void> {
    const specs = parseForwards(request.words, request.address);
    for (const forward of tunnel.forwards)
      if (request.anyHost && (request.all || specs.some((spec) => forward.isFor(spec)))) forward.anyHost = true;
    const wanted = specs.filter((spec) => !tunnel.forwards.some((forward) => forward.isFor(spec)));
    const reverse = request.reverse.filter((word) => !tunnel.reverses.some((one) => one.isFor(parseReverse(word))));
    await openAll(tunnel, this.context, { ...this.request, ...request, specs: wanted, reverse });
  }

  private status(tunnel: Tunnel): TunnelStatus {
    const { instance, carrier, roundTripMs } = tunnel.line;
    const at = carrier?.connection.address ?? null;
    return {
      instance_id: instance.id,
      label: instance.label,
      pid: process.pid,
      since: this.since,
      state: tunnel.state,
      address: at === null ? null : `${at.host}:${at.port}`,
      via: at?.via ?? null,
      round_trip_ms: rounded(roundTripMs),
      reconnects: this.reconnects,
      last_error: this.lastError,
      forwards: tunnel.forwards.map((forward) => forwardDocument(tunnel, forward, null)),
      reverse: tunnel.reverses.map(reverseDocument),
    };
  }

  /** Whoever takes the entry away (with the whole state directory, say) has given up the tunnel. */
  private async endWithRegistry(tunnel: Tunnel): Promise<void> {
    const { signal } = this.context.interruption;
    while (!signal.aborted) {
      await systemClock.sleep(LOOK_AT_REGISTRY_MS, signal).catch(() => {});
      if (this.registry.isMine(this.request.instance.id)) continue;
      tunnel.close('its entry in the list of tunnels is gone');
      return;
    }
  }
}

/** Nobody may be there to hear it: then it is in the log. */
function tell(message: DaemonMessage): void {
  if (process.connected) process.send?.(message, undefined, {}, () => {});
}

function hangUp(): void {
  if (process.connected) process.disconnect();
}

/** As the control socket and the messages of the process carry it. */
export function failureOf(message: DaemonMessage & { tells: 'failed' }): ForgeError {
  const { code, hint, exit, details } = message;
  return new ForgeError(message.message, { code, hint, exit: exit as (typeof EXIT)[keyof typeof EXIT], details });
}
