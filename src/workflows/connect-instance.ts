import { EXIT, ForgeError } from '../errors.js';
import type { Connection } from '../ssh/connection.js';
import type { Instance } from '../vast/model.js';
import { findDeadEnd } from './instance-state.js';
import { type LoginDependencies, loginWithRepair } from './repair-login.js';

/** `clock` is wall time: what answers late is a network, not a workflow. */
export type ConnectDependencies = LoginDependencies<Connection>;

export interface ConnectRequest {
  instanceId: number;
  /** A row read a moment ago; the first try uses it instead of asking again. */
  known?: Instance;
  /** How long failures that may pass are tried again, ms. */
  patienceMs: number;
  /** Told of each failure that is not the last. */
  onRetry?: (error: ForgeError, inMs: number) => void;
}

export interface Link {
  instance: Instance;
  connection: Connection;
}

/**
 * A connection to an instance, whatever its address is now: the row is read anew before each further try, a key that the
 * host has lost is attached once more, and failures that may pass are tried again until the patience ends.
 */
export async function connectInstance(deps: ConnectDependencies, request: ConnectRequest): Promise<Link> {
  const { clock, signal } = deps;
  const untilMs = clock.now() + request.patienceMs;
  let instance = request.known ?? (await readRow(deps, request.instanceId));
  for (let failures = 0; ; failures += 1) {
    signal.throwIfAborted();
    refuseDeadEnd(instance);
    try {
      return await loginWithRepair(deps, instance);
    } catch (error) {
      if (!mayPass(error)) throw error;
      const waitMs = Math.min(1000 * 2 ** failures, LONGEST_WAIT_MS);
      if (clock.now() + waitMs > untilMs) throw error;
      request.onRetry?.(error, waitMs);
      await clock.sleep(waitMs, signal);
    }
    instance = await readRow(deps, request.instanceId, instance);
  }
}

const LONGEST_WAIT_MS = 5000;

/** While the API is down the last known address is as good as any. */
async function readRow(deps: ConnectDependencies, id: number, last?: Instance): Promise<Instance> {
  try {
    const row = await deps.readInstance(id);
    if (row !== null) return row;
  } catch (error) {
    if (last === undefined || !(error instanceof ForgeError) || error.exit !== EXIT.apiFailed) throw error;
    return last;
  }
  throw vanished(id);
}

export function vanished(id: number): ForgeError {
  return new ForgeError(`Instance ${id} no longer exists.`, {
    code: 'INSTANCE_VANISHED',
    exit: EXIT.notFound,
    hint: 'forgectl ls shows what is there.',
    details: { instance_id: id },
  });
}

function refuseDeadEnd(instance: Instance): void {
  const deadEnd = findDeadEnd(instance);
  if (deadEnd === null) return;
  const isStopped = deadEnd.code === 'INSTANCE_NOT_STARTED' || instance.intendedStatus === 'stopped';
  throw new ForgeError(`Instance ${instance.id} does not run: ${deadEnd.reason}.`, {
    code: deadEnd.code,
    exit: EXIT.notReady,
    hint: isStopped ? `forgectl start ${instance.id}` : `forgectl show ${instance.id}`,
    details: { instance_id: instance.id },
  });
}

/** A login that fails now may work in a moment; a refused key was repaired once, a wrong host key never will be right. */
function mayPass(error: unknown): error is ForgeError {
  return error instanceof ForgeError && error.code.startsWith('SSH_') && !FINAL.has(error.code);
}

const FINAL = new Set([
  'SSH_AUTH',
  'SSH_HOST_KEY_CHANGED',
  'SSH_HOST_KEY_UNREADABLE',
  'SSH_HOST_KEY_MISMATCH',
  'SSH_KEY',
  'SSH_ALGORITHMS',
  'SSH_PROTOCOL',
]);
