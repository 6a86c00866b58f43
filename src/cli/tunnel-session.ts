import { ForgeError } from '../errors.js';
import { formatDuration } from '../ui/format.js';
import type { TunnelEvent } from '../workflows/tunnel/events.js';
import type { LocalForward } from '../workflows/tunnel/local-forward.js';
import { isLoopback, nameOfEnd, parseReverse, parseSocks } from '../workflows/tunnel/specs.js';
import { Tunnel } from '../workflows/tunnel/tunnel.js';
import { startBrowser } from './browser.js';
import type { ForgeContext } from './context.js';
import { lineDependencies } from './tunnel-access.js';
import { eventDocument, formatBytes, forwardDocument, reverseDocument, urlOf } from './tunnel-output.js';
import { explainTakenPort, TunnelRegistry } from './tunnel-registry.js';
import type { TunnelRequest } from './tunnel-request.js';
import { TunnelView } from './tunnel-view.js';

export interface HoldOptions {
  events: boolean;
  /** Opens the first page that answers. */
  open: boolean;
  watchStdin: boolean;
  /** The answer: told once for each forward, when it is ready for the first time. */
  onReady: (forward: LocalForward, tunnel: Tunnel) => void;
}

/** A tunnel of this process, from the first local end until it is interrupted. Gives what `--json` prints. */
export async function holdTunnel(
  context: ForgeContext,
  request: TunnelRequest,
  options: HoldOptions,
): Promise<Record<string, unknown>> {
  const { instance } = request;
  const startedMs = Date.now();
  const reporter = options.events ? context.reporter : await context.stageReporter();
  const view = new TunnelView(reporter, instance.label ?? String(instance.id));
  const answered = new Set<LocalForward>();
  const tell = (event: TunnelEvent): void => {
    if (options.events) reporter.event(...eventDocument(event, tunnel));
    else view.tell(event);
    if (event.event !== 'ready' || answered.has(event.forward)) return;
    options.onReady(event.forward, tunnel);
    const { url } = event.forward;
    if (options.open && answered.size === 0 && url !== null) void startBrowser(url, reporter);
    answered.add(event.forward);
  };
  const tunnel = new Tunnel(await lineDependencies(context, request.sshKey), {
    instance,
    tell,
  });
  if (
    !isLoopback(request.address) ||
    request.specs.some(({ local }) => local?.kind === 'tcp' && !isLoopback(local.address))
  )
    reporter.warn('Not only this computer: whoever reaches the address can use the service, without a password.');
  await openAll(tunnel, context, request);
  if (options.watchStdin) watchStdin(() => tunnel.close('stdin ended'));
  const endedBy = await untilOver(tunnel, context);
  const { bytesUp, bytesDown, total } = sum(tunnel);
  reporter.info(
    `Closed after ${formatDuration(Date.now() - startedMs)}: ${total} connections, ${formatBytes(bytesDown)} down, ${formatBytes(bytesUp)} up.`,
  );
  return tunnelDocument(tunnel, endedBy);
}

/** The local ends, or who is in the way. */
export async function openAll(tunnel: Tunnel, context: ForgeContext, request: TunnelRequest): Promise<void> {
  try {
    await tunnel.listen(request.specs, request);
    for (const word of request.socks) await tunnel.listenForSocks(parseSocks(word, request.address), request);
    for (const word of request.reverse) tunnel.reverse(parseReverse(word));
  } catch (error) {
    throw explainTakenPort(error, new TunnelRegistry(context.paths.stateDir, context.name));
  }
}

/** Ctrl-C is how a tunnel ends: the exit says so, and nothing is an error. */
async function untilOver(tunnel: Tunnel, context: ForgeContext): Promise<string> {
  try {
    return await tunnel.run();
  } catch (error) {
    if (!(error instanceof ForgeError)) throw error;
    if (error.code === 'TUNNEL_CLOSED') return error.message;
    if (!context.interruption.signal.aborted) throw error;
    process.exitCode = error.exit;
    return error.code.toLowerCase();
  }
}

function tunnelDocument(tunnel: Tunnel, endedBy: string | null): Record<string, unknown> {
  const { instance } = tunnel.line;
  return {
    instance_id: instance.id,
    label: instance.label,
    forwards: tunnel.forwards.map((forward) => forwardDocument(tunnel, forward, instance.jupyterToken)),
    reverse: tunnel.reverses.map(reverseDocument),
    ended_by: endedBy,
  };
}

function sum({ forwards, reverses }: Tunnel): { bytesUp: number; bytesDown: number; total: number } {
  const sumOf = (key: 'bytesUp' | 'bytesDown' | 'total'): number =>
    [...forwards, ...reverses].reduce((total, { traffic }) => total + traffic[key], 0);
  return { bytesUp: sumOf('bytesUp'), bytesDown: sumOf('bytesDown'), total: sumOf('total') };
}

/** For a parent that ends in whatever way: its pipe closes with it. */
function watchStdin(onEnd: () => void): void {
  process.stdin.on('error', onEnd).once('end', onEnd).once('close', onEnd).resume();
}

/** "forge  http://localhost:7860" */
export function readyLine(forward: LocalForward, token: string | null): string {
  return `${forward.name}  ${urlOf(forward, token) ?? nameOfEnd(forward.end)}`;
}
