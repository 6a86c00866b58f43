import type { Clock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import type { Connection } from '../ssh/connection.js';
import type { Reporter } from '../ui/reporter.js';
import type { Instance } from '../vast/model.js';

/** What a login needs from outside. `C` is whatever `connect` opens. */
export interface LoginDependencies<C = Connection> {
  /** A fresh row, or null when the contract is gone. */
  readInstance(id: number): Promise<Instance | null>;
  /** A new login each time, never one from before: only that proves a key. Throws code SSH_AUTH when the keys are refused. */
  connect(instance: Instance): Promise<C>;
  /** Puts the key on the instance through the API. */
  attachKey(instance: Instance): Promise<void>;
  clock: Clock;
  signal: AbortSignal;
  reporter?: Reporter;
}

export interface Login<C = Connection> {
  connection: C;
  /** The row that the login was made with: its address may be newer than the one that was given. */
  instance: Instance;
  /** The key was refused at first, and attached again. */
  repaired: boolean;
}

/** A host applies a key within seconds; an earlier look would be refused again. */
export const KEY_APPLIES_MS = 8_000;

/**
 * Logs in. A key that is refused is attached once through the API, since the platform rewrites an instance's keys
 * (skypilot issue 10730), and a second, fresh login proves it. Whatever else fails is thrown as it came.
 */
export async function loginWithRepair<C>(deps: LoginDependencies<C>, instance: Instance): Promise<Login<C>> {
  try {
    return { connection: await deps.connect(instance), instance, repaired: false };
  } catch (error) {
    if (!isRefusedKey(error)) throw error;
    await attachAgain(deps, instance, error);
  }
  await deps.clock.sleep(KEY_APPLIES_MS, deps.signal);
  // Addresses may change between any two logins (vast-api 5.5).
  const row = await deps.readInstance(instance.id);
  if (row === null) throw vanished(instance.id);
  try {
    return { connection: await deps.connect(row), instance: row, repaired: true };
  } catch (error) {
    throw isRefusedKey(error) ? stillRefused(error, instance.id) : error;
  }
}

export function isRefusedKey(error: unknown): error is ForgeError {
  return error instanceof ForgeError && error.code === 'SSH_AUTH';
}

async function attachAgain<C>(deps: LoginDependencies<C>, instance: Instance, refused: ForgeError): Promise<void> {
  deps.reporter?.info(`Instance ${instance.id} refused the key; attaching it again through the API.`);
  try {
    await deps.attachKey(instance);
  } catch (error) {
    deps.signal.throwIfAborted();
    throw error instanceof ForgeError ? notAttached(error, refused, instance.id) : error;
  }
}

/** An API that is down for a moment leaves the login's own failure; one that says no is what must be put right. */
function notAttached(error: ForgeError, refused: ForgeError, instanceId: number): ForgeError {
  const { code, exit } = error.exit === EXIT.apiFailed ? refused : error;
  return new ForgeError(`${sentence(refused.message)} It could not be attached again: ${error.message}`, {
    code,
    exit,
    hint: error.hint ?? refused.hint,
    cause: error,
    details: { ...refused.details, instance_id: instanceId, key_attached: false, attach_error: error.code },
  });
}

function stillRefused(error: ForgeError, instanceId: number): ForgeError {
  return new ForgeError(`${sentence(error.message)} It was attached again through the API, and is refused still.`, {
    code: error.code,
    exit: error.exit,
    hint: `forgectl keys repair ${instanceId}   looks at each step and waits longer. Another key: --ssh-key FILE`,
    cause: error,
    details: { ...error.details, instance_id: instanceId, key_attached: true },
  });
}

function sentence(text: string): string {
  return /[.!?]$/u.test(text) ? text : `${text}.`;
}

function vanished(instanceId: number): ForgeError {
  return new ForgeError(`Instance ${instanceId} no longer exists.`, {
    code: 'INSTANCE_VANISHED',
    exit: EXIT.notFound,
    hint: 'forgectl ls shows what is left.',
    details: { instance_id: instanceId },
  });
}
