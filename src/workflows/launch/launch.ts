import { EXIT, ForgeError } from '../../errors.js';
import type { CreateRequest, Instance } from '../../vast/model.js';
import { awaitReadiness, type ReadinessDependencies, type ReadinessResult } from '../readiness/await-readiness.js';
import type { LaunchPlan } from './plan.js';

export interface LaunchDependencies extends ReadinessDependencies {
  /** Makes sure that the account has the key, and says which it is. */
  registerKey(): Promise<{ publicKey: string; description: string; added: boolean }>;
  /** The renting call. Never repeated by the client; throws an error with `outcomeUnknown` when no answer came. */
  rent(request: CreateRequest): Promise<{ contractId: number }>;
  findByLabel(label: string): Promise<Instance[]>;
  /** Told as soon as a contract exists: from here on money flows. */
  onRented(contractId: number): void;
}

export interface LaunchResult {
  contractId: number;
  readiness: ReadinessResult;
}

/** Key, contract, ladder. A failure after the renting names the contract, what it costs and how to end it. */
export async function launch(deps: LaunchDependencies, plan: LaunchPlan): Promise<LaunchResult> {
  if (plan.labelIsChosen) await refuseUsedLabel(deps, plan.label);
  const keyStage = deps.reporter.stage('key', 'Preparing the SSH key');
  const key = await ended(keyStage, deps.registerKey());
  keyStage.done(`SSH key ${key.description}${key.added ? ', added to the account' : ''}`);
  const contractId = await rent(deps, plan);
  deps.onRented(contractId);
  // No host has a container in less; an earlier look would only spend a call.
  await deps.clock.sleep(FIRST_LOOK_MS, deps.signal).catch((error: unknown) => {
    throw nameTheCost(error, contractId, plan);
  });
  try {
    const readiness = await awaitReadiness(
      // The direct port accepts only keys of the instance itself; an account key may not reach it (docs disagree).
      withKeyAttached(deps, contractId),
      { instanceId: contractId, goal: plan.waitFor, timeoutMs: plan.timeoutMs },
    );
    return { contractId, readiness };
  } catch (error) {
    throw nameTheCost(error, contractId, plan);
  }
}

async function refuseUsedLabel(deps: LaunchDependencies, label: string): Promise<void> {
  const [taken] = await deps.findByLabel(label);
  if (taken === undefined) return;
  throw new ForgeError(`The label "${label}" is in use by instance ${taken.id}.`, {
    code: 'LABEL_IN_USE',
    exit: EXIT.conflict,
    hint: `Choose another with --label, or: forgectl destroy ${taken.id}`,
    details: { instance_id: taken.id },
  });
}

async function rent(deps: LaunchDependencies, plan: LaunchPlan): Promise<number> {
  const stage = deps.reporter.stage('rent', `Renting ${plan.offer.numGpus}x ${plan.offer.gpuName}`);
  try {
    const contractId = await rentOnce(deps, plan);
    stage.done(`Rented ${plan.offer.numGpus}x ${plan.offer.gpuName} as instance ${contractId}`);
    deps.reporter.event('rented', { instance_id: contractId, price_per_hour_usd: plan.price.runningPerHourUsd });
    return contractId;
  } catch (error) {
    stage.failed();
    throw error;
  }
}

/** An answer that never came is settled by looking for the label: the contract may exist and bill. */
async function rentOnce(deps: LaunchDependencies, plan: LaunchPlan): Promise<number> {
  try {
    return (await deps.rent(plan.request)).contractId;
  } catch (error) {
    if (!isOutcomeUnknown(error)) throw error;
    const [found] = await lookForLabel(deps, plan.label, error);
    if (found !== undefined) return found.id;
    throw error;
  }
}

async function lookForLabel(deps: LaunchDependencies, label: string, cause: unknown): Promise<Instance[]> {
  for (let attempt = 0; attempt < LABEL_LOOKS; attempt += 1) {
    try {
      const found = await deps.findByLabel(label);
      if (found.length > 0) return found;
    } catch (error) {
      if (attempt === LABEL_LOOKS - 1) {
        throw new ForgeError('The renting call got no answer, and the list of instances could not be read.', {
          code: 'RENT_UNKNOWN',
          exit: EXIT.cleanUpFailed,
          hint: `Something may bill. Look for the label ${label}: forgectl ls`,
          cause: cause ?? error,
          details: { label },
        });
      }
    }
    await deps.clock.sleep(LABEL_LOOK_EVERY_MS);
  }
  return [];
}

const FIRST_LOOK_MS = 8_000;
const LABEL_LOOKS = 4;
const LABEL_LOOK_EVERY_MS = 5_000;

function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof Error && 'outcomeUnknown' in error && error.outcomeUnknown === true;
}

/** Attaches the key at the first look at a running machine, once, before the first login. */
function withKeyAttached(deps: LaunchDependencies, contractId: number): ReadinessDependencies {
  let attached = false;
  return {
    ...deps,
    connect: async (instance) => {
      if (!attached && instance.id === contractId) {
        await deps.attachKey(instance);
        attached = true;
      }
      return deps.connect(instance);
    },
  };
}

async function ended<T>(stage: { failed(): void }, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    stage.failed();
    throw error;
  }
}

/** Whatever went wrong, the contract exists: say what it costs and the command that ends it. */
function nameTheCost(error: unknown, contractId: number, plan: LaunchPlan): unknown {
  if (!(error instanceof ForgeError)) return error;
  const bill = `Instance ${contractId} exists and is billed: $${plan.price.runningPerHourUsd.toFixed(3)}/h while running. To end it: forgectl destroy ${contractId}`;
  const hint = error.hint?.includes(`forgectl destroy ${contractId}`)
    ? error.hint
    : [error.hint, bill].filter(Boolean).join('\n');
  return new ForgeError(error.message, {
    code: error.code,
    exit: error.exit,
    hint,
    cause: error,
    details: { ...error.details, instance_id: contractId, price_per_hour_usd: plan.price.runningPerHourUsd },
  });
}
