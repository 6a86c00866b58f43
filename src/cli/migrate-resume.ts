import { hostname } from 'node:os';
import { EXIT, ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';
import type { Run } from '../workflows/journal.js';
import type { MachineSession } from '../workflows/machine-session.js';
import { letSourceGo, undoMigration } from '../workflows/migrate/migrate.js';
import type { MigratePlan } from '../workflows/migrate/plan.js';
import type { ForgeContext } from './context.js';
import { workOn } from './migrate-access.js';
import { closeMachines, type Machines, openMachines, openWithoutSource } from './migrate-machines.js';
import { carryOut, type MigrateAnswer } from './migrate-run.js';
import { openSession } from './upgrade-access.js';

export async function resumeMigration(context: ForgeContext, run: Run): Promise<MigrateAnswer> {
  return withRun(context, run, async (machines) => {
    const answered = await carryOut(context, run, { machines, events: false, breakLock: false });
    if (answered.isPartial) process.exitCode = EXIT.partlyFailed;
    return answered;
  });
}

export async function undoMigrationRun(context: ForgeContext, run: Run): Promise<MigratePlan> {
  return withRun(context, run, async (machines) => {
    await undoMigration(await workOn(context, { run, machines, events: false }), 'asked for');
    return run.record.plan as MigratePlan;
  });
}

/** What goes wrong before the workflow has its hands on the run leaves it as it is. */
async function withRun<T>(
  context: ForgeContext,
  run: Run,
  act: (machines: Machines<MachineSession | null>) => Promise<T>,
): Promise<T> {
  const plan = run.record.plan as MigratePlan;
  const { sshKey } = plan.wishes;
  try {
    const { instances } = await context.vast();
    const [source, destination] = [await instances.get(plan.source.id), await instances.get(plan.destination.id)];
    if (destination === null) throw await endWithoutDestination(context, run, source);
    const machines =
      source === null
        ? await openWithoutSource(context, destination, sshKey)
        : await openMachines(context, [source, destination], { sshKey, isStopped: plan.source.isStopped });
    try {
      return await act(machines);
    } finally {
      closeMachines(machines);
    }
  } catch (error) {
    if (run.record.state === 'open') await run.leave(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** Nothing to go on with, and nothing to put back; but the source is let go, so that nothing of the run is left there. */
async function endWithoutDestination(context: ForgeContext, run: Run, source: Instance | null): Promise<ForgeError> {
  const plan = run.record.plan as MigratePlan;
  const { id } = plan.destination;
  if (source !== null && !plan.source.isStopped) {
    const session = await openSession(context, source, plan.wishes.sshKey);
    try {
      await letSourceGo({ run, plan, who: hostname(), source: session });
    } finally {
      session.close();
    }
  }
  const outcome =
    source === null
      ? `nor does the source, ${plan.source.id}`
      : `${plan.source.id} was only read; no lock, key or process of the run is left there`;
  await run.end('failed', `instance ${id} is gone`);
  return new ForgeError(
    `Instance ${id} no longer exists, so there is nothing to go on with or to put back; ${outcome}.`,
    {
      code: 'INSTANCE_VANISHED',
      exit: EXIT.notFound,
      hint: 'forgectl ls shows what is there.',
      details: { instance_id: id, source_id: plan.source.id, run: run.id },
    },
  );
}
