import type { Clock } from '../clock.js';
import { EXIT, ForgeError, isInterruption, messageOf } from '../errors.js';
import type { MachineLock } from '../instance/machine-lock.js';
import type { Reporter, Stage } from '../ui/reporter.js';
import { inStage } from './in-stage.js';
import type { Run } from './journal.js';
import { releaseMachine } from './machine-lock.js';
import type { MachineSession } from './machine-session.js';
import { isLeaseLost, type Lease, wallMs } from './watchdog.js';

/** A run whose machine puts itself back when it is left alone. */
export interface WatchedRun {
  run: Run;
  session: MachineSession;
  reporter: Reporter;
  clock: Clock;
  lease: Lease;
  lock: MachineLock;
  /** Where it goes back to, in words. */
  backTo: string;
  /** Fields for the errors. */
  details: Record<string, unknown>;
  /** The command that tries it again. */
  again: string;
  /** Throws (exit 8) when the machine is not as it was before the run. */
  prove(stage: Stage): Promise<void>;
}

/** For the machine to put itself back, once its time has come. */
const WORK_MS = 5 * 60_000;
/** Of the wall's time: the sandbox's minutes are short, and tries are seconds apart. */
const LEAST_WORK_MS = 15_000;

/**
 * Whether the machine has put itself back: it is proved then, and the run ended. What it could not put back is the run's again,
 * to go back with (`mayOnlyGoBack`).
 */
export async function isPutBack(watched: WatchedRun): Promise<boolean> {
  const { run, session, lease, lock, reporter, clock } = watched;
  if (run.stateOf('arm') === null) return false;
  lease.drop();
  const { state, at, failure } = await lease.settle(clock, () =>
    reporter.info(`Instance ${session.id} is putting itself back; waiting for it …`),
  );
  if (state === 'back' && (await isProved(watched))) {
    await releaseMachine(session, lock);
    await run.setFacts({ putBackByMachineAt: at ?? 'unknown' });
    await run.end('undone', `rolled back by the machine itself${at === null ? '' : ` at ${at}`}: nobody was heard of`);
    return true;
  }
  if (state === 'free') return false;
  if (failure !== null) reporter.warn(`The machine could not put itself back: ${failure}.`);
  await run.setFacts({ onlyBack: true });
  await lease.takeBack();
  return false;
}

/** The way back, by whoever of the two has the turn. `undo` is called with the lease free. */
export async function undoUnlessPutBack(watched: WatchedRun, undo: () => Promise<void>): Promise<void> {
  for (;;) {
    if (await isPutBack(watched)) return;
    try {
      return await undo();
    } catch (error) {
      // The machine was faster.
      if (!isLeaseLost(error)) throw error;
    } finally {
      watched.lease.drop();
    }
  }
}

/** At the end of a run that is proved: until the machine knows, it would put itself back. `rollBack` gives the error to throw. */
export async function disarmProved(watched: WatchedRun, rollBack: (error: unknown) => Promise<unknown>): Promise<void> {
  const { run, lease } = watched;
  try {
    lease.hold();
    await lease.disarm();
  } catch (error) {
    if (isLeaseLost(error)) throw await rollBack(error);
    await run.leave(`proved, but the machine was not told: ${messageOf(error)}`);
    throw isOutOfReach(error) ? promise(watched, error, true) : error;
  } finally {
    lease.drop();
  }
}

/** What a machine has begun to put back is no ground to go on from. */
export function mayOnlyGoBack({ run }: { run: Run }): boolean {
  return run.record.facts['onlyBack'] === true;
}

export function wasPutBackByMachine({ run }: { run: Run }): boolean {
  return run.record.facts['putBackByMachineAt'] !== undefined;
}

async function isProved(watched: WatchedRun): Promise<boolean> {
  try {
    await inStage(watched, 'health', 'Proving what the machine has put back', (stage) => watched.prove(stage));
    return true;
  } catch (error) {
    if (!(error instanceof ForgeError) || error.exit !== EXIT.notReady) throw error;
    watched.reporter.warn(`${error.message} Putting it back once more.`);
    return false;
  }
}

/** Of a run that its machine has put back: exit 11. */
export function leftAlone({ run, session, backTo, again, details }: WatchedRun, cause?: unknown): ForgeError {
  const why = cause === undefined ? '' : `${messageOf(cause)} `;
  return new ForgeError(
    `${why}Nobody was heard of for too long, so the machine has put itself back to ${backTo}; that is proved.`,
    {
      code: 'PUT_BACK_BY_MACHINE',
      exit: EXIT.rolledBack,
      hint: `Try again: ${again}`,
      cause,
      details: { run: run.id, instance_id: session.id, ...details },
    },
  );
}

export function beganToGoBack(): ForgeError {
  return new ForgeError('The machine had begun to put itself back, and did not come to an end.', {
    code: 'PUT_BACK_BY_MACHINE',
    exit: EXIT.notReady,
  });
}

/** A line that is gone may come back while the machine puts itself back: long enough to see how that ends. */
export function waitForLine({ session, lease, clock, reporter }: WatchedRun, error: unknown): boolean {
  const { endsAtMs } = lease;
  if (!(error instanceof ForgeError) || error.exit !== EXIT.sshFailed || endsAtMs === null) return false;
  const untilMs = endsAtMs + Math.max(LEAST_WORK_MS, wallMs(clock, WORK_MS));
  session.patienceMs = Math.max(0, untilMs - Date.now());
  reporter.warn(
    `${error.message} Unless it is heard from, the machine puts itself back at about ${timeOfDay(endsAtMs)}; trying to reach it until ${timeOfDay(untilMs)} …`,
  );
  return true;
}

/** Nothing is known of the machine any more, but what it was told to do. */
export function isOutOfReach(error: unknown): boolean {
  return isInterruption(error) || (error instanceof ForgeError && error.exit === EXIT.sshFailed);
}

/** The end that cannot be seen from here: exit 13, and when the machine does what. `isUp`: all is done, but the machine was not told. */
export function promise({ run, session, lease, backTo }: WatchedRun, error: unknown, isUp = false): ForgeError {
  const atMs = lease.endsAtMs ?? Date.now();
  const when = atMs > Date.now() ? `at about ${timeOfDay(atMs)}` : 'now';
  const untold = isUp ? 'All is done and proved, but the machine does not know yet that it may stay so. ' : '';
  return new ForgeError(
    `${messageOf(error)} ${untold}Unless forgectl comes back first, the machine puts itself back to ${backTo} ${when}.`,
    {
      code: 'PUTS_ITSELF_BACK',
      exit: isInterruption(error) ? error.exit : EXIT.sshFailed,
      hint: `How it ended (exit 11 when it is back): forgectl resume ${run.id}`,
      cause: error,
      details: { run: run.id, instance_id: session.id, puts_itself_back_at: new Date(atMs).toISOString() },
    },
  );
}

/** Of this computer's clock, and in its time zone. */
function timeOfDay(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}
