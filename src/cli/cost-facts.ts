import { join } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';
import type { Stage } from '../ui/reporter.js';
import type { User, Volume } from '../vast/model.js';
import type { Vast } from '../vast/vast.js';
import type { Holdings } from '../workflows/cost/contract-costs.js';
import { DayCache } from '../workflows/cost/day-cache.js';
import { estimateSpending } from '../workflows/cost/estimate.js';
import { readSpending, type Spending } from '../workflows/cost/spending.js';
import { type DayWindow, lastDays } from '../workflows/cost/utc-days.js';
import type { ForgeContext } from './context.js';

export interface CostFacts extends Holdings {
  creditUsd: number | null;
  spending: Spending;
  nowMs: number;
}

/** Everything that a cost report says, read at one moment. What the key may not read is estimated or left out, and told. */
export async function costFacts(
  context: ForgeContext,
  { days, wantsDays }: { days: number; wantsDays: boolean },
): Promise<CostFacts> {
  const vast = await context.vast();
  const [instances, volumes, user] = await Promise.all([
    vast.instances.list(),
    ifPermitted(vast.volumes.list()),
    ifPermitted(vast.account.getUser()),
  ]);
  if (isRefused(volumes)) context.reporter.warn('This API key may not list volumes; they are left out.');
  if (isRefused(user)) context.reporter.warn('This API key may not read the account; the credit is not known.');
  const nowMs = context.clock.now();
  const window = lastDays(nowMs, days);
  const owner = isRefused(user) ? null : user;
  const bill = await ifPermitted(readBill(context, vast, owner, { window, wantsDays }));
  if (isRefused(bill))
    context.reporter.warn(
      `This API key may not read the bill (${bill.message}). What was spent is estimated from prices and ages; machines that are gone are not in it.`,
    );
  const known = isRefused(volumes) ? null : volumes;
  return {
    instances,
    volumes: known,
    creditUsd: owner?.creditUsd ?? null,
    spending: isRefused(bill) ? estimated({ instances, volumes: known ?? [], nowMs }, window, wantsDays) : bill,
    nowMs,
  };
}

function estimated(facts: Parameters<typeof estimateSpending>[0], window: DayWindow, wantsDays: boolean): Spending {
  const spending = estimateSpending(facts, window, 'the API key may not read the bill (billing_read)');
  return wantsDays ? spending : { ...spending, days: null };
}

async function readBill(
  context: ForgeContext,
  vast: Vast,
  user: User | null,
  { window, wantsDays }: { window: DayWindow; wantsDays: boolean },
): Promise<Spending> {
  // The sandbox can be made anew, with other days under the same dates.
  const cache = user === null || context.name === 'sandbox' ? null : dayCache(context, user);
  // One call says nothing; days that must be asked for take a second each.
  const reporter = wantsDays ? await context.stageReporter() : context.reporter;
  let stage: Stage | null = null;
  const reader = {
    read: (part: DayWindow) => vast.charges.list(part),
    cache,
    onDay: (number: number, count: number) => {
      stage ??= count > 1 ? reporter.stage('charges', 'Reading the days of the bill') : null;
      stage?.detail(`${number} of ${count}`);
    },
  };
  try {
    const spending = await readSpending(reader, window, wantsDays);
    endStage(stage, true);
    return spending;
  } catch (error) {
    endStage(stage, false);
    throw error;
  } finally {
    await cache?.save();
  }
}

function endStage(stage: Stage | null, isDone: boolean): void {
  if (isDone) stage?.done('Read the days of the bill');
  else stage?.failed();
}

function dayCache(context: ForgeContext, { id }: User): DayCache {
  return new DayCache(join(context.paths.stateDir, 'charges', `${context.name}.json`), id, context.clock);
}

/** Degrades only for a missing permission; everything else about an answer must be right. */
async function ifPermitted<T extends User | Volume[] | Spending>(work: Promise<T>): Promise<T | ForgeError> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ForgeError && error.exit === EXIT.notPermitted) return error;
    throw error;
  }
}

function isRefused<T>(found: T | ForgeError): found is ForgeError {
  return found instanceof ForgeError;
}
