import { type DestroyDependencies, destroyAndConfirm } from '../destroy.js';
import { type Attempt, livingAttempts } from './attempt.js';
import type { Launching } from './launch.js';
import { lookForLabel } from './rent.js';

/** Ends one machine and reads back that it is gone. Throws (exit 15) when that cannot be confirmed. */
export async function destroyAttempt(launching: Launching, attempt: Attempt): Promise<void> {
  const { contractId } = attempt;
  if (contractId === null) return;
  const stage = launching.deps.reporter.stage('destroy', `Destroying instance ${contractId}`);
  try {
    await destroyAndConfirm(dependencies(launching), contractId, (row) => stage.detail(row.actualStatus ?? ''));
  } catch (error) {
    stage.failed();
    throw error;
  }
  await launching.settle(attempt, 'destroyed');
  stage.done(`Instance ${contractId} is gone`);
}

/** Without a limit the machine has no jobs to look for. */
function dependencies({ deps, plan }: Launching): DestroyDependencies {
  const { sweepJobs, ...others } = deps;
  const isLimited = plan.limits.maxLifetimeMs !== null || plan.limits.maxSpendUsd !== null;
  return isLimited && sweepJobs !== undefined ? { ...others, sweepJobs } : others;
}

/** Takes back whatever a launch has made, and settles what it may have made. Returns the contracts that it destroyed. */
export async function undoLaunch(launching: Launching): Promise<number[]> {
  const destroyed: number[] = [];
  for (const attempt of livingAttempts(launching.facts).reverse()) {
    if (attempt.contractId === null) {
      const found = await lookForLabel(launching, launching.plan.label);
      if (found === null) {
        await launching.settle(attempt, 'lost');
        continue;
      }
      await launching.rented(attempt, found.id);
    }
    await destroyAttempt(launching, attempt);
    if (attempt.contractId !== null) destroyed.push(attempt.contractId);
  }
  return destroyed;
}
