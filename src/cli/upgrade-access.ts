import { hostname } from 'node:os';
import { systemClock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import type { UpgradeEntry } from '../instance/upgrade-history.js';
import type { Instance } from '../vast/model.js';
import type { Run } from '../workflows/journal.js';
import { MachineSession } from '../workflows/machine-session.js';
import { PUT_BACK_AFTER_S, type UpgradePlan } from '../workflows/upgrade/plan.js';
import { readHistory } from '../workflows/upgrade/read-history.js';
import type { UpgradeWork } from '../workflows/upgrade/steps.js';
import { type UpgradeResult, undoUpgrade, upgrade } from '../workflows/upgrade/upgrade.js';
import { Lease, wallMs } from '../workflows/watchdog.js';
import type { WatchedOptions } from '../workflows/watched-run.js';
import type { ForgeContext } from './context.js';
import { connectDependencies } from './instance-link.js';

/** One machine for a whole command; losses are told of and outlived. */
export async function openSession(context: ForgeContext, instance: Instance, sshKey: string | null = null) {
  return new MachineSession(await connectDependencies(context, sshKey), instance, {
    onRetry: (error) => context.reporter.info(`${error.message} Connecting again …`),
  });
}

/** The run is in the journal before the first change. */
export async function beginUpgrade(
  context: ForgeContext,
  session: MachineSession,
  plan: UpgradePlan,
  options: { breakLock: boolean },
): Promise<UpgradeResult & { run: string }> {
  const run = await context.journal.begin({
    kind: 'upgrade',
    title: `upgrade of ${plan.label ?? plan.instanceId} to ${plan.to.sha.slice(0, 9)}`,
    plan,
  });
  const result = await upgrade(await workOn(context, session, run), optionsOf(context, run, options.breakLock));
  return { ...result, run: run.id };
}

export async function resumeUpgrade(context: ForgeContext, run: Run): Promise<UpgradeResult> {
  return withRunSession(context, run, async (session) =>
    upgrade(await workOn(context, session, run), optionsOf(context, run, false)),
  );
}

export async function undoUpgradeRun(context: ForgeContext, run: Run): Promise<void> {
  await withRunSession(context, run, async (session) =>
    undoUpgrade(await workOn(context, session, run), optionsOf(context, run, false), 'asked for'),
  );
}

/** What goes wrong before the workflow has its hands on the run leaves it as it is. */
export async function withRunSession<T>(
  context: ForgeContext,
  run: Run,
  act: (session: MachineSession) => Promise<T>,
): Promise<T> {
  const { instanceId } = run.record.plan as UpgradePlan;
  try {
    const instance = await (await context.vast()).instances.get(instanceId);
    if (instance === null) throw await gone(run, instanceId);
    const session = await openSession(context, instance);
    try {
      return await act(session);
    } finally {
      session.close();
    }
  } catch (error) {
    if (run.record.state === 'open') await run.leave(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** What the machine remembers, newest first. */
export async function readUpgradeHistory(context: ForgeContext, instance: Instance): Promise<UpgradeEntry[]> {
  const session = await openSession(context, instance);
  try {
    return await readHistory(session);
  } finally {
    session.close();
  }
}

async function gone(run: Run, instanceId: number): Promise<Error> {
  await run.end('failed', `instance ${instanceId} is gone`);
  return new ForgeError(`Instance ${instanceId} no longer exists; there is nothing to go on with or to put back.`, {
    code: 'INSTANCE_VANISHED',
    exit: EXIT.notFound,
    hint: 'forgectl ls shows what is there.',
    details: { instance_id: instanceId, run: run.id },
  });
}

async function workOn(context: ForgeContext, session: MachineSession, run: Run): Promise<UpgradeWork> {
  const plan = run.record.plan as UpgradePlan;
  return {
    session,
    run,
    plan,
    reporter: await context.stageReporter(),
    clock: context.clock,
    wallClock: systemClock,
    lease: leaseOf(context, session, run),
    who: hostname(),
  };
}

/** Of a run whose machine puts itself back. */
export function leaseOf(context: ForgeContext, session: MachineSession, run: Run): Lease {
  const { putBackAfterS = PUT_BACK_AFTER_S } = run.record.plan as { putBackAfterS?: number };
  const lease = new Lease(session, run.id, wallMs(context.clock, putBackAfterS * 1000));
  // So that a line that comes back finds the machine still waiting.
  session.patienceMs = Math.min(session.patienceMs, (lease.lengthMs * 2) / 3);
  return lease;
}

/** The sandbox's minutes are short, and a busy computer's seconds long. */
const LEAST_WALL_S = 30;
/** A reboot must not look like the end of this computer. */
const LEAST_MS = 60_000;

/** Of `--put-back-after`; null for the usual time. */
export function putBackAfterS({ clock }: ForgeContext, askedMs: number | null): number {
  if (askedMs !== null && askedMs < LEAST_MS) {
    throw new ForgeError('--put-back-after has to be a minute at least.', { code: 'BAD_DURATION', exit: EXIT.usage });
  }
  if (askedMs !== null) return Math.round(askedMs / 1000);
  return Math.max(PUT_BACK_AFTER_S, LEAST_WALL_S * (clock.scale ?? 1));
}

function optionsOf(context: ForgeContext, run: Run, breakLock: boolean): WatchedOptions {
  return {
    breakLock,
    beginCleanUp: () => {
      const { interruption } = context;
      interruption.beginCleanUp();
      interruption.lastWords.push(
        `${run.id} is left half-way. Its machine puts itself back, unless one of these comes first: forgectl undo ${run.id}, or forgectl resume ${run.id}`,
      );
    },
  };
}
