import { join } from 'node:path';
import { cleanRemoteLine } from '../instance/clean-log.js';
import { connect } from '../ssh/connection.js';
import { HostKeys } from '../ssh/host-keys.js';
import { findIdentity, type Identity, isSameKey } from '../ssh/identity.js';
import type { Instance } from '../vast/model.js';
import type { LaunchDependencies } from '../workflows/launch/launch.js';
import type { PowerDependencies } from '../workflows/power.js';
import type { ReadinessDependencies } from '../workflows/readiness/await-readiness.js';
import { sshCandidates } from './addresses.js';
import type { ForgeContext } from './context.js';

/** Wall time for one login, whatever the workflow's clock. */
const LOGIN_LIMIT_MS = 20_000;

export function chooseIdentity(context: ForgeContext, file: string | null): Promise<Identity> {
  const named = file ?? context.contexts.get(context.name).sshKey;
  return findIdentity({
    file: named,
    ownKeyDir: join(context.paths.configDir, 'ssh'),
    env: process.env,
    home: context.paths.home,
    askPassphrase: context.terminal.canPrompt ? (path) => context.prompts.password(`Passphrase of ${path}`) : null,
  });
}

/** Host keys are pinned per context and contract: two endpoints may use the same ids. */
function hostKeysOf(context: ForgeContext): HostKeys {
  return new HostKeys(join(context.paths.stateDir, 'host-keys', context.name));
}

export async function readinessDependencies(context: ForgeContext, identity: Identity): Promise<ReadinessDependencies> {
  const vast = await context.vast();
  const hostKeys = hostKeysOf(context);
  const { signal } = context.interruption;
  return {
    readInstance: (id) => vast.instances.get(id),
    connect: (instance) =>
      connect({
        candidates: sshCandidates(instance),
        instanceId: String(instance.id),
        identity,
        hostKeys,
        timeoutMs: LOGIN_LIMIT_MS,
        signal,
      }),
    attachKey: (instance) => vast.instances.attachKey(instance.id, identity.publicKey),
    tailContainerLog: async (instance) =>
      tailOfContainer(await vast.instances.logs(instance.id, { tailLines: 40, daemon: false }).catch(() => null)),
    clock: context.clock,
    reporter: await context.stageReporter(),
    signal,
  };
}

function tailOfContainer(text: string | null): string[] {
  return (text ?? '')
    .split('\n')
    .map(cleanRemoteLine)
    .filter((line) => line !== '')
    .slice(-10);
}

export async function launchDependencies(context: ForgeContext, identity: Identity): Promise<LaunchDependencies> {
  const vast = await context.vast();
  const base = await readinessDependencies(context, identity);
  return {
    ...base,
    registerKey: async () => {
      const known = (await vast.sshKeys.list()).some((key) => isSameKey(key.publicKey, identity.publicKey));
      if (!known) await vast.sshKeys.add(identity.publicKey);
      return { publicKey: identity.publicKey, description: identity.description, added: !known };
    },
    rent: (request) => vast.instances.create(request),
    findByLabel: (label) => vast.instances.findByLabel(label),
    onRented: (contractId) => {
      context.interruption.lastWords.push(
        `Instance ${contractId} exists and is billed. To end it: forgectl destroy ${contractId}`,
      );
    },
  };
}

export async function powerDependencies(context: ForgeContext): Promise<PowerDependencies> {
  const { instances } = await context.vast();
  const hostKeys = hostKeysOf(context);
  return {
    request: async (action, id) => {
      if (action === 'start') await instances.setState(id, 'running');
      else if (action === 'stop') await instances.setState(id, 'stopped');
      else if (action === 'reboot') await instances.reboot(id);
      else if (action === 'destroy') await instances.destroy(id);
      else await instances.recycle(id);
      // The next host key is new by right, and a number that was destroyed never comes back.
      if (action === 'recycle' || action === 'destroy') hostKeys.forget(String(id));
    },
    readInstance: (id: number): Promise<Instance | null> => instances.get(id),
    clock: context.clock,
    reporter: await context.stageReporter(),
    signal: context.interruption.signal,
  };
}
