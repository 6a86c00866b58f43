import { EXIT, ForgeError } from '../../errors.js';
import type { Attempt } from './attempt.js';
import { reasonOf } from './fail-over.js';
import { type LaunchPlan, withOffer } from './plan.js';

/** One machine's failure as it is; several as a list. All of them are destroyed. */
export function machinesFailed(last: ForgeError, attempts: readonly Attempt[]): ForgeError {
  const failed = attempts.filter(({ failure }) => failure !== null);
  const lines = failed.map(
    ({ offer, contractId, failure }, at) =>
      `${at + 1}. ${offer.numGpus}x ${offer.gpuName}, machine ${offer.machineId}, instance ${contractId}: ${failure?.reason}`,
  );
  const message =
    failed.length === 1
      ? last.message
      : `${failed.length} machines failed, and all were destroyed:\n  ${lines.join('\n  ')}`;
  return new ForgeError(message, {
    code: failed.length === 1 ? last.code : 'ALL_MACHINES_FAILED',
    exit: failed.length === 1 ? last.exit : EXIT.notReady,
    hint: [
      failed.length === 1
        ? `Instance ${failed[0]?.contractId} was destroyed; nothing is billed any more.`
        : 'Nothing is billed any more.',
      withoutDestroyLines(failed.length === 1 ? last.hint : null),
      'forgectl launch --attempts N tries more; forgectl hosts ls shows what is avoided now.',
    ]
      .filter(Boolean)
      .join('\n'),
    cause: last,
    details: {
      ...last.details,
      attempts: failed.map(({ offer, contractId, failure, costUsd }) => ({
        instance_id: contractId,
        machine_id: offer.machineId,
        code: failure?.code ?? null,
        reason: failure?.reason ?? null,
        cost_usd: costUsd,
      })),
    },
  });
}

function withoutDestroyLines(hint: string | null): string | null {
  return hint === null
    ? null
    : hint
        .split('\n')
        .filter((line) => !/^forgectl (destroy|wait) /u.test(line))
        .join('\n');
}

/** The contract exists: say what it costs and the command that ends it. */
export function nameTheCost(error: unknown, living: readonly Attempt[], plan: LaunchPlan): unknown {
  const [attempt] = living;
  if (!(error instanceof ForgeError) || attempt === undefined || attempt.contractId === null) return error;
  const id = attempt.contractId;
  const price = withOffer(plan, attempt.offer).price.runningPerHourUsd;
  const bill = `Instance ${id} exists and is billed: $${price.toFixed(3)}/h while running. To end it: forgectl destroy ${id}`;
  return new ForgeError(error.message, {
    code: error.code,
    exit: error.exit,
    hint: error.hint?.includes(`forgectl destroy ${id}`) ? error.hint : [error.hint, bill].filter(Boolean).join('\n'),
    cause: error,
    details: { ...error.details, instance_id: id, price_per_hour_usd: price },
  });
}

export function sayDestroyed(error: unknown, destroyed: readonly number[]): unknown {
  if (!(error instanceof ForgeError)) return error;
  const what = `Instance ${destroyed.join(', ')} was destroyed; nothing is billed any more.`;
  return new ForgeError(error.message, {
    code: error.code,
    exit: error.exit,
    hint: [what, withoutDestroyLines(error.hint)].filter(Boolean).join('\n'),
    cause: error,
    details: { ...error.details, destroyed_instance_ids: destroyed },
  });
}

/** Louder than whatever came before it. */
export function leftBehind(failure: unknown, before: unknown, runId: string): unknown {
  if (!(failure instanceof ForgeError)) return failure;
  const first = before === failure || !(before instanceof Error) ? '' : ` (after: ${reasonOf(before)})`;
  return new ForgeError(`${failure.message}${first}`, {
    code: failure.code,
    exit: EXIT.cleanUpFailed,
    hint: [failure.hint, `forgectl undo ${runId}   tries the clean-up again`].filter(Boolean).join('\n'),
    cause: failure,
    details: { ...failure.details, run: runId },
  });
}
