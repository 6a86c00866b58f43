import type { Instance } from '../vast/model.js';
import { type InstanceKeyDependencies, isAttached, proveAttachedKey, proveLogin, whyNoLogin } from './instance-keys.js';
import { isRefusedKey } from './repair-login.js';

export interface AttachOutcome {
  /** The API had the key already. */
  wasAttached: boolean;
  /** A fresh login with this key alone worked; null when none was tried. */
  verified: boolean | null;
  /** Why none was tried; null when one was. */
  unverifiedBecause: string | null;
  via: 'direct' | 'proxy' | null;
}

/**
 * Puts the key on the instance through the API, which keeps it there: a line in authorized_keys alone is lost when the
 * platform rewrites the file. `skipLogin` says why no login shall prove it; null when one shall.
 */
export async function attachKey(
  deps: InstanceKeyDependencies,
  instance: Instance,
  skipLogin: string | null,
): Promise<AttachOutcome> {
  const stage = deps.reporter?.stage('attach', `Attaching the key to instance ${instance.id}`);
  try {
    const wasAttached = await isAttached(deps, instance.id);
    if (!wasAttached) await deps.attachKey(instance);
    const because = skipLogin ?? whyNoLogin(instance);
    if (because !== null) {
      stage?.done(`${wasAttached ? 'The key was attached already' : 'The key is attached'}; not proved by a login`);
      return { wasAttached, verified: null, unverifiedBecause: because, via: null };
    }
    const say = (seconds: number): void => stage?.detail(`the host has not applied it after ${seconds} s`);
    const { via } = wasAttached
      ? await proveOrAttachAgain(deps, instance, say)
      : await proveAttachedKey(deps, instance, say);
    stage?.done(`The key is attached, and a fresh login works (${via})`);
    return { wasAttached, verified: true, unverifiedBecause: null, via };
  } catch (error) {
    stage?.failed();
    throw error;
  }
}

/** The API may list a key that the host has lost. */
async function proveOrAttachAgain(
  deps: InstanceKeyDependencies,
  instance: Instance,
  say: (seconds: number) => void,
): Promise<{ via: 'direct' | 'proxy' }> {
  try {
    return await proveLogin(deps, instance);
  } catch (error) {
    if (!isRefusedKey(error)) throw error;
    await deps.attachKey(instance);
    return proveAttachedKey(deps, instance, say);
  }
}
