import { EXIT, ForgeError, isInterruption, messageOf } from '../../errors.js';
import { releaseMachine, takeMachine } from '../machine-lock.js';
import type { MachineSession } from '../machine-session.js';
import { runSteps, undoSteps } from '../run-workflow.js';
import { switchForge } from './forge-power.js';
import { migrateSteps, startAsBefore } from './steps.js';
import { closePassage } from './transports/direct.js';
import { factsOf, lockOf, type MigrateFacts, type MigrateWork, reachableSource, sourceOf } from './work.js';

/** From the first byte to Forge's answer. What fails on the way leaves both machines whole, and the run open. */
export async function migrate(work: MigrateWork, { breakLock }: { breakLock: boolean }): Promise<MigrateFacts> {
  const { run } = work;
  await lockBoth(work, breakLock);
  try {
    await goOnFrom(work);
    await runSteps(run, migrateSteps(work));
  } catch (error) {
    if (isInterruption(error)) work.beginCleanUp();
    throw await leaveOpen(work, error);
  }
  await releaseBoth(work);
  await run.end('done', `${work.plan.source.id} → ${work.plan.destination.id}`);
  return factsOf(work);
}

/** The destination as it was before, from wherever the run stands. Too late once that was dropped. */
export async function undoMigration(work: MigrateWork, reason: string): Promise<void> {
  const { run } = work;
  if (run.stateOf('drop') !== null) throw tooLate(run.id);
  await lockBoth(work, false);
  await tidy(work);
  await undoSteps(run, migrateSteps(work));
  await releaseBoth(work);
  await run.end('undone', `put back: ${reason}`);
}

/** Until the copy is in place, Forge has run again on the source: what it wrote must come along. */
async function goOnFrom(work: MigrateWork): Promise<void> {
  const { run } = work;
  // One that has been taken back counts as one that never was.
  if (run.stateOf('switch') !== null && run.stateOf('switch') !== 'undone') return;
  sourceOf(work);
  for (const id of ['stop', 'last-pass', 'checkouts', 'close'])
    if (run.stateOf(id) === 'done') await run.setStep(id, 'failed', 'cut off before the copy was in place');
}

async function leaveOpen(work: MigrateWork, error: unknown): Promise<unknown> {
  const { run, reporter } = work;
  await soft(work, () => tidy(work));
  if (run.stateOf('stop') !== null) {
    if (run.stateOf('switch') === null) await soft(work, () => startAsBefore(work));
    else if (run.stateOf('start-source') !== 'done') await soft(work, () => startSourceOnly(work));
  }
  await run.leave(messageOf(error));
  const hint = `Go on: forgectl resume ${run.id}\nTake it back: forgectl undo ${run.id}`;
  if (!(error instanceof ForgeError)) {
    reporter.warn(hint);
    return error;
  }
  const { code, exit, details } = error;
  const isTooLate = run.stateOf('drop') !== null;
  return new ForgeError(error.message, {
    code,
    exit,
    hint: [error.hint, isTooLate ? hint.split('\n')[0] : hint].filter(Boolean).join('\n'),
    cause: error,
    details: { ...details, run: run.id, source_id: work.plan.source.id, destination_id: work.plan.destination.id },
  });
}

async function startSourceOnly(work: MigrateWork): Promise<void> {
  const { plan } = work;
  await startAsBefore({ ...work, plan: { ...plan, destination: { ...plan.destination, forgeRan: false } } });
}

/** What cannot be done now is done by whoever goes on. */
async function soft({ reporter }: MigrateWork, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    reporter.warn(messageOf(error));
  }
}

/** A run that has changed its way may have left the other's. */
async function tidy(work: MigrateWork): Promise<void> {
  const { run, destination, transport } = work;
  await transport.tidy();
  if (transport.name !== 'direct') await closePassage({ run: run.id, source: reachableSource(work), destination });
}

async function lockBoth(work: MigrateWork, breakLock: boolean): Promise<void> {
  const { run, destination } = work;
  const source = reachableSource(work);
  const taken = [];
  try {
    // Always in the same order, so that two runs do not wait for each other.
    const machines = source === null || isSourceDone(work) ? [destination] : [source, destination];
    for (const session of machines.sort((one, other) => one.id - other.id)) {
      await takeMachine(session, lockOf(work), breakLock);
      taken.push(session);
    }
  } catch (error) {
    // A run that has begun nothing leaves nothing.
    if (run.record.steps.length > 0) await run.leave(messageOf(error));
    else {
      for (const session of taken) await releaseMachine(session, lockOf(work));
      await run.end('failed', messageOf(error));
    }
    throw error;
  }
}

async function releaseBoth(work: MigrateWork): Promise<void> {
  const source = reachableSource(work);
  await releaseMachine(work.destination, lockOf(work));
  if (source !== null && !isSourceDone(work)) await releaseMachine(source, lockOf(work));
}

/** One that is stopped or destroyed at the end was let go before, and may not answer any more. */
function isSourceDone({ run, plan }: MigrateWork): boolean {
  return (
    plan.wishes.afterwards !== 'keep' && run.stateOf('source') !== null && factsOf({ run }).sourceKept === undefined
  );
}

/** The destination is gone: what the run has put on the source goes, and its Forge runs as before. Harmless twice. */
export async function letSourceGo(work: Pick<MigrateWork, 'run' | 'plan' | 'who'> & { source: MachineSession }) {
  const { run, plan, source } = work;
  await closePassage({ run: run.id, source, destination: null });
  const wasStopped = run.stateOf('stop') !== null && run.stateOf('start-source') !== 'done';
  if (wasStopped && plan.source.forgeRan && !plan.wishes.keepSourceRunning) await switchForge(source, 'start');
  await releaseMachine(source, lockOf(work));
}

function tooLate(run: string): ForgeError {
  return new ForgeError('It cannot be taken back any more: what was on the destination before was dropped.', {
    code: 'TOO_LATE',
    exit: EXIT.conflict,
    hint: `forgectl resume ${run}`,
    details: { run },
  });
}
