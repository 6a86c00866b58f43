import { enterHistoryScript } from '../../instance/upgrade-history.js';
import { inStage } from '../in-stage.js';
import { runWatched, undoWatched, type WatchedOptions, type WatchedWork } from '../watched-run.js';
import { armUpgrade, historyEntry, watched } from './arm.js';
import { awaitForge } from './health.js';
import { type UpgradeWork, undoOrder, upgradeSteps } from './steps.js';

export interface UpgradeResult {
  downtimeMs: number | null;
}

/** From one commit to another; or, whatever fails on the way, back to what was recorded, and proved (exit 11). */
export async function upgrade(work: UpgradeWork, options: WatchedOptions): Promise<UpgradeResult> {
  await runWatched(workOf(work), options);
  const { downtimeMs } = work.run.record.facts;
  return { downtimeMs: typeof downtimeMs === 'number' ? downtimeMs : null };
}

/** Takes a run back, from wherever it stands. Proves that Forge answers when it did before. */
export async function undoUpgrade(
  work: UpgradeWork,
  options: Pick<WatchedOptions, 'breakLock'>,
  reason: string,
): Promise<void> {
  await undoWatched(workOf(work), options, reason);
}

function workOf(work: UpgradeWork): WatchedWork {
  const { run, plan, session, clock } = work;
  return {
    ...watched(work),
    steps: () => upgradeSteps(work),
    undoOrder: () => undoOrder(upgradeSteps(work)),
    arm: () => armUpgrade(work),
    proveBack: async () => {
      // The restart's own way back proves it.
      const isUnproved = run.stateOf('check-out') !== null && run.stateOf('restart') === null;
      if (!plan.forgeRan || !isUnproved) return;
      await inStage(work, 'health', 'Looking whether Forge still answers', async (stage) => {
        await awaitForge(session, { clock, onLook: (text) => stage.detail(text) });
      });
    },
    enter: async (result, reason) => {
      const at = new Date(clock.now()).toISOString();
      await session.run(enterHistoryScript({ ...historyEntry(run, plan, { result, reason }), at }));
    },
    failed: 'The upgrade failed, and',
    goesBack: 'Putting it back.',
    isBack: `Rolled back to ${plan.from.sha.slice(0, 9)}${plan.forgeRan ? '; Forge answers again' : ''}.`,
    outcome: `${plan.from.sha.slice(0, 9)} → ${plan.to.sha.slice(0, 9)}`,
  };
}
