import { EXIT, ForgeError, isInterruption, messageOf } from '../errors.js';
import {
  beganToGoBack,
  disarmProved,
  isOutOfReach,
  isPutBack,
  leftAlone,
  mayOnlyGoBack,
  promise,
  undoUnlessPutBack,
  type WatchedRun,
  waitForLine,
  wasPutBackByMachine,
} from './left-alone.js';
import { releaseMachine, takeMachine, takeMachineFor } from './machine-lock.js';
import { runSteps, type Step, undoSteps } from './run-workflow.js';
import { isLeaseLost } from './watchdog.js';

/** All or nothing on one machine: the steps, and the ways back of forgectl and of the machine itself. */
export interface WatchedWork extends WatchedRun {
  /** The first one has the id `arm` and calls `arm`. */
  steps(): Step[];
  /** The same, in the order in which they are taken back. */
  undoOrder(): Step[];
  /** Tells the machine its own way back. Harmless twice. */
  arm(): Promise<void>;
  /** After the way back, with the machine still held: what no step has proved. */
  proveBack(): Promise<void>;
  /** Writes the end into the machine's history, before it is released. */
  enter(result: 'done' | 'rolled back', reason: string | null): Promise<void>;
  /** What could not be put back, as the start of a sentence: "The upgrade failed, and". */
  failed: string;
  /** "Putting it back." */
  goesBack: string;
  /** "Rolled back to 1a2b3c4; Forge answers again." */
  isBack: string;
  /** How the journal calls a run that went well. */
  outcome: string;
}

export interface WatchedOptions {
  /** Takes the machine although somebody else has locked it. */
  breakLock: boolean;
  /** Called when the first interruption begins the way back: the next one ends the process. */
  beginCleanUp(): void;
}

/**
 * Runs all steps, or, whatever fails on the way, goes back to what was recorded, and proves it (exit 11). A run that cannot
 * even be put back stays open, for `resume` and `undo`; its machine puts itself back.
 */
export async function runWatched(work: WatchedWork, options: WatchedOptions): Promise<void> {
  const { run, session, lease, lock } = work;
  if (await isPutBack(work)) throw leftAlone(work);
  if (mayOnlyGoBack(work)) throw await rolledBack(work, options, beganToGoBack());
  await takeMachineFor(run, session, { lock, breaks: options.breakLock });
  try {
    lease.hold();
    // The watchdog of a run that was cut off may be gone with a reboot.
    if (run.stateOf('arm') !== null) await work.arm();
    await runSteps(run, work.steps());
  } catch (error) {
    if (isInterruption(error)) options.beginCleanUp();
    throw await rolledBack(work, options, error);
  } finally {
    lease.drop();
  }
  await disarmProved(work, (error) => rolledBack(work, options, error));
  await work.enter('done', null);
  await releaseMachine(session, lock);
  await run.end('done', work.outcome);
}

/** Takes a run back, from wherever it stands, unless its machine has done that. */
export async function undoWatched(
  work: WatchedWork,
  options: Pick<WatchedOptions, 'breakLock'>,
  reason: string,
): Promise<void> {
  await undoUnlessPutBack(work, () => undoHere(work, options.breakLock, reason));
}

async function undoHere(work: WatchedWork, breakLock: boolean, reason: string): Promise<void> {
  const { run, session, lease, lock } = work;
  await takeMachine(session, lock, breakLock);
  lease.hold();
  // What fails here is a disk without room, and that may not keep it from the way back.
  if (run.stateOf('arm') !== null) {
    await work.arm().catch((error) => {
      if (!(error instanceof ForgeError) || error.exit !== EXIT.notReady || isLeaseLost(error)) throw error;
    });
  }
  await undoSteps(run, work.undoOrder());
  await work.proveBack();
  await lease.disarm();
  lease.drop();
  await work.enter('rolled back', reason);
  await releaseMachine(session, lock);
  await run.end('undone', `rolled back: ${reason}`);
}

async function rolledBack(work: WatchedWork, options: WatchedOptions, error: unknown): Promise<unknown> {
  const { run, session, reporter } = work;
  if (!waitForLine(work, error)) reporter.warn(`${messageOf(error)} ${work.goesBack}`);
  try {
    await undoWatched(work, options, messageOf(error));
  } catch (failure) {
    await run.leave(`not put back: ${messageOf(failure)}`).catch(() => {});
    return notPutBack(work, error, failure);
  }
  if (wasPutBackByMachine(work) && !isInterruption(error)) return leftAlone(work, error);
  const { code, hint, details } =
    error instanceof ForgeError ? error : new ForgeError('', { code: 'UNEXPECTED', exit: 1 });
  return new ForgeError(`${messageOf(error)} ${work.isBack}`, {
    code,
    exit: isInterruption(error) ? error.exit : EXIT.rolledBack,
    hint,
    cause: error,
    details: { ...details, run: run.id, instance_id: session.id, ...work.details },
  });
}

function notPutBack(work: WatchedWork, error: unknown, failure: unknown): ForgeError {
  const { run, session, lease } = work;
  if (isOutOfReach(failure) && lease.endsAtMs !== null) return promise(work, failure);
  return new ForgeError(`${work.failed} could not be put back: ${messageOf(failure)}`, {
    code: 'ROLL_BACK_FAILED',
    exit: EXIT.notReady,
    hint: `It failed because: ${messageOf(error)}\nTry again: forgectl undo ${run.id}, or go on: forgectl resume ${run.id}`,
    cause: error,
    details: { run: run.id, instance_id: session.id },
  });
}
