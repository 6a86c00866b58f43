import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../clock.js';
import { EXIT, ForgeError, type ForgeErrorOptions } from '../errors.js';
import { ownProgram } from './argv.js';
import { listenForInterruption } from './interruption.js';
import { isAlive, publicPart, type RunningSandbox, readSandboxFile } from './sandbox-file.js';

/** Starts it in the background and waits until it has written its file. Starting a running one is not an error. */
export async function startSandboxProcess(
  sandboxDir: string,
  options: { port?: number | null; timeScale?: number | null; seed?: number | null } = {},
): Promise<{ running: RunningSandbox; started: boolean }> {
  const already = readSandboxFile(sandboxDir);
  if (already !== null) return { running: publicPart(already), started: false };
  const log = openLog(sandboxDir);
  const words = [
    'sandbox',
    'start',
    '--foreground',
    ...numberFlag('--port', options.port),
    ...numberFlag('--time-scale', options.timeScale),
    ...numberFlag('--seed', options.seed),
  ];
  const child = spawn(process.execPath, ownProgram(words), {
    detached: true,
    // Over the fourth it says why it cannot start.
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...withoutOwnFlags(process.env), FORGECTL_SANDBOX_DIR: sandboxDir },
  });
  closeSync(log);
  const interruption = listenForInterruption();
  try {
    return await untilRunning(child, sandboxDir, interruption.signal);
  } catch (error) {
    // It gives up when the channel closes; whoever began it must not leave before it is gone.
    if (child.connected) child.disconnect();
    await untilGone(child.pid ?? 0, END_LIMIT_MS);
    throw error;
  } finally {
    interruption.release();
    if (child.connected) child.disconnect();
    child.unref();
  }
}

async function untilRunning(
  child: ChildProcess,
  sandboxDir: string,
  signal: AbortSignal,
): Promise<{ running: RunningSandbox; started: boolean }> {
  const start: { failure: ForgeError | null; isOver: boolean } = { failure: null, isOver: false };
  child.once('message', (told: { message: string } & ForgeErrorOptions) => {
    start.failure = new ForgeError(told.message, told);
  });
  // Its end alone may be seen before its last message is read; the end of the channel comes behind it.
  for (const end of ['disconnect', 'error'] as const)
    child.once(end, () => {
      start.isOver = true;
    });
  for (let waitedMs = 0; waitedMs < START_LIMIT_MS; waitedMs += LOOK_EVERY_MS) {
    const running = readSandboxFile(sandboxDir);
    // Another start may have been quicker; this one is then refused.
    if (running !== null) return { running: publicPart(running), started: running.pid === child.pid };
    // Refused because another start holds the folder: that one is about to run.
    if (start.isOver && start.failure?.code !== 'SANDBOX_RUNNING') break;
    await systemClock.sleep(LOOK_EVERY_MS, signal);
  }
  throw start.failure ?? notStarted(null, sandboxDir);
}

async function untilGone(pid: number, limitMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += LOOK_EVERY_MS) {
    if (!isAlive(pid)) return true;
    await systemClock.sleep(LOOK_EVERY_MS);
  }
  return !isAlive(pid);
}

function openLog(sandboxDir: string): number {
  try {
    mkdirSync(sandboxDir, { recursive: true, mode: 0o700 });
    return openSync(join(sandboxDir, 'sandbox.log'), 'a', 0o600);
  } catch (error) {
    throw notStarted(error as Error, sandboxDir);
  }
}

/** Aborted when whoever began this sandbox in the background gives it up or is gone. */
export function starterGone(): AbortSignal {
  const gone = new AbortController();
  const reason = new ForgeError('The start was given up.', { code: 'INTERRUPTED', exit: EXIT.interrupted });
  if (process.connected) process.once('disconnect', () => gone.abort(reason));
  // Listening alone keeps no process that has failed.
  process.channel?.unref();
  return gone.signal;
}

/** What a start in the foreground failed with, for people; whoever started it in the background is told, too. */
export function startFailure(error: unknown, sandboxDir: string): unknown {
  const failure = knownFailure(error as NodeJS.ErrnoException & { hint?: string }, sandboxDir);
  if (failure instanceof ForgeError) {
    const { message, code, exit, hint } = failure;
    if (process.connected) process.send?.({ message, code, exit, hint }, undefined, {}, () => {});
  }
  return failure;
}

function knownFailure(error: NodeJS.ErrnoException & { hint?: string }, sandboxDir: string): unknown {
  if (error instanceof ForgeError) return error;
  if (error.name === 'CannotRunHere') {
    const { message, hint = null } = error;
    return new ForgeError(message, { code: 'SANDBOX_CANNOT_RUN', exit: EXIT.notReady, hint, cause: error });
  }
  if (error.code === 'SERVED') {
    return new ForgeError(error.message, {
      code: 'SANDBOX_RUNNING',
      exit: EXIT.conflict,
      hint: 'forgectl sandbox status',
      cause: error,
    });
  }
  if (error.syscall === 'listen') {
    return new ForgeError(`The sandbox cannot listen on the port: ${error.message}.`, {
      code: 'PORT_IN_USE',
      exit: EXIT.conflict,
      hint: 'Leave --port out for any that is free.',
      cause: error,
    });
  }
  // A full disk, a folder that may not be written.
  return error.syscall === undefined ? error : notStarted(error, sandboxDir);
}

function notStarted(cause: Error | null, sandboxDir: string): ForgeError {
  return new ForgeError(
    cause === null ? 'The sandbox did not start.' : `The sandbox did not start: ${cause.message}.`,
    {
      code: 'SANDBOX_NOT_STARTED',
      exit: EXIT.notReady,
      hint:
        cause === null
          ? `Its log is ${join(sandboxDir, 'sandbox.log')}. Or watch it: forgectl sandbox start --foreground`
          : `Its folder is ${sandboxDir}; FORGECTL_SANDBOX_DIR names another one.`,
      cause,
    },
  );
}

/** Ends it by its recorded pid and waits until the process is gone. Returns the pid, or null when none ran. */
export async function stopSandboxProcess(sandboxDir: string): Promise<number | null> {
  const running = readSandboxFile(sandboxDir);
  if (running === null) return null;
  process.kill(running.pid, 'SIGTERM');
  if (await untilGone(running.pid, STOP_LIMIT_MS)) return running.pid;
  throw new ForgeError(`The sandbox (process ${running.pid}) did not stop.`, {
    code: 'SANDBOX_NOT_STOPPED',
    exit: EXIT.timedOut,
    hint: `kill ${running.pid}`,
  });
}

/** Lets sandbox time pass at once. Returns the sandbox's new time. */
export async function advanceSandbox(sandboxDir: string, ms: number): Promise<string> {
  const running = readSandboxFile(sandboxDir);
  if (running === null) throw notRunning();
  const answer = await fetch(`${running.url}/sandbox/clock/`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${running.api_key}` },
    body: JSON.stringify({ advance_s: ms / 1000 }),
  });
  const { now, msg } = (await answer.json()) as { now?: string; msg?: string };
  if (now !== undefined) return now;
  throw new ForgeError(`The sandbox refused: ${msg ?? answer.status}.`, {
    code: 'SANDBOX_REFUSED',
    exit: EXIT.usage,
    hint: 'forgectl sandbox advance 4h',
  });
}

function notRunning(): ForgeError {
  return new ForgeError('The sandbox does not run.', {
    code: 'SANDBOX_NOT_RUNNING',
    exit: EXIT.notReady,
    hint: 'forgectl sandbox start',
  });
}

/** The first start makes the image of the machines: a second or two, more on a busy computer. */
const START_LIMIT_MS = 45_000;
const STOP_LIMIT_MS = 20_000;
/** For one that was given up while it was made ready: it removes what it has made. */
const END_LIMIT_MS = 5_000;
const LOOK_EVERY_MS = 50;

function numberFlag(flag: string, value: number | null | undefined): string[] {
  return value === null || value === undefined ? [] : [flag, String(value)];
}

/** A daemon must not inherit "--json" or "--sandbox" from the command that happened to start it. */
function withoutOwnFlags(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { FORGECTL_JSON: _json, FORGECTL_SANDBOX: _sandbox, FORGECTL_CONTEXT: _context, ...rest } = env;
  return rest;
}
