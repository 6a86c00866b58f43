import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { dropBytecodeScript, headScript, putBackScript } from '../../instance/checkout-steps.js';
import type { MachineLock } from '../../instance/machine-lock.js';
import type { UpgradeEntry } from '../../instance/upgrade-history.js';
import { restorePackagesScript } from '../../instance/venv-guard.js';
import type { WayBack } from '../../instance/watchdog.js';
import type { Stage } from '../../ui/reporter.js';
import { installJobId } from '../install-packages.js';
import type { Run } from '../journal.js';
import type { WatchedRun } from '../left-alone.js';
import { proveTorch } from '../prove-torch.js';
import { wallMs } from '../watchdog.js';
import { awaitForge, FORGE_DEADLINE_MS, FORGE_POLL_MS, FORGE_STAYS_MS } from './health.js';
import type { UpgradePlan } from './plan.js';
import { readHistory } from './read-history.js';
import type { UpgradeWork } from './steps.js';

/** The machine's own way back, by the same scripts and in the same order as the run's. */
export async function armUpgrade(work: UpgradeWork): Promise<void> {
  const { run, plan, clock, lease } = work;
  const packages = { script: restorePackagesScript(run.id), failure: 'the packages could not be put back' };
  await lease.arm({
    lock: lockOf(work),
    jobs: [installJobId(run.id)],
    steps: [
      ...(plan.requirements.install.length === 0 ? [] : [packages]),
      { script: putBackScript(run.id), failure: 'the checkout could not be put back' },
      { script: dropBytecodeScript(), failure: 'the caches could not be dropped' },
    ],
    forge: forgeAgain(clock, plan.forgeRan),
    history: historyEntry(run, plan, { result: 'rolled back', reason: LEFT_ALONE }),
  });
}

export function watched(work: UpgradeWork): WatchedRun {
  const { plan } = work;
  return {
    ...work,
    lock: lockOf(work),
    backTo: plan.from.sha.slice(0, 9),
    details: { rolled_back_to: plan.from.sha },
    again: `forgectl upgrade ${plan.instanceId} --ref ${plan.to.sha.slice(0, 9)}`,
    prove: (stage) => provePutBack(work, stage),
  };
}

async function provePutBack({ run, session, plan, clock }: UpgradeWork, stage: Stage): Promise<void> {
  const [last] = await readHistory(session);
  // A machine that somebody has changed since is theirs to prove.
  if (last !== undefined && last.run !== run.id) return;
  const head = (await session.run(headScript())).output.trim();
  if (head !== plan.from.sha) {
    throw new ForgeError(`The checkout is at ${head.slice(0, 9)}.`, { code: 'NOT_BACK', exit: EXIT.notReady });
  }
  await proveTorch({ session, plan });
  if (plan.forgeRan) await awaitForge(session, { clock, onLook: (text) => stage.detail(text) });
}

const LEFT_ALONE = 'nobody was heard of any more, and the machine put itself back';

/** How Forge is proved after the way back, in the machine's own seconds. */
export function forgeAgain(clock: Clock, hasAnswered: boolean): NonNullable<WayBack['forge']> {
  const seconds = (ms: number): number => Math.max(1, Math.ceil(wallMs(clock, ms) / 1000));
  return {
    hasAnswered,
    limitS: seconds(FORGE_DEADLINE_MS),
    staysS: seconds(FORGE_STAYS_MS),
    pollS: seconds(FORGE_POLL_MS),
  };
}

function lockOf({ run, plan, who }: UpgradeWork): MachineLock {
  return {
    run: run.id,
    why: `upgrade to ${plan.to.name} (${plan.to.sha.slice(0, 9)})`,
    who,
    since: run.record.startedAt,
  };
}

export function historyEntry(
  run: Run,
  plan: UpgradePlan,
  end: Pick<UpgradeEntry, 'result' | 'reason'>,
): Omit<UpgradeEntry, 'at'> {
  const { downtimeMs } = run.record.facts;
  return {
    run: run.id,
    from: { sha: plan.from.sha, subject: plan.from.subject, branch: plan.from.branch },
    to: { sha: plan.to.sha, subject: plan.to.subject, name: plan.to.name },
    remoteBefore: plan.remote.current,
    remoteUrl: plan.remote.next ?? plan.remote.current,
    ...end,
    downtimeS: typeof downtimeMs === 'number' ? Math.round(downtimeMs / 1000) : null,
  };
}
