import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { forgetExtensionMovesScript, moveExtensionsScript } from '../../instance/extensions.js';
import { restartForgeScript } from '../../instance/supervisor-scripts.js';
import { parseTorch, torchDrift, torchScript } from '../../instance/torch-set.js';
import type { Reporter, Stage } from '../../ui/reporter.js';
import { inStage } from '../in-stage.js';
import type { Run } from '../journal.js';
import type { MachineSession } from '../machine-session.js';
import type { Step } from '../run-workflow.js';
import type { Lease } from '../watchdog.js';
import { runWatched, undoWatched, type WatchedWork } from '../watched-run.js';
import { armExtensions, watchedExtensions } from './arm-extensions.js';
import { awaitForge } from './health.js';
import { counted, type ExtensionsPlan } from './plan-extensions.js';

export interface ExtensionsWork {
  session: MachineSession;
  run: Run;
  plan: ExtensionsPlan;
  reporter: Reporter;
  clock: Clock;
  lease: Lease;
  who: string;
}

/** All of them, or none: a Forge that does not answer afterwards gets the old ones back (exit 11). */
export async function upgradeExtensions(work: ExtensionsWork, beginCleanUp: () => void): Promise<void> {
  await runWatched(workOf(work), { breakLock: false, beginCleanUp });
}

export async function undoExtensions(work: ExtensionsWork, reason: string): Promise<void> {
  await undoWatched(workOf(work), { breakLock: false }, reason);
}

function workOf(work: ExtensionsWork): WatchedWork {
  return {
    ...watchedExtensions(work),
    steps: () => stepsOf(work),
    // Forge starts again when the old files are back.
    undoOrder: () => {
      const steps = stepsOf(work);
      return [...steps.filter(({ id }) => id === 'restart'), ...steps.filter(({ id }) => id !== 'restart')];
    },
    arm: () => armExtensions(work),
    proveBack: async () => {},
    enter: async (result) => {
      if (result !== 'done') return;
      const { session, run, plan } = work;
      await session.run(
        forgetExtensionMovesScript(
          plan.moves.map(({ name }) => name),
          run.id,
        ),
      );
    },
    failed: 'The extensions',
    goesBack: 'Putting the extensions back.',
    isBack: 'The extensions are as they were.',
    outcome: counted(work.plan),
  };
}

function stepsOf(work: ExtensionsWork): Step[] {
  const { session, run, plan, clock } = work;
  const move = async (way: 'on' | 'back'): Promise<void> => {
    const { exitCode, stderr } = await session.run(moveExtensionsScript(plan.moves, { run: run.id, way }));
    if (exitCode === 0) return;
    throw new ForgeError('An extension could not be checked out.', {
      code: 'REMOTE_STEP_FAILED',
      exit: EXIT.notReady,
      hint: stderr
        .replace(/[^\P{Cc}\n]+/gu, ' ')
        .trim()
        .split('\n')
        .slice(-3)
        .join('\n'),
    });
  };
  const restart = async (stage: Stage): Promise<void> => {
    await session.run(restartForgeScript());
    if (plan.forgeRan) await awaitForge(session, { clock, onLook: (text) => stage.detail(text) });
  };
  return [
    { id: 'arm', run: () => inStage(work, 'arm', 'Arming the way back', () => armExtensions(work)) },
    {
      id: 'check-out',
      run: () => inStage(work, 'check_out', `Checking out ${counted(plan)}`, () => move('on')),
      undo: () => inStage(work, 'put_back', 'Putting the extensions back', () => move('back')),
    },
    {
      id: 'restart',
      run: () => inStage(work, 'restart', 'Restarting Forge, which runs their installers', restart),
      undo: () => inStage(work, 'restart', 'Restarting Forge as it was', restart),
    },
    { id: 'torch', run: () => inStage(work, 'torch', 'Comparing the torch builds', () => proveTorch(work)) },
  ];
}

/** Forge runs the extensions' installers at its start, and some bring their own torch. */
async function proveTorch({ session, plan }: ExtensionsWork): Promise<void> {
  const drift = torchDrift(plan.torch, parseTorch((await session.run(torchScript())).output));
  if (drift === null) return;
  throw new ForgeError(`An extension's installer has replaced a torch build: ${drift}.`, {
    code: 'TORCH_CHANGED',
    exit: EXIT.notReady,
    hint: `The checkout is put back; the package is not. forgectl exec ${session.id} -- pip install ${Object.entries(
      plan.torch.versions,
    )
      .map(([name, version]) => `${name}==${version}`)
      .join(' ')}`,
  });
}
