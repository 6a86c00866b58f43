import { moveExtensionsScript } from '../../instance/extensions.js';
import type { MachineLock } from '../../instance/machine-lock.js';
import type { WatchedRun } from '../left-alone.js';
import { forgeAgain } from './arm.js';
import type { ExtensionsWork } from './extensions.js';
import { awaitForge } from './health.js';
import { counted } from './plan-extensions.js';

/** As of the upgrade of Forge itself; but no package is put back, since Forge's own start runs the installers. */
export async function armExtensions(work: ExtensionsWork): Promise<void> {
  const { run, plan, clock, lease } = work;
  await lease.arm({
    lock: lockOf(work),
    jobs: [],
    steps: [
      {
        script: moveExtensionsScript(plan.moves, { run: run.id, way: 'back' }),
        failure: 'an extension could not be put back',
      },
    ],
    forge: forgeAgain(clock, plan.forgeRan),
    history: null,
  });
}

export function watchedExtensions(work: ExtensionsWork): WatchedRun {
  const { plan, session, clock } = work;
  return {
    ...work,
    lock: lockOf(work),
    backTo: 'the old extensions',
    details: {},
    again: `forgectl upgrade ${plan.instanceId} --extensions`,
    prove: async (stage) => {
      if (plan.forgeRan) await awaitForge(session, { clock, onLook: (text) => stage.detail(text) });
    },
  };
}

function lockOf({ run, plan, who }: ExtensionsWork): MachineLock {
  return { run: run.id, why: `upgrade of ${counted(plan)}`, who, since: run.record.startedAt };
}
