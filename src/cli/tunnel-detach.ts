import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { systemClock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import type { Stage } from '../ui/reporter.js';
import { ownProgram } from './argv.js';
import type { ForgeContext } from './context.js';
import { nameOf } from './select-instances.js';
import { askTunnel, type TunnelStatus } from './tunnel-control.js';
import { type DaemonMessage, failureOf } from './tunnel-daemon.js';
import { TunnelRegistry } from './tunnel-registry.js';
import type { TunnelRequest } from './tunnel-request.js';

/** For the first answers of the services; what takes longer is told as "waiting". */
const FIRST_ANSWERS_MS = 3000;
const LOOK_EVERY_MS = 100;
/** Another command is starting the process at this moment. */
const OTHER_START_MS = 10_000;

/** Starts the background process of an instance, or adds to the one that runs. */
export async function detachTunnel(
  context: ForgeContext,
  request: TunnelRequest,
): Promise<{ status: TunnelStatus; started: boolean }> {
  const registry = new TunnelRegistry(context.paths.stateDir, context.name);
  const { id } = request.instance;
  const { words, all, autoPort, address, anyHost, reverse, socks } = request;
  const add = { do: 'add', words, all, autoPort, address, anyHost, reverse, socks } as const;
  const running = registry.find(id);
  if (running !== null)
    return { status: await settled(running.socket, await askTunnel(running.socket, add)), started: false };
  const outcome = await startDaemon(context, request, registry.logOf(id));
  const entry = await waitForEntry(registry, id);
  const first = await askTunnel(entry.socket, outcome === 'already' ? add : { do: 'status' });
  return { status: await settled(entry.socket, first), started: outcome === 'up' };
}

async function startDaemon(context: ForgeContext, request: TunnelRequest, log: string): Promise<'up' | 'already'> {
  const stage = (await context.stageReporter()).stage('connect', `Connecting to ${nameOf(request.instance)}`);
  const output = openSync(log, 'a', 0o600);
  const child = spawn(process.execPath, ownProgram(daemonWords(context, request)), {
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
    env: withoutOwnFlags(process.env),
    // A directory may be unmounted or deleted under a process that lives for weeks.
    cwd: '/',
  });
  closeSync(output);
  const stop = (): void => void child.kill('SIGTERM');
  const { signal } = context.interruption;
  signal.addEventListener('abort', stop, { once: true });
  try {
    const outcome = await untilUp(child, stage);
    stage.done(
      outcome === 'up' ? `Connected to ${nameOf(request.instance)}, in the background` : 'It has a tunnel already',
    );
    return outcome;
  } catch (error) {
    stage.failed();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    if (child.connected) child.disconnect();
    child.unref();
  }
}

function daemonWords(context: ForgeContext, request: TunnelRequest): string[] {
  const { instance, words, all, autoPort, address, anyHost, sshKey, reverse, socks } = request;
  return [
    'tunnel',
    '--serve',
    '--context',
    context.name,
    ...(all ? ['--all'] : []),
    ...(autoPort ? ['--auto-port'] : []),
    ...(anyHost ? ['--any-host'] : []),
    ...(address === null ? [] : ['--bind', address]),
    ...(sshKey === null ? [] : ['--ssh-key', sshKey]),
    ...reverse.flatMap((word) => ['--reverse', word]),
    ...socks.flatMap((word) => ['--socks', word]),
    '--',
    String(instance.id),
    ...words,
  ];
}

/** A daemon must not inherit "--json" from the command that happened to start it. */
function withoutOwnFlags(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = ['JSON', 'SANDBOX', 'CONTEXT', 'QUIET', 'AUTO_PORT', 'ANY_HOST', 'BIND'].map(
    (name) => `FORGECTL_${name}`,
  );
  return Object.fromEntries(Object.entries(env).filter(([name]) => !own.includes(name)));
}

function untilUp(child: ChildProcess, stage: Stage): Promise<'up' | 'already'> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: DaemonMessage) => {
      if (message.tells === 'retrying') stage.detail(message.message);
      else if (message.tells === 'failed') reject(failureOf(message));
      else resolve(message.tells);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(
        new ForgeError(`The background process ended (${signal ?? code}) before the tunnel was up.`, {
          code: 'TUNNEL_NOT_STARTED',
          exit: EXIT.notReady,
          hint: 'forgectl tunnel logs shows why.',
        }),
      ),
    );
  });
}

async function waitForEntry(registry: TunnelRegistry, id: number): Promise<{ socket: string }> {
  for (let waitedMs = 0; waitedMs < OTHER_START_MS; waitedMs += LOOK_EVERY_MS) {
    const entry = registry.find(id);
    if (entry !== null) return entry;
    await systemClock.sleep(LOOK_EVERY_MS);
  }
  throw new ForgeError('The background tunnel has ended already.', {
    code: 'TUNNEL_ENDED',
    exit: EXIT.sshFailed,
    hint: 'forgectl tunnel logs shows why.',
  });
}

/** Until every service has been asked once. */
async function settled(socket: string, first: TunnelStatus): Promise<TunnelStatus> {
  let status = first;
  for (let waitedMs = 0; waitedMs < FIRST_ANSWERS_MS && !isSettled(status); waitedMs += LOOK_EVERY_MS) {
    await systemClock.sleep(LOOK_EVERY_MS);
    status = await askTunnel(socket, { do: 'status' });
  }
  return status;
}

function isSettled({ forwards }: TunnelStatus): boolean {
  return forwards.every(({ state }) => state === 'ready' || state === 'waiting');
}
