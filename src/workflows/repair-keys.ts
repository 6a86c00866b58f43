import { EXIT, ForgeError } from '../errors.js';
import { isSameKey } from '../ssh/identity.js';
import type { AccountSshKey, Instance } from '../vast/model.js';
import {
  type InstanceKeyDependencies,
  isAttached,
  type ProvedLogin,
  proveAttachedKey,
  proveLogin,
  whyNoLogin,
} from './instance-keys.js';
import { isRefusedKey } from './repair-login.js';

export interface RepairDependencies extends InstanceKeyDependencies {
  listAccountKeys(): Promise<AccountSshKey[]>;
  addAccountKey(): Promise<void>;
  /** Whether the instance names this host key through the API; null when it names none at all. */
  namesHostKey(instance: Instance, fingerprint: string): Promise<boolean | null>;
  /** From here on this key, and no other, may take the place of the pinned one. */
  acceptHostKey(instanceId: number, fingerprint: string): void;
  proveHostKey(instance: Instance): Promise<'verified' | 'first seen'>;
}

/** A host key that is not the pinned one. `named`: the instance itself names the new one; null when it names none. */
interface HostKeyChange {
  pinned: string;
  shown: string;
  named: boolean | null;
}

/** What was found before anything was changed. */
export interface Diagnosis {
  instance: Instance;
  /** Null when this API key may not look. */
  onAccount: boolean | null;
  attached: boolean;
  /** Why no login was tried; null when one was. */
  noLogin: string | null;
  via: ProvedLogin['via'] | null;
  loginError: ForgeError | null;
  hostKey: HostKeyChange | null;
}

type StepState = 'ok' | 'fixed' | 'failed' | 'skipped';

export interface RepairStep {
  step: 'account' | 'instance' | 'host_key' | 'login';
  state: StepState;
  detail: string;
}

export interface RepairOutcome {
  steps: RepairStep[];
  /** What remains wrong; null when a fresh login works. */
  error: ForgeError | null;
}

/** Looks at every link of the chain, and changes nothing. `accountKeys` null: this API key may not read them. */
export async function diagnose(
  deps: RepairDependencies,
  instance: Instance,
  accountKeys: readonly AccountSshKey[] | null,
): Promise<Diagnosis> {
  const diagnosis: Diagnosis = {
    instance,
    onAccount: accountKeys?.some(({ publicKey }) => isSameKey(publicKey, deps.publicKey)) ?? null,
    attached: await isAttached(deps, instance.id),
    noLogin: whyNoLogin(instance),
    via: null,
    loginError: null,
    hostKey: null,
  };
  if (diagnosis.noLogin !== null) return diagnosis;
  try {
    diagnosis.via = (await proveLogin(deps, instance)).via;
  } catch (error) {
    if (!(error instanceof ForgeError) || !error.code.startsWith('SSH_')) throw error;
    diagnosis.loginError = error;
    diagnosis.hostKey = await hostKeyChange(deps, instance, error);
  }
  return diagnosis;
}

/** True when there is nothing to be repaired. */
export function isHealthy({ onAccount, attached, loginError }: Diagnosis): boolean {
  return onAccount !== false && attached && loginError === null;
}

async function hostKeyChange(
  deps: RepairDependencies,
  instance: Instance,
  { code, details }: ForgeError,
): Promise<HostKeyChange | null> {
  if (code !== 'SSH_HOST_KEY_CHANGED') return null;
  const { pinned, shown } = details as { pinned: string; shown: string };
  return { pinned, shown, named: await deps.namesHostKey(instance, shown) };
}

/**
 * Account, instance, host key, login: each put right where it was wrong, until one cannot be. `acceptHostKey`: the user has
 * seen both fingerprints.
 */
export async function repairKeys(
  deps: RepairDependencies,
  diagnosis: Diagnosis,
  { acceptHostKey }: { acceptHostKey: boolean },
): Promise<RepairOutcome> {
  const steps: RepairStep[] = [];
  const links: [step: RepairStep['step'], repair: () => Promise<Finding | null>][] = [
    ['account', () => repairAccount(deps, diagnosis)],
    ['instance', () => repairInstance(deps, diagnosis)],
    ['host_key', async () => (diagnosis.hostKey === null ? null : changeHostKey(deps, diagnosis, acceptHostKey))],
    ['login', () => repairLogin(deps, diagnosis, steps)],
    ['host_key', () => proveHostKey(deps, diagnosis)],
  ];
  for (const [step, repair] of links) {
    try {
      const finding = await repair();
      if (finding !== null) steps.push({ step, ...finding });
    } catch (error) {
      deps.signal.throwIfAborted();
      if (!(error instanceof ForgeError)) throw error;
      steps.push({ step, state: 'failed', detail: shortReason(step, error, diagnosis) });
      return { steps, error };
    }
  }
  return { steps, error: null };
}

/** The error itself follows in full; a table needs no more than the two fingerprints. */
function shortReason(step: RepairStep['step'], error: ForgeError, { hostKey }: Diagnosis): string {
  if (step !== 'host_key' || hostKey === null) return error.message;
  return `${hostKey.pinned} was pinned, ${hostKey.shown} is shown`;
}

type Finding = Omit<RepairStep, 'step'>;

/** The account's key opens the provider's proxy and reaches machines to come; this one needs only its own. */
async function repairAccount(deps: RepairDependencies, { onAccount }: Diagnosis): Promise<Finding> {
  if (onAccount === true) return { state: 'ok', detail: 'the key is on the account' };
  if (onAccount === null) return { state: 'skipped', detail: "this API key may not read the account's SSH keys" };
  try {
    await deps.addAccountKey();
    return { state: 'fixed', detail: 'the key was not on the account; it is now' };
  } catch (error) {
    if (!(error instanceof ForgeError) || error.exit !== EXIT.notPermitted) throw error;
    return { state: 'skipped', detail: `the key is not on the account, and cannot be put there: ${error.message}` };
  }
}

async function repairInstance(deps: RepairDependencies, { attached, instance }: Diagnosis): Promise<Finding> {
  if (attached) return { state: 'ok', detail: 'the key is attached to the instance' };
  await deps.attachKey(instance);
  return { state: 'fixed', detail: 'the key was not attached to the instance; it is now' };
}

function changeHostKey(deps: RepairDependencies, diagnosis: Diagnosis, acceptHostKey: boolean): Finding {
  const { instance, loginError } = diagnosis;
  const { pinned, shown, named } = diagnosis.hostKey as HostKeyChange;
  if (named === false) throw strangerAnswers(diagnosis);
  if (acceptHostKey) {
    deps.acceptHostKey(instance.id, shown);
    return { state: 'fixed', detail: `it was ${pinned}; ${shown} is accepted` };
  }
  throw new ForgeError(`${loginError?.message} ${voucher(named)}`, {
    code: 'SSH_HOST_KEY_CHANGED',
    exit: EXIT.sshFailed,
    hint: `To accept ${shown}: forgectl keys repair ${instance.id} --accept-host-key`,
    cause: loginError,
    details: { instance_id: instance.id, pinned, shown, named_by_instance: named },
  });
}

/** For the person who decides about a new host key. */
export function voucher(named: boolean | null): string {
  return named === true
    ? 'The instance names the new key as its own through the API, as after a recycle.'
    : 'Nothing vouches for the new key.';
}

function strangerAnswers({ loginError, hostKey, instance }: Diagnosis): ForgeError {
  return new ForgeError(
    `Another machine answers at the address of instance ${instance.id}: it shows ${hostKey?.shown}, and the instance names other host keys through the API.`,
    {
      code: 'SSH_HOST_KEY_MISMATCH',
      exit: EXIT.sshFailed,
      hint: `Send nothing there; it cannot be accepted. forgectl recycle ${instance.id} gives it a new address and wipes it, forgectl destroy ${instance.id} ends it.`,
      cause: loginError,
      details: { instance_id: instance.id, pinned: hostKey?.pinned ?? null, shown: hostKey?.shown ?? null },
    },
  );
}

async function repairLogin(
  deps: RepairDependencies,
  diagnosis: Diagnosis,
  steps: readonly RepairStep[],
): Promise<Finding> {
  const { instance, noLogin, loginError, via, attached } = diagnosis;
  if (noLogin !== null) return { state: 'skipped', detail: `not tried: ${noLogin}` };
  if (loginError === null && steps.every(({ state }) => state !== 'fixed'))
    return { state: 'ok', detail: `a fresh login works (${via})` };
  const stage = deps.reporter?.stage('login', `Logging in to instance ${instance.id} anew`);
  const say = (seconds: number): void => stage?.detail(`the host has not applied the key after ${seconds} s`);
  try {
    const proved = attached ? await loginAgain(deps, diagnosis, say) : await proveAttachedKey(deps, instance, say);
    stage?.done(`A fresh login works (${proved.via})`);
    return loginError === null
      ? { state: 'ok', detail: `a fresh login works (${proved.via})` }
      : { state: 'fixed', detail: `it failed; now a fresh login works (${proved.via})` };
  } catch (error) {
    stage?.failed();
    throw error;
  }
}

/** The API lists the key: when the host refuses it all the same, it is attached once more. */
async function loginAgain(
  deps: RepairDependencies,
  { instance, loginError }: Diagnosis,
  say: (seconds: number) => void,
): Promise<ProvedLogin> {
  if (!isRefusedKey(loginError)) {
    try {
      return await proveLogin(deps, instance);
    } catch (error) {
      if (!isRefusedKey(error)) throw error;
    }
  }
  await deps.attachKey(instance);
  return proveAttachedKey(deps, instance, say);
}

/** How far the host key of the proved login can be trusted. Throws when the instance denies it. */
async function proveHostKey(deps: RepairDependencies, { instance, noLogin }: Diagnosis): Promise<Finding | null> {
  if (noLogin !== null) return null;
  const trust = await deps.proveHostKey(instance);
  return { state: 'ok', detail: trust === 'verified' ? 'verified through the API' : 'first seen at a login' };
}
