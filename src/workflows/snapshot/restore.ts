import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { toText } from '../../instance/files/byte-path.js';
import type { MachineLock } from '../../instance/machine-lock.js';
import { restartForgeScript } from '../../instance/supervisor-scripts.js';
import type { Reporter, Stage } from '../../ui/reporter.js';
import type { Verify } from '../copy/verify.js';
import type { Run } from '../journal.js';
import { releaseMachine, takeMachine, takeMachineFor } from '../machine-lock.js';
import { runSteps, type Step, undoSteps } from '../run-workflow.js';
import { awaitForge } from '../upgrade/health.js';
import { type PackagesPlan, packageSteps } from '../venv/change-packages.js';
import { readCheckouts } from './facts.js';
import { startForge, stopForge } from './forge-service.js';
import type { Manifest } from './manifest.js';
import { damaged } from './manifest-json.js';
import { bringFiles, dropAside, type FilesWork, moveAside, moveBack, writeDownChanges } from './restore-files.js';
import type { SnapshotStore } from './store.js';

/** Plain data for the journal; the lists of paths are kept on the machine. */
export interface RestorePlan {
  instanceId: number;
  label: string | null;
  place: { instanceId: number | null; path: string };
  name: string;
  /** Null when none has to be changed, or they are left alone. */
  packages: PackagesPlan | null;
  readAll: boolean;
  verify: Verify;
  /** Whether Forge answered before: then it must again after a way back. */
  forgeAnswered: boolean;
}

export interface RestoreWork extends FilesWork {
  run: Run;
  plan: RestorePlan;
  manifest: Manifest;
  store: SnapshotStore;
  reporter: Reporter;
  clock: Clock;
  wallClock: Clock;
  who: string;
  beginCleanUp(): void;
}

/**
 * The workspace as it was, packages included, and Forge answering; or, whatever fails on the way, the machine as it was
 * before (exit 11). What makes room is removed last of all.
 */
export async function restoreSnapshot(work: RestoreWork): Promise<void> {
  const { run, session, plan } = work;
  await takeMachineFor(run, session, { lock: lockOf(work), breaks: false });
  try {
    await runSteps(run, restoreSteps(work));
  } catch (error) {
    if (isInterruption(error)) work.beginCleanUp();
    throw await afterFailure(work, error);
  }
  try {
    await runSteps(run, [dropStep(work)]);
    await releaseMachine(session, lockOf(work));
  } catch (error) {
    await run.leave(`restored; not tidied: ${messageOf(error)}`);
    throw error;
  }
  await run.end('done', `snapshot ${plan.name} restored`);
}

/** From wherever it stands to the state before; not once the state before has begun to go. */
export async function undoRestore(work: RestoreWork, reason: string): Promise<void> {
  const { run, session } = work;
  if (run.stateOf('drop') !== null) {
    throw new ForgeError('The restore was proved, and what was there before has gone: there is no way back.', {
      code: 'RUN_PROVED',
      exit: EXIT.conflict,
      hint: `It only has to be tidied: forgectl resume ${run.id}`,
      details: { run: run.id },
    });
  }
  await takeMachine(session, lockOf(work), false);
  await undoSteps(run, restoreSteps(work));
  await releaseMachine(session, lockOf(work));
  await run.end('undone', `put back: ${reason}`);
}

function restoreSteps(work: RestoreWork): Step[] {
  const { run, plan, wallClock } = work;
  const stage = (id: string, title: string, act: (stage: Stage) => Promise<void>) => () =>
    inStage(work, id, title, act);
  const packages =
    plan.packages === null || plan.packages.install.length === 0
      ? []
      : packageSteps({ ...work, plan: plan.packages, clock: wallClock });
  return [
    { id: 'check', run: stage('check', 'Comparing the snapshot with its hashes', (line) => proveSnapshot(work, line)) },
    { id: 'stop', run: () => stopForge(work), undo: () => startAsBefore(work) },
    {
      id: 'prepare',
      run: stage('prepare', 'Writing down what is there', () => writeDownChanges(work, run.id)),
      undo: stage('put_back', 'Putting the files back', () => moveBack(work, run.id)),
    },
    { id: 'aside', run: stage('aside', 'Moving aside what differs', () => moveAside(work, run.id)) },
    { id: 'copy', run: () => bringFiles(work, plan.verify) },
    ...packages,
    { id: 'git', run: stage('git', 'Comparing the checkout', () => proveCheckout(work)) },
    { id: 'restart', run: stage('restart', 'Starting Forge', () => restart(work)), undo: () => stopForge(work) },
    { id: 'health', run: () => proveHealth(work, 'Waiting for Forge') },
  ];
}

function dropStep(work: RestoreWork): Step {
  const act = (): Promise<void> => dropAside(work, work.run.id);
  return { id: 'drop', run: () => inStage(work, 'drop', 'Removing what was moved aside', act) };
}

/** Before anything is touched: a flipped byte is found here. */
async function proveSnapshot({ store, files, plan, manifest }: RestoreWork, stage: Stage): Promise<void> {
  const total = manifest.totals.bytes;
  let read = 0;
  const [first, ...others] = await store.findDamage(files, (bytes) => {
    read += bytes;
    if (total > 0) stage.detail(`${Math.min(100, Math.floor((read / total) * 100))}%`);
  });
  if (first === undefined) return;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  throw damaged(`The snapshot ${plan.name}`, `the content of ${toText(first.path)}${more} is not what was stored`);
}

async function proveCheckout({ session, manifest }: RestoreWork): Promise<void> {
  if (manifest.forge === null) return;
  const { forge } = await readCheckouts(session);
  const { head, editsSha256 } = manifest.forge;
  if (forge?.head === head && forge.editsSha256 === editsSha256) return;
  const what = forge?.head === head ? 'its local edits differ' : `it is at ${forge?.head.slice(0, 9) ?? 'nothing'}`;
  throw new ForgeError(`The checkout is not as in the snapshot: ${what}.`, {
    code: 'CHECKOUT_DIFFERS',
    exit: EXIT.notReady,
    hint: `forgectl exec ${session.id} -- git -C stable-diffusion-webui-forge status`,
  });
}

async function restart({ session }: RestoreWork): Promise<void> {
  const { exitCode, stderr } = await session.run(restartForgeScript());
  if (exitCode === 0) return;
  throw new ForgeError('Forge could not be started.', {
    code: 'REMOTE_STEP_FAILED',
    exit: EXIT.notReady,
    hint: stderr.trim().split('\n').at(-1) || null,
  });
}

async function proveHealth(work: RestoreWork, title: string): Promise<void> {
  await inStage(work, 'health', title, async (stage) => {
    await awaitForge(work.session, { clock: work.clock, onLook: (text) => stage.detail(text) });
  });
}

async function startAsBefore(work: RestoreWork): Promise<void> {
  await startForge(work);
  if (work.plan.forgeAnswered) await proveHealth(work, 'Waiting for Forge as it was');
}

async function afterFailure(work: RestoreWork, error: unknown): Promise<unknown> {
  const { run, plan, reporter } = work;
  // Nothing was touched: that is no way back worth a word.
  const isUntouched = run.stateOf('stop') === null;
  if (!isUntouched) reporter.warn(`${messageOf(error)} Putting it back.`);
  try {
    await undoRestore(work, messageOf(error));
  } catch (failure) {
    await run.leave(`not put back: ${messageOf(failure)}`).catch(() => {});
    return new ForgeError(`The restore failed, and could not be put back: ${messageOf(failure)}`, {
      code: 'ROLL_BACK_FAILED',
      exit: EXIT.notReady,
      hint: `It failed because: ${messageOf(error)}\nTry again: forgectl undo ${run.id}, or go on: forgectl resume ${run.id}`,
      cause: error,
      details: { run: run.id, instance_id: plan.instanceId },
    });
  }
  if (isInterruption(error) || isUntouched) return error;
  const { code, hint, details } =
    error instanceof ForgeError ? error : new ForgeError('', { code: 'UNEXPECTED', exit: EXIT.unexpected });
  return new ForgeError(
    `${messageOf(error)} Everything is as it was${plan.forgeAnswered ? '; Forge answers again' : ''}.`,
    {
      code,
      exit: EXIT.rolledBack,
      hint,
      cause: error,
      details: { ...details, run: run.id, instance_id: plan.instanceId },
    },
  );
}

async function inStage(
  { reporter }: RestoreWork,
  id: string,
  title: string,
  act: (stage: Stage) => Promise<void>,
): Promise<void> {
  const stage = reporter.stage(id, title);
  try {
    await act(stage);
  } catch (error) {
    stage.failed();
    throw error;
  }
  stage.done();
}

function lockOf({ run, plan, who }: RestoreWork): MachineLock {
  return { run: run.id, why: `restore of snapshot ${plan.name}`, who, since: run.record.startedAt };
}

function isInterruption(error: unknown): boolean {
  return error instanceof ForgeError && (error.exit === EXIT.interrupted || error.exit === EXIT.terminated);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
