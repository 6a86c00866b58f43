import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { EXIT, ForgeError } from '../errors.js';
import type { LocalForward } from '../workflows/tunnel/local-forward.js';
import { Tunnel } from '../workflows/tunnel/tunnel.js';
import type { ForgeContext } from './context.js';
import { lineDependencies } from './tunnel-access.js';
import type { TunnelRequest } from './tunnel-request.js';
import { openAll } from './tunnel-session.js';
import { TunnelView } from './tunnel-view.js';

interface RunOptions {
  command: readonly [string, ...string[]];
  /** For all services to answer. */
  timeoutMs: number;
  /** Keeps stdout for the JSON document. */
  outputToStderr: boolean;
}

/** Opens a tunnel, runs a command when every service has answered, closes the tunnel. Gives the command's status. */
export async function runThroughTunnel(
  context: ForgeContext,
  request: TunnelRequest,
  options: RunOptions,
): Promise<{ exitCode: number; tunnel: Tunnel }> {
  const view = new TunnelView(await context.stageReporter(), request.instance.label ?? String(request.instance.id));
  const ready = new Set<LocalForward>();
  let onReady = (): void => {};
  const tunnel = new Tunnel(await lineDependencies(context, request.sshKey), {
    instance: request.instance,
    tell: (event) => {
      view.tell(event);
      if (event.event === 'ready') ready.add(event.forward);
      onReady();
    },
  });
  await openAll(tunnel, context, request);
  const running = tunnel.run();
  try {
    const allReady = new Promise<void>((resolve) => {
      onReady = () => isUp(tunnel) && tunnel.forwards.every((forward) => ready.has(forward)) && resolve();
    });
    await Promise.race([running, inTime(allReady, options.timeoutMs)]);
    const exitCode = await Promise.race([running, runCommand(tunnel, options, context.interruption.signal)]);
    return { exitCode, tunnel };
  } finally {
    tunnel.close('the command has ended');
    running.catch(() => {});
  }
}

function isUp(tunnel: Tunnel): boolean {
  return tunnel.state === 'up' && tunnel.hasLooked && tunnel.reverses.every(({ port }) => port !== null);
}

async function inTime(ready: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new ForgeError(`The services did not answer within ${Math.round(timeoutMs / 1000)} s.`, {
          code: 'TIMED_OUT',
          exit: EXIT.timedOut,
          hint: 'Give it longer with --timeout, or see forgectl wait.',
        }),
      );
    }, timeoutMs);
  });
  await Promise.race([ready, late]).finally(() => clearTimeout(timer));
}

/** Ends with the command; takes it along when this process is told to end, or the tunnel cannot go on. */
async function runCommand(tunnel: Tunnel, options: RunOptions, signal: AbortSignal): Promise<number> {
  const [program, ...words] = options.command;
  const child = spawn(program, words, {
    stdio: ['inherit', options.outputToStderr ? 2 : 'inherit', 'inherit'],
    env: { ...process.env, ...addresses(tunnel) },
  });
  const end = (): void => void child.kill('SIGTERM');
  const { signal: closed } = tunnel;
  for (const reason of [signal, closed]) reason.addEventListener('abort', end, { once: true });
  try {
    return await statusOf(child, program);
  } finally {
    for (const reason of [signal, closed]) reason.removeEventListener('abort', end);
  }
}

function statusOf(child: ChildProcess, program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new ForgeError(`${program} cannot be started (${error.code ?? error.message}).`, {
          code: 'COMMAND_NOT_STARTED',
          exit: EXIT.usage,
          hint: 'Is it installed? What the shell alone knows needs: -- sh -c "…"',
        }),
      ),
    );
    child.once('exit', (code, name) => resolve(name === null ? (code ?? 1) : 128 + constants.signals[name]));
  });
}

/** FORGECTL_TUNNEL_URL is the first one; each service has its own besides. */
function addresses({ forwards }: Tunnel): Record<string, string> {
  const named = forwards.map((forward) => [nameOfVariable(forward), forward.url ?? forward.local] as const);
  const first = named[0]?.[1];
  return { ...Object.fromEntries(named), ...(first === undefined ? {} : { FORGECTL_TUNNEL_URL: first }) };
}

function nameOfVariable({ name }: LocalForward): string {
  return `FORGECTL_TUNNEL_${name.toUpperCase().replace(/[^A-Z0-9]+/gu, '_')}`;
}
