import { join } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';
import { cleanLines } from '../instance/clean-log.js';
import { connect } from '../ssh/connection.js';
import type { HostKeys } from '../ssh/host-keys.js';
import { findIdentities, findIdentity, type Identity, type IdentityOptions, isSameKey } from '../ssh/identity.js';
import { KnownAddresses } from '../ssh/known-addresses.js';
import type { AttemptEvent } from '../ssh/login-race.js';
import { writeErr } from '../ui/door.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Instance } from '../vast/model.js';
import type { NewScheduledJob } from '../vast/scheduled-jobs.js';
import type { Vast } from '../vast/vast.js';
import {
  type HostKeyProofDependencies,
  HostKeyTrust,
  type ProofTime,
  proveHostKey,
} from '../workflows/host-key-proof.js';
import { type LimitDependencies, sweepJobs } from '../workflows/limits/set-limit.js';
import type { PowerDependencies } from '../workflows/power.js';
import type { ReadinessDependencies } from '../workflows/readiness/await-readiness.js';
import { sshCandidates } from './addresses.js';
import type { ForgeContext } from './context.js';

/** Wall time for one login, whatever the workflow's clock. */
export const LOGIN_LIMIT_MS = 20_000;

/** Alone for so long, so that a login that is only slow does not become two. */
const KNOWN_HEAD_START_MS = 1500;

/** The key to register and to log in with. */
export function chooseIdentity(context: ForgeContext, file: string | null): Promise<Identity> {
  return findIdentity(identityOptions(context, file));
}

/** All keys that may open a machine which somebody else has set up, the one to register first. */
export async function chooseIdentities(context: ForgeContext, file: string | null): Promise<[Identity, ...Identity[]]> {
  const options = identityOptions(context, file);
  const [first, all] = [await findIdentity(options), await findIdentities(options)];
  return [first, ...all.filter(({ publicKey }) => !isSameKey(publicKey, first.publicKey))];
}

export function identityOptions(context: ForgeContext, file: string | null): IdentityOptions {
  return {
    file: file ?? context.contexts.get(context.name).sshKey,
    ownKeyDir: join(context.paths.configDir, 'ssh'),
    env: process.env,
    home: context.paths.home,
    askPassphrase: context.terminal.canPrompt ? (path) => context.prompts.password(`Passphrase of ${path}`) : null,
  };
}

/** How a login's host key is compared with what the machine says of itself through the API. */
export async function hostKeyProof(
  context: ForgeContext,
): Promise<(instance: Instance, tries?: number) => ReturnType<typeof proveHostKey>> {
  const deps = await hostKeyProofDependencies(context, context.hostKeys);
  return (instance, tries) => proveHostKey(deps, instance, tries);
}

export async function hostKeyProofDependencies(
  context: ForgeContext,
  hostKeys: HostKeys,
): Promise<HostKeyProofDependencies> {
  const { instances } = await context.vast();
  return {
    grepContainerLog: (id, text) =>
      instances.logs(id, { tailLines: 1000, daemon: false, filter: text }).catch((error: unknown) => {
        if (error instanceof ForgeError && error.exit === EXIT.apiFailed) return null;
        throw error;
      }),
    pinnedKey: (id) => hostKeys.pinned(String(id))?.key ?? null,
    confirmKey: (id) => hostKeys.confirm(String(id)),
    clock: context.clock,
    signal: context.interruption.signal,
  };
}

/** Where the last logins were accepted, per context too. */
export function knownAddressesOf(context: ForgeContext): KnownAddresses {
  return new KnownAddresses(join(context.paths.stateDir, 'addresses', context.name));
}

/** The pinned key is the instance's own, and no other one is expected. */
export function isHostKeyProved(hostKeys: HostKeys, instanceId: string): boolean {
  return hostKeys.isSettled(instanceId) && hostKeys.pinned(instanceId)?.isProved === true;
}

/** Reading the row, logging in, and putting the key on the machine. */
export async function loginDependencies(
  context: ForgeContext,
  sshKey: string | null,
): Promise<Pick<ReadinessDependencies, 'readInstance' | 'connect' | 'attachKey' | 'signal'>> {
  return loginWith(context, await chooseIdentities(context, sshKey ?? context.settings.get('ssh_key')), 'before');
}

async function loginWith(
  context: ForgeContext,
  [identity, ...otherIdentities]: [Identity, ...Identity[]],
  proof: ProofTime,
): Promise<Pick<ReadinessDependencies, 'readInstance' | 'connect' | 'attachKey' | 'signal'>> {
  const vast = await context.vast();
  const { hostKeys } = context;
  const known = knownAddressesOf(context);
  const trust = new HostKeyTrust(
    {
      ...(await hostKeyProofDependencies(context, hostKeys)),
      isProved: (id) => isHostKeyProved(hostKeys, String(id)),
      isUnnamed: (id) => hostKeys.isUnnamed(String(id)),
      noteUnnamed: (id) => hostKeys.noteUnnamed(String(id)),
    },
    proof,
  );
  return {
    readInstance: (id) => vast.instances.get(id),
    connect: async (instance) => {
      const instanceId = String(instance.id);
      const { candidates, isKnown } = known.inOrder(instanceId, sshCandidates(instance));
      const connection = await trust.login(instance, (namedKeys) =>
        connect({
          candidates,
          ...(isKnown ? { headStartMs: KNOWN_HEAD_START_MS } : {}),
          instanceId,
          identity,
          otherIdentities,
          hostKeys,
          namedKeys,
          timeoutMs: LOGIN_LIMIT_MS,
          signal: context.interruption.signal,
          ...(context.debug ? { onAttempt: writeAttempt } : {}),
        }),
      );
      known.remember(instanceId, connection.address);
      return connection;
    },
    attachKey: (instance) => vast.instances.attachKey(instance.id, identity.publicKey),
    // A fresh one once a clean-up has begun.
    get signal() {
      return context.interruption.signal;
    },
  };
}

/** For --debug. */
function writeAttempt({ address: { host, port, via }, state, error }: AttemptEvent): void {
  const why = error instanceof Error ? `: ${cleanLine(error.message)}` : '';
  writeErr(`debug: ssh ${via} ${host}:${port} ${state}${why}\n`);
}

export async function readinessDependencies(
  context: ForgeContext,
  identities: [Identity, ...Identity[]],
): Promise<ReadinessDependencies> {
  const vast = await context.vast();
  return {
    ...(await loginWith(context, identities, 'beside')),
    isOwnStop: (id) => context.ownStops.sinceMs(id) !== null,
    tailContainerLog: async (id) =>
      cleanLines((await vast.instances.logs(id, { tailLines: 40, daemon: false }).catch(() => null)) ?? '').slice(-10),
    clock: context.clock,
    reporter: await context.stageReporter(),
  };
}

/** How limits are written where the platform enforces them. */
export function limitDependencies(context: ForgeContext, { scheduledJobs }: Vast): LimitDependencies {
  /** A stop at the limit is the owner's own, not somebody's higher bid. */
  const note = async ({ action, instanceId, atMs }: NewScheduledJob): Promise<void> => {
    if (action === 'stop') await context.ownStops.note(instanceId, atMs);
  };
  return {
    listJobs: () => scheduledJobs.list(),
    createJob: async (job) => {
      const created = await scheduledJobs.create(job);
      await note(job);
      return created;
    },
    updateJob: async (id, job) => {
      await scheduledJobs.update(id, job);
      await note(job);
    },
    removeJob: (id) => scheduledJobs.remove(id),
    clock: context.clock,
  };
}

/** Jobs of an instance that is gone do no harm, so a failure is only told. */
export function jobSweeper(context: ForgeContext, { scheduledJobs }: Vast): (id: number) => Promise<void> {
  return async (id) => {
    const failure = await sweepJobs(
      { listJobs: () => scheduledJobs.list({ tries: 2 }), removeJob: (job) => scheduledJobs.remove(job) },
      id,
    );
    if (failure === null) return;
    context.reporter.warn(
      `Whether instance ${id} had scheduled jobs could not be found out (${failure.message}). It is gone, so they do nothing.`,
    );
  };
}

export async function powerDependencies(context: ForgeContext): Promise<PowerDependencies> {
  const vast = await context.vast();
  const { instances } = vast;
  const { hostKeys } = context;
  const known = knownAddressesOf(context);
  return {
    request: async (action, id) => {
      if (action === 'start') await instances.setState(id, 'running');
      else if (action === 'stop') await instances.setState(id, 'stopped');
      else if (action === 'reboot') await instances.reboot(id);
      else if (action === 'destroy') await instances.destroy(id);
      else await instances.recycle(id);
      // The next host key is new by right, and a number that was destroyed never comes back.
      if (action === 'recycle') hostKeys.repin(String(id));
      if (action === 'destroy') for (const memory of [hostKeys, known]) memory.forget(String(id));
      if (action === 'stop') await context.ownStops.note(id);
      else await context.ownStops.forget(id);
    },
    readInstance: (id: number): Promise<Instance | null> => instances.get(id),
    sweepJobs: jobSweeper(context, vast),
    clock: context.clock,
    reporter: await context.stageReporter(),
    signal: context.interruption.signal,
  };
}
