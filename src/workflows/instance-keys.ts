import { EXIT, ForgeError } from '../errors.js';
import { isSameKey } from '../ssh/identity.js';
import type { Instance, InstanceSshKey } from '../vast/model.js';
import { isRefusedKey, KEY_APPLIES_MS, type LoginDependencies } from './repair-login.js';

/** A connection that is only opened to see that it opens. */
interface Closable {
  via: 'direct' | 'proxy';
  close(): void;
}

export interface InstanceKeyDependencies extends LoginDependencies<Closable> {
  /** The public line that is attached, and that `connect` logs in with. */
  publicKey: string;
  listInstanceKeys(instanceId: number): Promise<InstanceSshKey[]>;
}

/** What a fresh login has shown. */
export interface ProvedLogin {
  instance: Instance;
  via: 'direct' | 'proxy';
}

/** How long a host is given to apply a key, in the clock's time. */
const PATIENCE_MS = 60_000;

/** Null when the machine runs and can be logged in to; otherwise why not, as the end of a sentence. */
export function whyNoLogin(instance: Instance): string | null {
  if (instance.actualStatus !== 'running') return `it does not run (${instance.actualStatus ?? 'being created'})`;
  return instance.intendedStatus === 'stopped' ? 'it is being stopped' : null;
}

export async function isAttached(deps: InstanceKeyDependencies, instanceId: number): Promise<boolean> {
  const keys = await deps.listInstanceKeys(instanceId);
  return keys.some(({ publicKey }) => isSameKey(publicKey, deps.publicKey));
}

/** One fresh login, closed again. */
export async function proveLogin(deps: InstanceKeyDependencies, instance: Instance): Promise<ProvedLogin> {
  const connection = await deps.connect(instance);
  connection.close();
  return { instance, via: connection.via };
}

/** The same after the key was attached a moment ago: refusals are waited out, whatever else fails is not. */
export async function proveAttachedKey(
  deps: InstanceKeyDependencies,
  instance: Instance,
  onWait: (seconds: number) => void = () => {},
): Promise<ProvedLogin> {
  const { clock, signal } = deps;
  const startedMs = clock.now();
  for (let row = instance; ; ) {
    await clock.sleep(KEY_APPLIES_MS, signal);
    row = await freshRow(deps, instance.id);
    try {
      return await proveLogin(deps, row);
    } catch (error) {
      if (!isRefusedKey(error)) throw error;
      const waitedMs = clock.now() - startedMs;
      if (waitedMs + KEY_APPLIES_MS > PATIENCE_MS) throw neverApplied(error, instance.id, waitedMs);
      onWait(Math.round(waitedMs / 1000));
    }
  }
}

async function freshRow({ readInstance }: InstanceKeyDependencies, id: number): Promise<Instance> {
  const row = await readInstance(id);
  if (row !== null) return row;
  throw new ForgeError(`Instance ${id} no longer exists.`, {
    code: 'INSTANCE_VANISHED',
    exit: EXIT.notFound,
    hint: 'forgectl ls shows what is left.',
    details: { instance_id: id },
  });
}

function neverApplied(error: ForgeError, instanceId: number, waitedMs: number): ForgeError {
  const seconds = Math.round(waitedMs / 1000);
  return new ForgeError(
    `The API has the key for instance ${instanceId}, but its host has not applied it within ${seconds} s. ${error.message}`,
    {
      code: 'SSH_KEY_NOT_APPLIED',
      exit: EXIT.sshFailed,
      hint: `forgectl reboot ${instanceId}   makes the host write the keys anew. On a virtual machine keys are fixed at its creation.`,
      cause: error,
      details: { ...error.details, instance_id: instanceId },
    },
  );
}
