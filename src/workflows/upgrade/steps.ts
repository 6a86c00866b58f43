import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { checkOutScript, dropBytecodeScript, putBackScript, recordScript } from '../../instance/checkout-steps.js';
import { restartForgeScript } from '../../instance/supervisor-scripts.js';
import { recordPackagesScript, restorePackagesScript } from '../../instance/venv-guard.js';
import type { Reporter, Stage } from '../../ui/reporter.js';
import { endDetached } from '../detached-job.js';
import { expectDone } from '../expect-done.js';
import { inStage } from '../in-stage.js';
import { installJobId, installPackages } from '../install-packages.js';
import type { Run } from '../journal.js';
import type { MachineSession, ScriptResult } from '../machine-session.js';
import { proveTorch } from '../prove-torch.js';
import type { Step } from '../run-workflow.js';
import type { Lease } from '../watchdog.js';
import { armUpgrade } from './arm.js';
import { awaitForge } from './health.js';
import type { UpgradePlan } from './plan.js';

export interface UpgradeWork {
  session: MachineSession;
  run: Run;
  plan: UpgradePlan;
  reporter: Reporter;
  /** Of the workflow: the sandbox's runs faster. */
  clock: Clock;
  /** Jobs on the machine are looked at by this one. */
  wallClock: Clock;
  lease: Lease;
  /** This computer, for the lock on the machine. */
  who: string;
}

const GIT_LIMIT_MS = 10 * 60_000;

/** Everything between the lock and the history entry. Each step looks before it acts; each can be taken back. */
export function upgradeSteps(work: UpgradeWork): Step[] {
  const { plan, run } = work;
  const steps: Step[] = [
    { id: 'record', run: () => inStage(work, 'record', 'Recording what is there', (stage) => record(work, stage)) },
    { id: 'arm', run: () => inStage(work, 'arm', 'Arming the way back', () => armUpgrade(work)) },
    {
      id: 'check-out',
      run: () =>
        inStage(work, 'check_out', `Checking out ${shortSha(plan.to.sha)}`, async () => {
          const to = {
            sha: plan.to.sha,
            backTo: plan.to.backTo ?? null,
            remoteUrl: plan.remote.next,
            remoteOfRun: plan.remote.nextOfRun ?? null,
          };
          explainCheckOut(plan, await work.session.run(checkOutScript(run.id, to), GIT_LIMIT_MS));
          await work.session.run(dropBytecodeScript());
        }),
      undo: () =>
        inStage(work, 'put_back', `Putting ${shortSha(plan.from.sha)} back`, async () => {
          expectDone(await work.session.run(putBackScript(run.id), GIT_LIMIT_MS), 'The checkout could not be put back');
          await work.session.run(dropBytecodeScript());
        }),
    },
    { id: 'install', run: () => install(work), undo: () => restorePackages(work) },
    { id: 'torch', run: () => inStage(work, 'torch', 'Comparing the torch builds', () => proveTorch(work)) },
    { id: 'restart', run: () => restart(work), undo: () => restartAgain(work) },
    { id: 'health', run: () => proveHealth(work) },
  ];
  return steps;
}

/** Undo goes backwards; but Forge starts again only after its files are back. */
export function undoOrder(steps: readonly Step[]): Step[] {
  const late = steps.filter(({ id }) => id === 'restart');
  // undoSteps runs the last first.
  return [...late, ...steps.filter(({ id }) => id !== 'restart')];
}

async function record({ session, run }: UpgradeWork, stage: Stage): Promise<void> {
  expectDone(await session.run(recordScript(run.id), GIT_LIMIT_MS), 'The checkout could not be recorded');
  stage.detail('packages');
  expectDone(await session.run(recordPackagesScript(run.id)), 'The packages could not be recorded');
}

async function install(work: UpgradeWork): Promise<void> {
  const { session, plan, run, wallClock } = work;
  const { install: lines } = plan.requirements;
  const { installer } = plan;
  if (lines.length === 0 || installer === null) return;
  const count = lines.length === 1 ? '1 changed requirement' : `${lines.length} changed requirements`;
  await inStage(work, 'install', `Installing ${count} with ${installer}`, async (stage) => {
    await installPackages(session, wallClock, stage, { runId: run.id, what: 'the requirements', lines, installer });
  });
}

async function restorePackages(work: UpgradeWork): Promise<void> {
  if (work.plan.requirements.install.length === 0) return;
  await inStage(work, 'restore', 'Putting the packages back', async () => {
    await endDetached(work.session, installJobId(work.run.id));
    expectDone(await work.session.run(restorePackagesScript(work.run.id)), 'The packages could not be put back');
    await proveTorch(work);
  });
}

async function restart(work: UpgradeWork): Promise<void> {
  const { session, run, clock } = work;
  await inStage(work, 'restart', 'Restarting Forge', async () => {
    await run.setFacts({ stoppedAtMs: clock.now() });
    expectDone(await session.run(restartForgeScript()), 'Forge could not be restarted');
  });
}

/** After the files are back: whatever answered before must answer again. */
async function restartAgain(work: UpgradeWork): Promise<void> {
  const { session, plan } = work;
  await inStage(work, 'restart', 'Restarting Forge as it was', async (stage) => {
    expectDone(await session.run(restartForgeScript()), 'Forge could not be restarted');
    if (plan.forgeRan) await awaitForge(session, { clock: work.clock, onLook: (text) => stage.detail(text) });
  });
}

async function proveHealth(work: UpgradeWork): Promise<void> {
  const { session, run, clock } = work;
  await inStage(work, 'health', 'Waiting for Forge', async (stage) => {
    // A resumed run may find it up.
    const startedMs = clock.now();
    const health = await awaitForge(session, { clock, onLook: (text) => stage.detail(text) });
    const stoppedAtMs = Number(run.record.facts['stoppedAtMs'] ?? startedMs);
    await run.setFacts({ downtimeMs: Math.max(0, startedMs + health.answeredAfterMs - stoppedAtMs) });
    stage.done('Forge answers, and stays');
  });
}

function explainCheckOut(plan: UpgradePlan, result: ScriptResult): void {
  if (result.exitCode === 3 || result.exitCode === 4) {
    throw new ForgeError(
      result.exitCode === 3
        ? 'Local edits were made since the plan, and they do not fit the new commit.'
        : 'Files were made since the plan that the new commit would overwrite.',
      {
        code: result.exitCode === 3 ? 'LOCAL_EDITS_CONFLICT' : 'UNTRACKED_FILES',
        exit: EXIT.conflict,
        hint: `forgectl upgrade ${plan.instanceId} --dry-run shows them.`,
      },
    );
  }
  expectDone(result, 'The new commit could not be checked out');
}

function shortSha(sha: string): string {
  return sha.slice(0, 9);
}
