import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { cleanLines } from '../../instance/clean-log.js';
import type { MachineLock } from '../../instance/machine-lock.js';
import type { Reporter, Stage } from '../../ui/reporter.js';
import type { RemoteRunner } from '../copy/remote-runner.js';
import type { Side } from '../copy/side.js';
import type { TransferContext } from '../copy/transfer.js';
import type { Run } from '../journal.js';
import type { MachineSession, ScriptResult } from '../machine-session.js';
import type { MigratePlan } from './plan.js';
import type { Transport } from './transport.js';

/** Both ends opened for one pass. */
export interface OpenPass {
  source: Side;
  destination: Side;
  sourceRunner: RemoteRunner | null;
  destinationRunner: RemoteRunner;
  /** `bytes` are about to move: by them and by the distance the number of streams is chosen. */
  context(bytes: number): TransferContext;
  onDetail(text: string): void;
  /** The line on the screen ends well, or not. */
  end(isDone: boolean): void;
  close(): void;
}

export interface MigrateWork {
  run: Run;
  plan: MigratePlan;
  /** Null when it is gone: a copy that is in place does not need it. */
  source: MachineSession | null;
  destination: MachineSession;
  reporter: Reporter;
  /** Of the workflow: the sandbox's runs faster. */
  clock: Clock;
  /** Work on the machines is looked at by this one. */
  wallClock: Clock;
  who: string;
  openPass(title: string): Promise<OpenPass>;
  transport: Transport;
  /** When the transport cannot even begin; null when another way was not wanted. */
  fallback: Transport | null;
  /** Through the API, and read back. */
  reboot(): Promise<void>;
  awaitReady(): Promise<void>;
  isSourceGone(): Promise<boolean>;
  /** `release` is called while it still runs. */
  endSource(action: 'stop' | 'destroy', release: () => Promise<void>): Promise<void>;
  /** When the first interruption begins the way back: the next one ends the process. */
  beginCleanUp(): void;
}

/** What the steps have found out, in the journal. */
export interface MigrateFacts {
  /** "contract/file" of the source's freeze. */
  freeze?: string;
  stoppedAtMs?: number;
  downtimeMs?: number;
  bootMark?: string;
  movedBytes?: number;
  files?: number;
  /** Packages that could not be had again, with the reason. */
  packagesLeft?: { line: string; reason: string }[];
  packagesFailed?: string;
  /** What the source had when it was compared; only for one that is to be destroyed. */
  sourceState?: string;
  /** Why it was neither stopped nor destroyed. */
  sourceKept?: string;
  rebooted?: boolean;
}

export function factsOf({ run }: Pick<MigrateWork, 'run'>): MigrateFacts {
  return run.record.facts as MigrateFacts;
}

/** Throws (exit 3) when it is gone. */
export function sourceOf({ source, plan, run }: Pick<MigrateWork, 'source' | 'plan' | 'run'>): MachineSession {
  if (source !== null) return source;
  throw new ForgeError(`Instance ${plan.source.id} no longer exists, and the copy was not whole yet.`, {
    code: 'INSTANCE_VANISHED',
    exit: EXIT.notFound,
    hint: `The destination as it was: forgectl undo ${run.id}`,
    details: { instance_id: plan.source.id, run: run.id },
  });
}

/** Null for a source that does not run, where nothing can be asked or done. Throws as `sourceOf` does. */
export function runningSource(work: Pick<MigrateWork, 'source' | 'plan' | 'run'>): MachineSession | null {
  return work.plan.source.isStopped ? null : sourceOf(work);
}

/** Null also for one that is gone. */
export function reachableSource({ plan, source }: Pick<MigrateWork, 'plan' | 'source'>): MachineSession | null {
  return plan.source.isStopped ? null : source;
}

export function lockOf({ run, plan, who }: Pick<MigrateWork, 'run' | 'plan' | 'who'>): MachineLock {
  return { run: run.id, why: `migration ${plan.source.id} → ${plan.destination.id}`, who, since: run.record.startedAt };
}

/** What the act gives, when it is a text, is how the stage ends. */
export async function inStage(
  { reporter }: Pick<MigrateWork, 'reporter'>,
  [id, title]: [id: string, title: string],
  act: (stage: Stage) => Promise<unknown>,
): Promise<void> {
  const stage = reporter.stage(id, title);
  let text: unknown;
  try {
    text = await act(stage);
  } catch (error) {
    stage.failed();
    throw error;
  }
  stage.done(typeof text === 'string' ? text : undefined);
}

export function expectDone({ exitCode, stderr }: ScriptResult, message: string): void {
  if (exitCode === 0) return;
  throw new ForgeError(`${message}.`, {
    code: /no space left/iu.test(stderr) ? 'DISK_FULL' : 'REMOTE_STEP_FAILED',
    exit: EXIT.notReady,
    hint: cleanLines(stderr).slice(-3).join('\n') || null,
    details: { exit_code: exitCode },
  });
}
