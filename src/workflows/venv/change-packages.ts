import type { Clock } from '../../clock.js';
import { EXIT, ForgeError, isInterruption, messageOf } from '../../errors.js';
import type { MachineLock } from '../../instance/machine-lock.js';
import { parseTorch, type TorchSet, torchScript } from '../../instance/torch-set.js';
import { type Installer, recordPackagesScript, restorePackagesScript } from '../../instance/venv-guard.js';
import type { Reporter } from '../../ui/reporter.js';
import { endDetached } from '../detached-job.js';
import { expectDone } from '../expect-done.js';
import { inStage } from '../in-stage.js';
import { installJobId, installPackages } from '../install-packages.js';
import type { Run } from '../journal.js';
import { releaseMachine, takeMachine, takeMachineFor } from '../machine-lock.js';
import type { MachineSession } from '../machine-session.js';
import { proveTorch } from '../prove-torch.js';
import { runSteps, type Step, undoSteps } from '../run-workflow.js';
import { freezeNow } from './read-freeze.js';

/** Plain data for the journal and --dry-run. */
export interface PackagesPlan {
  instanceId: number;
  label: string | null;
  action: 'restore' | 'install';
  /** The backup, or what was asked for, in words. */
  from: string;
  install: string[];
  remove: string[];
  /** Of a restore: what differs and stays. */
  impossible: { name: string; line: string; reason: string }[];
  /** Of a restore: there now and not in the backup, and kept. */
  extra: string[];
  installer: Installer;
  torch: TorchSet;
}

export interface PackagesWork {
  session: MachineSession;
  run: Run;
  plan: PackagesPlan;
  reporter: Reporter;
  clock: Clock;
  who: string;
}

/** The torch builds as they are, and with what packages are installed. */
export async function readTools(session: MachineSession): Promise<{ torch: TorchSet; installer: Installer }> {
  const torch = parseTorch((await session.run(torchScript())).output);
  const { output } = await session.run('command -v uv >/dev/null 2>&1 && echo uv');
  return { torch, installer: output.trim() === 'uv' ? 'uv' : 'pip' };
}

/** All of it, or nothing: whatever fails, the packages are put back as they were (exit 11). */
export async function changePackages(work: PackagesWork, beginCleanUp: () => void): Promise<void> {
  const { run, session, plan } = work;
  const lock = lockOf(work);
  await takeMachineFor(run, session, { lock, breaks: false });
  try {
    await runSteps(run, packageSteps(work));
  } catch (error) {
    if (isInterruption(error)) beginCleanUp();
    throw await afterFailure(work, error);
  }
  await releaseMachine(session, lock);
  await run.end('done', `${plan.install.length} installed, ${plan.remove.length} removed`);
}

export async function undoPackages(work: PackagesWork, reason: string): Promise<void> {
  const { run, session } = work;
  const lock = lockOf(work);
  await takeMachine(session, lock, false);
  await undoSteps(run, packageSteps(work));
  await releaseMachine(session, lock);
  await run.end('undone', `put back: ${reason}`);
}

/** Each looks before it acts; the undo of `install` puts all packages back as they were recorded. */
export function packageSteps(work: PackagesWork): Step[] {
  const { session, run } = work;
  return [
    {
      id: 'record',
      run: () =>
        inStage(work, 'record', 'Recording what is there', async () =>
          expectDone(await session.run(recordPackagesScript(run.id)), 'The packages could not be recorded'),
        ),
    },
    { id: 'install', run: () => install(work), undo: () => putBack(work) },
    { id: 'torch', run: () => inStage(work, 'torch', 'Comparing the torch builds', () => proveTorch(work)) },
    { id: 'prove', run: () => inStage(work, 'prove', 'Comparing the packages', () => proveChange(work)) },
  ];
}

async function install(work: PackagesWork): Promise<void> {
  const { session, plan, run, clock } = work;
  const { install: lines, remove, installer, action } = plan;
  const count = lines.length + remove.length;
  const title = `Changing ${count === 1 ? '1 package' : `${count} packages`} with ${installer}`;
  const withDependencies = action === 'install';
  await inStage(work, 'install', title, async (stage) => {
    await installPackages(session, clock, stage, {
      runId: run.id,
      what: 'the packages',
      lines,
      installer,
      remove,
      withDependencies,
    });
  });
}

async function putBack(work: PackagesWork): Promise<void> {
  const { session, run } = work;
  await inStage(work, 'restore', 'Putting the packages back', async () => {
    await endDetached(session, installJobId(run.id));
    expectDone(await session.run(restorePackagesScript(run.id)), 'The packages could not be put back');
    await proveTorch(work);
  });
}

/** Of a restore each line must be there as it was written; what was to go must be gone. */
async function proveChange({ session, plan }: PackagesWork): Promise<void> {
  // What was asked for without a version is what the installer has made of it.
  if (plan.action === 'install') return;
  const now = (await freezeNow(session)).packages;
  const lines = new Set(now.map(({ line }) => line));
  const isPinned = (line: string): boolean => /^[\w.-]+==/u.test(line);
  const missing = plan.install.filter((line) => isPinned(line) && !lines.has(line));
  const left = plan.remove.filter((name) => now.some((frozen) => frozen.name === name));
  const wrong = [...missing.map((line) => `${line} is not there`), ...left.map((name) => `${name} is still there`)];
  if (wrong.length === 0) return;
  throw new ForgeError(`The packages are not as planned: ${wrong.slice(0, 3).join(', ')}.`, {
    code: 'PACKAGES_DIFFER',
    exit: EXIT.notReady,
    hint: `forgectl venv diff ${session.id}:now`,
    details: { differences: wrong },
  });
}

async function afterFailure(work: PackagesWork, error: unknown): Promise<unknown> {
  const { run, plan, reporter } = work;
  reporter.warn(`${messageOf(error)} Putting the packages back.`);
  try {
    await undoPackages(work, messageOf(error));
  } catch (failure) {
    await run.leave(`not put back: ${messageOf(failure)}`).catch(() => {});
    return new ForgeError(`The packages could not be put back: ${messageOf(failure)}`, {
      code: 'ROLL_BACK_FAILED',
      exit: EXIT.notReady,
      hint: `It failed because: ${messageOf(error)}\nTry again: forgectl undo ${run.id}`,
      cause: error,
      details: { run: run.id, instance_id: plan.instanceId },
    });
  }
  if (isInterruption(error) || !(error instanceof ForgeError)) return error;
  return new ForgeError(`${error.message} The packages are as they were.`, {
    code: error.code,
    exit: EXIT.rolledBack,
    hint: error.hint,
    cause: error,
    details: { ...error.details, run: run.id, instance_id: plan.instanceId },
  });
}

function lockOf({ run, plan, who }: PackagesWork): MachineLock {
  return { run: run.id, why: `venv ${plan.action}`, who, since: run.record.startedAt };
}
