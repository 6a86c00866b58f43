import { systemClock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import { isRunning } from '../process-identity.js';
import { askTunnel, type TunnelStatus } from './tunnel-control.js';
import type { ForwardDocument, ReverseDocument } from './tunnel-output.js';
import type { TunnelEntry } from './tunnel-registry.js';

interface WaitRequest {
  entry: TunnelEntry;
  /** Services, remote ports or local ports; all when empty. */
  names: readonly string[];
  timeoutMs: number;
  signal: AbortSignal;
  /** What it still waits for, in words. */
  onWaiting: (text: string) => void;
}

const LOOK_EVERY_MS = 200;

/** Until the services have answered through a background tunnel. */
export async function waitForTunnel(request: WaitRequest): Promise<TunnelStatus> {
  const { entry, names, timeoutMs, signal, onWaiting } = request;
  const untilMs = Date.now() + timeoutMs;
  for (;;) {
    signal.throwIfAborted();
    const status = await statusOf(entry);
    const wanted = status.forwards.filter(
      (forward) => names.length === 0 || names.some((name) => isNamed(forward, name)),
    );
    refuseUnknown(status, names);
    const open = [...wanted, ...(names.length === 0 ? status.reverse : [])].filter(({ state }) => state !== 'ready');
    if (open.length === 0 && status.state === 'up') return { ...status, forwards: wanted };
    const what = open.map(describe).join('; ') || status.state;
    if (Date.now() >= untilMs) throw timedOut(what, timeoutMs);
    onWaiting(what);
    await systemClock.sleep(LOOK_EVERY_MS, signal);
  }
}

async function statusOf(entry: TunnelEntry): Promise<TunnelStatus> {
  try {
    return await askTunnel(entry.socket, { do: 'status' });
  } catch (error) {
    if (isRunning(entry)) throw error;
    throw new ForgeError(`The tunnel to ${entry.label ?? entry.instance_id} has ended.`, {
      code: 'TUNNEL_ENDED',
      exit: EXIT.sshFailed,
      hint: `forgectl tunnel logs ${entry.instance_id} says why.`,
    });
  }
}

function isNamed({ service, remote, local_port: port, local }: ForwardDocument, name: string): boolean {
  return service === name || remote === `127.0.0.1:${name}` || String(port) === name || local === name;
}

function refuseUnknown({ forwards }: TunnelStatus, names: readonly string[]): void {
  const missing = names.find((name) => !forwards.some((forward) => isNamed(forward, name)));
  if (missing === undefined) return;
  throw new ForgeError(`The tunnel does not lead to "${missing}".`, {
    code: 'SERVICE_NOT_FOUND',
    exit: EXIT.notFound,
    hint: `It leads to: ${forwards.map(({ service, remote }) => service ?? remote).join(', ')}`,
  });
}

function describe(forward: ForwardDocument | ReverseDocument): string {
  const name = 'service' in forward ? (forward.service ?? forward.remote) : forward.remote;
  return `${name}: ${forward.reason ?? forward.state}`;
}

function timedOut(what: string, timeoutMs: number): ForgeError {
  return new ForgeError(`Not ready after ${Math.round(timeoutMs / 1000)} s: ${what}`, {
    code: 'TIMED_OUT',
    exit: EXIT.timedOut,
    hint: 'forgectl tunnel logs shows what happened.',
  });
}
