import { EXIT, ForgeError } from '../../errors.js';
import { hideCredentials } from '../../instance/forge-args.js';
import { checkoutStateScript, parseCheckoutState } from '../../instance/snapshot-facts.js';
import { isSecret } from '../../secrets/redact.js';
import type { Instance } from '../../vast/model.js';
import type { MachineSession } from '../machine-session.js';
import { readTools } from '../venv/change-packages.js';
import { freezeNow } from '../venv/read-freeze.js';
import type { LaunchRecord, Manifest } from './manifest.js';

export type CheckoutFacts = ReturnType<typeof parseCheckoutState>;

const LIMIT_MS = 5 * 60_000;

export async function readCheckouts(session: MachineSession): Promise<CheckoutFacts> {
  const { output, exitCode, stderr } = await session.run(checkoutStateScript(), LIMIT_MS);
  if (exitCode === 0) return parseCheckoutState(output);
  throw new ForgeError(`The checkout on instance ${session.id} cannot be read.`, {
    code: 'CHECKOUT_UNREADABLE',
    exit: EXIT.notReady,
    hint: stderr.trim().split('\n').at(-1) || null,
    details: { instance_id: session.id },
  });
}

/** Null where there are no packages to be told of: another image. */
export async function readVenv(session: MachineSession): Promise<Manifest['venv']> {
  try {
    const { packages } = await freezeNow(session);
    const { torch } = await readTools(session);
    return { freeze: packages.map(({ line }) => line), torch: torch.versions };
  } catch (error) {
    if (error instanceof ForgeError && error.code === 'FREEZE_FAILED') return null;
    throw error;
  }
}

/** A new machine of the same kind. Values that look secret are left out, with their names. */
export function launchRecord(instance: Instance): LaunchRecord {
  const pairs = instance.extraEnv.filter(([name]) => !name.startsWith('-'));
  const isOpen = ([name, value]: [string, string]): boolean =>
    !isSecret(name, value) && hideCredentials(value) === value;
  return {
    templateHashId: instance.templateHashId,
    templateName: instance.templateName,
    image: instance.imageUuid,
    runtype: instance.imageRuntype,
    diskGb: instance.diskSpaceGb,
    ports: [...new Set((instance.ports ?? []).map(({ containerPort }) => containerPort))].sort(),
    env: Object.fromEntries(pairs.filter(isOpen)),
    secretNames: pairs.filter((pair) => !isOpen(pair)).map(([name]) => name),
  };
}
