import { EXIT, ForgeError, messageOf } from '../errors.js';
import { tidyRecordsScript } from '../instance/checkout-steps.js';
import {
  breakLockScript,
  type MachineLock,
  parseLockAnswer,
  releaseLockScript,
  takeLockScript,
} from '../instance/machine-lock.js';
import type { Run } from './journal.js';
import type { MachineSession } from './machine-session.js';

/** Takes the machine for a run; the run's own lock is taken again. Throws (exit 9) with who holds it, and since when. */
export async function takeMachine(session: MachineSession, lock: MachineLock, breaks: boolean): Promise<void> {
  if (breaks && (await session.run(breakLockScript())).output.trim() === 'working')
    throw isPuttingItselfBack(session.id);
  const holder = parseLockAnswer((await session.run(takeLockScript(lock))).output);
  if (holder === null || holder.run === lock.run) return;
  throw new ForgeError(
    `Instance ${session.id} is being worked on: ${holder.why}, by ${holder.who} since ${holder.since}.`,
    {
      code: 'MACHINE_LOCKED',
      exit: EXIT.conflict,
      hint: `Wait for it, or there: forgectl resume ${holder.run}, or forgectl undo ${holder.run}\nIf that computer is gone: --break-lock`,
      details: { instance_id: session.id, run: holder.run, since: holder.since },
    },
  );
}

function isPuttingItselfBack(id: number): ForgeError {
  return new ForgeError(`Instance ${id} is putting itself back from a run that was left alone.`, {
    code: 'MACHINE_LOCKED',
    exit: EXIT.conflict,
    hint: `Wait for it, some minutes at most: forgectl upgrade history ${id} shows its end.`,
    details: { instance_id: id },
  });
}

/** As `takeMachine`, at the beginning of a run: one that has begun nothing leaves nothing, another one stays open. */
export async function takeMachineFor(
  run: Run,
  session: MachineSession,
  { lock, breaks }: { lock: MachineLock; breaks: boolean },
): Promise<void> {
  try {
    await takeMachine(session, lock, breaks);
  } catch (error) {
    if (run.record.steps.length === 0) await run.end('failed', messageOf(error));
    else await run.leave(messageOf(error));
    throw error;
  }
}

/** At the end of a run, whatever the end: what it kept for its way back is not needed any more. */
export async function releaseMachine(session: MachineSession, lock: MachineLock): Promise<void> {
  await session.run(tidyRecordsScript(lock.run));
  await session.run(releaseLockScript(lock));
}
