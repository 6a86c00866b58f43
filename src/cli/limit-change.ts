import { EXIT, ForgeError } from '../errors.js';
import { formatPerHour, formatUsd } from '../ui/format.js';
import type { ScheduledJob } from '../vast/job-calendar.js';
import type { Instance } from '../vast/model.js';
import { type LimitAction, type LimitTime, lastsMs, limitTime } from '../workflows/limits/limit-time.js';
import { clearLimit, type Limit, limitJobs, limitOf, setLimit } from '../workflows/limits/set-limit.js';
import { billedNowPerHourUsd, priceOfInstance } from '../workflows/price.js';
import type { ForgeContext } from './context.js';
import { moneyOf } from './instance-money.js';
import { limitWords } from './limit-words.js';
import { limitDependencies } from './machine-access.js';
import { OptionalRead } from './optional-read.js';
import { nameOf, selectInstances } from './select-instances.js';

interface LimitWishes {
  inMs: number | null;
  maxLifetimeMs: number | null;
  maxSpendUsd: number | null;
  action: LimitAction | null;
  clear: boolean;
}

interface Subject {
  instance: Instance;
  before: Limit | null;
}

/** What is to be done to the limit of one instance. */
export type LimitChange = Subject &
  ({ kind: 'show' } | { kind: 'clear' } | { kind: 'set'; action: LimitAction; time: LimitTime });

/** Looks, and decides everything; changes nothing. */
export async function planLimit(context: ForgeContext, name: string | null, wishes: LimitWishes): Promise<LimitChange> {
  const vast = await context.vast();
  const [instances, jobs] = await Promise.all([vast.instances.list(), vast.scheduledJobs.list()]);
  const [instance] = selectInstances(instances, { names: name === null ? [] : [name], selfId: context.selfId });
  if (instance === undefined) throw new Error('selectInstances gave nothing for one name');
  const nowMs = context.clock.now();
  const before = limitOf(jobs, instance.id, nowMs);
  if (wishes.clear) return { kind: 'clear', instance, before };
  const wish = {
    timeMs: earliest([
      wishes.inMs === null ? null : nowMs + wishes.inMs,
      wishes.maxLifetimeMs === null ? null : bornMs(instance) + wishes.maxLifetimeMs,
    ]),
    moneyMs: wishes.maxSpendUsd === null ? null : await moneyEndMs(context, instance, wishes.maxSpendUsd),
  };
  const time = limitTime(wish, { sinceMs: nowMs, nowMs });
  if (time !== null) return { kind: 'set', instance, before, action: wishes.action ?? before?.action ?? 'stop', time };
  if (wishes.action === null) return { kind: 'show', instance, before };
  if (before === null) throw noTime();
  return { kind: 'set', instance, before, action: wishes.action, time: { atMs: before.atMs, wantedMs: before.atMs } };
}

export async function applyLimit(context: ForgeContext, change: LimitChange): Promise<void> {
  const deps = limitDependencies(context, await context.vast());
  if (change.kind === 'clear') await clearLimit(deps, change.instance.id);
  if (change.kind === 'set')
    await setLimit(deps, change.instance.id, { action: change.action, atMs: change.time.atMs });
}

function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.min(...known);
}

function bornMs({ id, startDateMs }: Instance): number {
  if (startDateMs !== null) return startDateMs;
  throw new ForgeError(`The API does not say when instance ${id} was rented.`, {
    code: 'AGE_UNKNOWN',
    exit: EXIT.apiFailed,
    hint: 'Give --in instead of --max-lifetime.',
  });
}

/** As if it ran from now on. What it has cost is the platform's bill, or an estimate where the key may not read that. */
async function moneyEndMs(context: ForgeContext, instance: Instance, maxSpendUsd: number): Promise<number> {
  const jobs = new OptionalRead(Promise.resolve([]));
  const { spentUsd } = (await moneyOf(context, [instance], { jobs, wantsCharges: true }))(instance);
  const { runningPerHourUsd } = priceOfInstance(instance);
  if (spentUsd === null || runningPerHourUsd === null) {
    throw new ForgeError(`The API does not say what instance ${instance.id} costs.`, {
      code: 'PRICE_UNKNOWN',
      exit: EXIT.apiFailed,
      hint: 'Give --in or --max-lifetime instead of --max-spend.',
    });
  }
  if (spentUsd < maxSpendUsd) return context.clock.now() + lastsMs(maxSpendUsd - spentUsd, runningPerHourUsd);
  throw new ForgeError(`Instance ${instance.id} has cost ${formatUsd(spentUsd)} already.`, {
    code: 'LIMIT_REACHED',
    exit: EXIT.moneyLimit,
    hint: `Give more than that, or: forgectl stop ${instance.id}`,
    details: { instance_id: instance.id, spent_usd: spentUsd },
  });
}

function noTime(): ForgeError {
  return new ForgeError('There is no limit yet, and nothing says when.', {
    code: 'MISSING_ANSWER',
    exit: EXIT.usage,
    hint: 'Add --in, --max-lifetime or --max-spend.',
  });
}

export function limitLine(change: LimitChange, { isDone, nowMs }: { isDone: boolean; nowMs: number }): string {
  const { instance, before } = change;
  const name = nameOf(instance);
  const former = before === null ? null : `${before.action} at ${new Date(before.atMs).toISOString()}`;
  if (change.kind === 'show')
    return before === null
      ? `${name}: no limit; nothing ends it but you.`
      : `${name}: the platform will ${limitWords(before.action, { atMs: before.atMs, wantedMs: before.atMs }, nowMs)}.`;
  if (change.kind === 'clear') {
    if (former === null) return `${name}: there ${isDone ? 'was' : 'is'} no limit.`;
    return `${name}: the limit (${former}) ${isDone ? 'is gone' : 'would be taken away'}; nothing ends it but you.`;
  }
  const { action, time } = change;
  const words = limitWords(action, time, nowMs);
  const told = isDone ? `the platform will ${words} (read back)` : `the platform would ${words}`;
  return `${name}: ${told}.${former === null ? '' : ` Before: ${former}.`}${costLine(change, nowMs)}`;
}

function costLine({ instance, time }: LimitChange & { kind: 'set' }, nowMs: number): string {
  const perHour = billedNowPerHourUsd(instance);
  if (perHour === null) return '';
  const hours = Math.max(0, time.atMs - nowMs) / 3_600_000;
  return ` Until then about ${formatUsd(perHour * hours)} more, at ${formatPerHour(perHour)}.`;
}

export function limitDocument(
  change: LimitChange,
  { dryRun, nowMs }: { dryRun: boolean; nowMs: number },
): Record<string, unknown> {
  const { instance, before, kind } = change;
  const after = kind === 'show' ? before : kind === 'clear' ? null : { action: change.action, atMs: change.time.atMs };
  const perHour = billedNowPerHourUsd(instance);
  return {
    dry_run: dryRun,
    id: instance.id,
    label: instance.label,
    changed: !dryRun && (kind === 'set' || (kind === 'clear' && before !== null)),
    limit_action_before: before?.action ?? null,
    limit_at_before: isoTime(before?.atMs),
    limit_action: after?.action ?? null,
    limit_at: isoTime(after?.atMs),
    asked_for: kind === 'set' ? isoTime(change.time.wantedMs) : null,
    time_left_s: after === null ? null : Math.max(0, Math.round((after.atMs - nowMs) / 1000)),
    price_per_hour_usd: perHour,
  };
}

function isoTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

/** For a machine that is about to be started: what its limit means for it. Null when it has none. */
export function limitWarning(instance: Instance, jobs: readonly ScheduledJob[], nowMs: number): string | null {
  const limit = limitOf(jobs, instance.id, nowMs);
  const name = nameOf(instance);
  if (limit !== null) {
    const words = limitWords(limit.action, { atMs: limit.atMs, wantedMs: limit.atMs }, nowMs);
    return `${name}: the platform will ${words}. To change that: forgectl limit ${instance.id} --in TIME, or --clear`;
  }
  if (limitJobs(jobs, instance.id).length === 0) return null;
  return `${name}: its limit has passed, and nothing ends it now but you. To set one: forgectl limit ${instance.id} --in TIME`;
}
