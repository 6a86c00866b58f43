import type { Clock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import type { Reporter } from '../ui/reporter.js';
import type { Instance } from '../vast/model.js';
import { destroyAndConfirm } from './destroy.js';
import { findDeadEnd, stateWord } from './instance-state.js';

export type PowerAction = 'start' | 'stop' | 'reboot' | 'recycle' | 'destroy';

export interface PowerDependencies {
  /** Sends the request of one action. A contract that is gone counts as destroyed. */
  request(action: PowerAction, id: number): Promise<void>;
  readInstance(id: number): Promise<Instance | null>;
  /** Takes away the platform's jobs on a contract that is gone. Never fails. */
  sweepJobs?(id: number): Promise<void>;
  clock: Clock;
  reporter: Reporter;
  signal: AbortSignal;
}

interface ActionRules {
  title: (name: string) => string;
  done: (name: string) => string;
  deadlineMs: number;
  /** True when the row shows that it happened. `before` is the row from before the request. */
  isDone: (row: Instance | null, seen: Seen) => boolean;
}

/** What the looks have shown so far: a reboot is over only after the machine was seen down or with a newer start. */
interface Seen {
  before: Instance;
  wasDown: boolean;
  elapsedMs: number;
}

const isRunning = (row: Instance | null): boolean =>
  row?.actualStatus === 'running' && row.intendedStatus === 'running';

/** A machine that comes up between two looks shows a newer start, or a shorter uptime, instead of a state below running. */
const cameBack = (row: Instance | null, seen: Seen): boolean =>
  isRunning(row) &&
  (seen.wasDown || (row?.startDateMs ?? 0) > (seen.before.startDateMs ?? 0) || seen.elapsedMs > UNSEEN_RESTART_MS);

/** Restarts that are faster than the looks and leave no trace in the row are believed after this long. */
const UNSEEN_RESTART_MS = 45_000;

type ReadBackAction = Exclude<PowerAction, 'destroy'>;

const RULES: Record<ReadBackAction, ActionRules> = {
  start: {
    title: (name) => `Starting ${name}`,
    done: (name) => `${name} runs`,
    deadlineMs: 10 * 60_000,
    isDone: (row) => isRunning(row),
  },
  stop: {
    title: (name) => `Stopping ${name}`,
    done: (name) => `${name} is stopped`,
    deadlineMs: 5 * 60_000,
    isDone: (row) => ['exited', 'stopped'].includes(row?.actualStatus ?? '') && row?.intendedStatus !== 'running',
  },
  reboot: {
    title: (name) => `Rebooting ${name}`,
    done: (name) => `${name} has rebooted`,
    deadlineMs: 10 * 60_000,
    isDone: cameBack,
  },
  recycle: {
    title: (name) => `Recycling ${name}`,
    done: (name) => `${name} was made anew`,
    deadlineMs: 25 * 60_000,
    isDone: cameBack,
  },
};

const DESTROY_WORDS = {
  title: (name: string) => `Destroying ${name}`,
  done: (name: string) => `${name} is gone`,
};

const POLL_MS = 3_000;

/** Sends the request, then reads back until it has happened. Returns the last row (null once destroyed). */
export async function changePower(
  deps: PowerDependencies,
  action: PowerAction,
  before: Instance,
): Promise<Instance | null> {
  const name = before.label === null || before.label === '' ? String(before.id) : `${before.label} (${before.id})`;
  const words = action === 'destroy' ? DESTROY_WORDS : RULES[action];
  const stage = deps.reporter.stage(action, words.title(name));
  const onLook = (row: Instance): void =>
    stage.detail([stateWord(row, action === 'stop'), row.statusMsg ?? ''].filter(Boolean).join(': '));
  try {
    const row = action === 'destroy' ? await destroy(deps, before, onLook) : await change(deps, action, before, onLook);
    stage.done(words.done(name));
    return row;
  } catch (error) {
    stage.failed();
    throw error;
  }
}

async function destroy(deps: PowerDependencies, { id }: Instance, onLook: (row: Instance) => void): Promise<null> {
  const { readInstance, sweepJobs, clock, signal } = deps;
  await destroyAndConfirm(
    { destroy: (gone) => deps.request('destroy', gone), readInstance, clock, ...(sweepJobs ? { sweepJobs } : {}) },
    id,
    onLook,
    signal,
  );
  return null;
}

async function change(
  deps: PowerDependencies,
  action: ReadBackAction,
  before: Instance,
  onLook: (row: Instance) => void,
): Promise<Instance> {
  const rules = RULES[action];
  await deps.request(action, before.id);
  const startedMs = deps.clock.now();
  const seen: Seen = { before, wasDown: false, elapsedMs: 0 };
  for (;;) {
    const row = await deps.readInstance(before.id);
    seen.elapsedMs = deps.clock.now() - startedMs;
    seen.wasDown ||= row !== null && !isRunning(row);
    if (row === null) throw vanished(before);
    if (rules.isDone(row, seen)) return row;
    onLook(row);
    refuseDeadEnd(action, row, seen);
    if (seen.elapsedMs > rules.deadlineMs) throw tookTooLong(action, row, rules.deadlineMs);
    await deps.clock.sleep(POLL_MS, deps.signal);
  }
}

/** A start that waits for its GPU can wait for ever; after half a minute the GPU is rented by somebody else (docs: scheduling). */
function refuseDeadEnd(action: ReadBackAction, row: Instance, seen: Seen): void {
  if (action === 'stop') return;
  if (stateWord(row) === 'scheduling' && seen.elapsedMs > SCHEDULING_LIMIT_MS) {
    throw new ForgeError(`Instance ${row.id} cannot start: its GPU is rented to somebody else.`, {
      code: 'GPU_TAKEN',
      exit: EXIT.noCapacity,
      hint: `Its disk is kept and billed. It will start when the GPU is free, or: forgectl stop ${row.id}`,
      details: { instance_id: row.id },
    });
  }
  const deadEnd = findDeadEnd(row);
  if (deadEnd === null || seen.elapsedMs < START_GRACE_MS) return;
  if (stateWord(row) === 'scheduling' || stateWord(row) === 'stopped') return;
  throw new ForgeError(`Instance ${row.id} did not come up: ${deadEnd.reason}.`, {
    code: deadEnd.code,
    exit: EXIT.notReady,
    hint: deadEnd.code === 'INSTANCE_OUTBID' ? `forgectl bid ${row.id} USD   bids more` : `forgectl show ${row.id}`,
    details: { instance_id: row.id, actual_status: row.actualStatus },
  });
}

const SCHEDULING_LIMIT_MS = 90_000;
/** The row may tell of the state before for a while. */
const START_GRACE_MS = 30_000;

function vanished(before: Instance): ForgeError {
  return new ForgeError(`Instance ${before.id} no longer exists.`, {
    code: 'INSTANCE_VANISHED',
    exit: EXIT.notFound,
    hint: 'forgectl ls shows what is left.',
    details: { instance_id: before.id },
  });
}

function tookTooLong(action: PowerAction, row: Instance, limitMs: number): ForgeError {
  return new ForgeError(
    `The ${action} of instance ${row.id} was accepted, but after ${Math.round(limitMs / 60_000)} min it is still ${stateWord(row, action === 'stop')}.`,
    {
      code: 'NOT_DONE_IN_TIME',
      exit: EXIT.timedOut,
      hint: `forgectl show ${row.id}`,
      details: { instance_id: row.id, actual_status: row.actualStatus },
    },
  );
}
