import type { ScheduledJob } from '../vast/job-calendar.js';
import type { Charge, Instance } from '../vast/model.js';
import type { Vast } from '../vast/vast.js';
import { estimateSpentUsd } from '../workflows/cost/estimate.js';
import { totalUsd } from '../workflows/cost/spending.js';
import { startOfDay } from '../workflows/cost/utc-days.js';
import { type Limit, limitOf } from '../workflows/limits/set-limit.js';
import { isGpuBilled } from '../workflows/price.js';
import type { ForgeContext } from './context.js';
import { OptionalRead } from './optional-read.js';

/** What is known of one instance's money. */
export interface InstanceMoney {
  spentUsd: number | null;
  /** By price and age instead of the platform's bill. */
  isEstimate: boolean;
  /** The estimate of a machine that does not run now, and may have run before. */
  isAtLeast: boolean;
  kinds: Charge['kinds'] | null;
  limit: Limit | null;
  /** False when the platform's jobs could not be read. */
  isLimitKnown: boolean;
}

/** How long a list waits for the jobs once it is there itself, and a single machine for its bill; wall time. */
const GRACE_MS = 2_000;
const BILL_GRACE_MS = 15_000;

const NOTHING: InstanceMoney = {
  spentUsd: null,
  isEstimate: true,
  isAtLeast: true,
  kinds: null,
  limit: null,
  isLimitKnown: false,
};

/** The jobs of the platform, read beside the list of instances: one call more, and no failure of its own. */
export function beginJobsRead(vast: Vast): OptionalRead<ScheduledJob[]> {
  return new OptionalRead(vast.scheduledJobs.list({ tries: 1 }));
}

export async function moneyOf(
  context: ForgeContext,
  instances: readonly Instance[],
  reads: { jobs: OptionalRead<ScheduledJob[]>; wantsCharges: boolean },
): Promise<(instance: Instance) => InstanceMoney> {
  const nowMs = context.clock.now();
  if (instances.length === 0) return () => NOTHING;
  const charges = reads.wantsCharges ? await readCharges(context, instances) : null;
  const jobs = await reads.jobs.value(GRACE_MS);
  if (jobs === null) context.reporter.warn(`Limits are not shown: ${reads.jobs.failure?.message ?? 'no answer'}`);
  return (instance) => ({
    ...spentOn(instance, charges, nowMs),
    limit: jobs === null ? null : limitOf(jobs, instance.id, nowMs),
    isLimitKnown: jobs !== null,
  });
}

/** The bill since the oldest of them was rented; null when it cannot be had. */
async function readCharges(context: ForgeContext, instances: readonly Instance[]): Promise<Charge[] | null> {
  const vast = await context.vast();
  const nowMs = context.clock.now();
  const since = Math.min(...instances.map(({ startDateMs }) => startDateMs ?? nowMs));
  const window = { firstDayMs: startOfDay(since), lastDayMs: startOfDay(nowMs) };
  const read = new OptionalRead(vast.charges.list(window, { tries: 2 }));
  const charges = await read.value(BILL_GRACE_MS);
  if (charges === null)
    context.reporter.warn(`What was spent is estimated, because the bill cannot be read: ${read.failure?.message}`);
  return charges;
}

/** The bill lags, so a machine that is not on it yet was not free. */
function spentOn(
  instance: Instance,
  charges: readonly Charge[] | null,
  nowMs: number,
): Pick<InstanceMoney, 'spentUsd' | 'isEstimate' | 'isAtLeast' | 'kinds'> {
  const charge = charges?.find(({ source }) => source === `instance-${instance.id}`);
  if (charge !== undefined && totalUsd(charge) > 0)
    return { spentUsd: totalUsd(charge), isEstimate: false, isAtLeast: false, kinds: charge.kinds };
  const spentUsd = estimateSpentUsd(instance, nowMs);
  return { spentUsd, isEstimate: true, isAtLeast: !isGpuBilled(instance), kinds: null };
}
