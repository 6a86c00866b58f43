import { EXIT, ForgeError } from '../errors.js';
import { connect } from '../ssh/connection.js';
import { fingerprint } from '../ssh/host-keys.js';
import { findIdentity, type Identity } from '../ssh/identity.js';
import { type LocalKey, listLocalKeys, loginKey } from '../ssh/local-keys.js';
import { isPublicKey, type PublicKey, parsePublicKey } from '../ssh/public-key.js';
import type { Instance } from '../vast/model.js';
import { namesHostKey, proveHostKey } from '../workflows/host-key-proof.js';
import type { InstanceKeyDependencies } from '../workflows/instance-keys.js';
import type { RepairDependencies } from '../workflows/repair-keys.js';
import { sshCandidates } from './addresses.js';
import type { ForgeContext } from './context.js';
import { hostKeyProofDependencies, identityOptions, LOGIN_LIMIT_MS } from './machine-access.js';

/** What is there on this computer; nothing is made and nobody is asked. */
export async function localKeys(context: ForgeContext): Promise<{ all: LocalKey[]; login: LocalKey | null }> {
  const places = identityOptions(context, context.settings.get('ssh_key'));
  return { all: await listLocalKeys(places), login: await loginKey(places) };
}

/** forgectl's own key, never the agent's or a named one. When it does not exist it is made, or null when it must not be. */
export async function ownPublicKey(context: ForgeContext, mayMake: boolean): Promise<PublicKey | null> {
  const options = { ...identityOptions(context, null), file: null, env: {} };
  if (!mayMake && (await loginKey(options)) === null) return null;
  const read = parsePublicKey((await findIdentity(options)).publicKey);
  if (!isPublicKey(read)) throw new Error(`forgectl's own key cannot be read back: ${read.problem}`);
  return read;
}

/** For one key alone: a login that works with another one would prove nothing. */
export async function instanceKeyDependencies(
  context: ForgeContext,
  key: { publicKey: string; identity: Identity | null },
): Promise<InstanceKeyDependencies> {
  const { instances } = await context.vast();
  const { hostKeys } = context;
  const { signal } = context.interruption;
  return {
    publicKey: key.publicKey,
    listInstanceKeys: (id) => instances.listKeys(id),
    readInstance: (id) => instances.get(id),
    attachKey: (instance) => instances.attachKey(instance.id, key.publicKey),
    connect: (instance) => {
      if (key.identity === null) throw new Error('there is no private key to log in with');
      return connect({
        candidates: sshCandidates(instance),
        instanceId: String(instance.id),
        identity: key.identity,
        hostKeys,
        timeoutMs: LOGIN_LIMIT_MS,
        signal,
      });
    },
    clock: context.clock,
    signal,
    reporter: await context.stageReporter(),
  };
}

export async function repairDependencies(context: ForgeContext, identity: Identity): Promise<RepairDependencies> {
  const { sshKeys } = await context.vast();
  const { hostKeys } = context;
  const proof = await hostKeyProofDependencies(context, hostKeys);
  const ofBase64 = (key: string): string => fingerprint(Buffer.from(key.split(' ')[1] ?? '', 'base64'));
  return {
    ...(await instanceKeyDependencies(context, { publicKey: identity.publicKey, identity })),
    listAccountKeys: () => sshKeys.list(),
    addAccountKey: () => sshKeys.add(identity.publicKey),
    namesHostKey: (instance, wanted) => namesHostKey(proof, instance, (key) => ofBase64(key) === wanted),
    acceptHostKey: (id, accepted) => hostKeys.accept(String(id), accepted),
    proveHostKey: (instance: Instance) => proveHostKey(proof, instance),
  };
}

/** Null when this API key may not read them: then each instance's own keys are what counts. */
export async function accountKeysIfAllowed<T>(list: () => Promise<T[]>): Promise<T[] | null> {
  return list().catch((error: unknown) => {
    if (error instanceof ForgeError && error.exit === EXIT.notPermitted && error.code !== 'NOT_SIGNED_IN') return null;
    throw error;
  });
}
