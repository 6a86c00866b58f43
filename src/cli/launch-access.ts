import { join } from 'node:path';
import { writePrivateFile } from '../config/paths.js';
import { EXIT, ForgeError } from '../errors.js';
import { safeLines } from '../instance/clean-log.js';
import { redactSecrets } from '../secrets/redact.js';
import { type Identity, isSameKey } from '../ssh/identity.js';
import type { Vast } from '../vast/vast.js';
import { FileLock } from '../workflows/file-lock.js';
import type { Attempt } from '../workflows/launch/attempt.js';
import type { LaunchDependencies } from '../workflows/launch/launch.js';
import { RecentPurchases } from '../workflows/recent-purchases.js';
import { whenTold } from './after-telling.js';
import type { ForgeContext } from './context.js';
import { instanceRedactor } from './log-secrets.js';
import { hostKeyProof, jobSweeper, limitDependencies, readinessDependencies } from './machine-access.js';

/** Wall time that a launch waits for the others of this computer to have rented. */
const TURN_LIMIT_MS = 120_000;

/** Wires the launch to the API, SSH, the journal's neighbours on disk and the terminal. */
export async function launchDependencies(
  context: ForgeContext,
  identity: Identity,
  names: { runId: string; label: string },
): Promise<LaunchDependencies> {
  const vast = await context.vast();
  const bought = new RecentPurchases(join(context.paths.stateDir, 'bought', `${context.name}.json`), context.clock);
  return {
    ...(await readinessDependencies(context, [identity])),
    hostKeyProof: await oneProofEach(context),
    registerKey: () => registerKey(context, vast, identity),
    rent: (request) => vast.instances.create(request),
    destroy: (id) => vast.instances.destroy(id),
    findByLabel: (label) => vast.instances.findByLabel(label),
    searchOffers: (query) => vast.offers.search(query),
    ...limitDependencies(context, vast),
    sweepJobs: jobSweeper(context, vast),
    inTurn: (work) => inTurn(context, work),
    recentlyBought: () => bought.offerIds(),
    rememberBought: (offerId) => bought.remember(offerId),
    bannedMachineIds: () => context.avoidedHosts.list().map(({ machineId }) => machineId),
    banMachine: ({ machineId, gpuName }, { reason }) => context.avoidedHosts.failed(machineId, { reason, gpuName }),
    collectLogs: (id) => collectLogs(context, vast, id),
    onLiving: (attempts) => writeLastWords(context, attempts, names),
    whenTold,
    beginCleanUp: () => context.interruption.beginCleanUp(),
  };
}

/** An account without keys is no obstacle: each machine gets the key of its own. */
async function registerKey(
  context: ForgeContext,
  vast: Vast,
  { publicKey, description }: Identity,
): ReturnType<LaunchDependencies['registerKey']> {
  const known = (await vast.sshKeys.list()).some((key) => isSameKey(key.publicKey, publicKey));
  if (known) return { publicKey, description, added: false };
  try {
    await vast.sshKeys.add(publicKey);
    return { publicKey, description, added: true };
  } catch (error) {
    if (!(error instanceof ForgeError) || error.code !== 'TEAM_KEYS') throw error;
    context.reporter.warn("A team's API key cannot put the SSH key on the account; the machine itself gets it.");
    return { publicKey, description, added: false };
  }
}

async function inTurn<T>(context: ForgeContext, work: () => Promise<T>): Promise<T> {
  const file = join(context.paths.stateDir, 'bought', `${context.name}.lock`);
  const lock = await FileLock.take(file, 'renting a machine', TURN_LIMIT_MS, context.interruption.signal);
  if (lock === null) {
    throw new ForgeError('Another forgectl on this computer has been renting a machine for minutes.', {
      code: 'RENTING_LOCKED',
      exit: EXIT.conflict,
      hint: 'Wait for it, or end it.',
    });
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/** One comparison a machine: who asks again waits for the same. The line comes seconds after the keys, the log a little later. */
async function oneProofEach(context: ForgeContext): Promise<LaunchDependencies['hostKeyProof']> {
  const prove = await hostKeyProof(context);
  const proofs = new Map<number, { isUrgent: boolean; proof: ReturnType<typeof prove> }>();
  return async (instance, { isUrgent } = { isUrgent: false }) => {
    let known = proofs.get(instance.id);
    if (known === undefined || (isUrgent && !known.isUrgent)) {
      known = { isUrgent, proof: isUrgent ? prove(instance, URGENT_TRIES) : prove(instance) };
      proofs.set(instance.id, known);
    }
    if ((await known.proof) === 'first seen' && isUrgent)
      context.reporter.warn(
        `Instance ${instance.id} has not named its host key in its log: what goes there goes to whoever answers at its address.`,
      );
  };
}

const URGENT_TRIES = 6;

async function collectLogs(context: ForgeContext, vast: Vast, id: number): Promise<string | null> {
  const read = (daemon: boolean): Promise<string | null> =>
    vast.instances.logs(id, { tailLines: 400, daemon }).catch(() => null);
  const [container, daemon] = [await read(false), await read(true)];
  if (container === null && daemon === null) return null;
  const file = join(context.paths.stateDir, 'logs', context.name, `${id}.log`);
  const row = await vast.instances.get(id).catch(() => null);
  const redact = row === null ? redactSecrets : instanceRedactor(row);
  const parts = ['== container', ...safeLines(container ?? '', redact), '== host', ...safeLines(daemon ?? '', redact)];
  await writePrivateFile(file, `${parts.join('\n')}\n`);
  return file;
}

/** For a second Ctrl-C, which ends the process where it stands. */
function writeLastWords(
  context: ForgeContext,
  attempts: readonly Attempt[],
  names: { runId: string; label: string },
): void {
  const lines = attempts.map(({ contractId }) =>
    contractId === null
      ? `A machine with the label ${names.label} may exist and bill. To find and end it: forgectl undo ${names.runId}`
      : `Instance ${contractId} may still be billed. To end it: forgectl destroy ${contractId}`,
  );
  context.interruption.lastWords.splice(0, Number.POSITIVE_INFINITY, ...lines);
}
