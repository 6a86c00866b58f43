import { EXIT, ForgeError } from '../../errors.js';
import { dropOldScript, removeCopyScript, switchBackScript, switchScript } from '../../instance/migration/aside.js';
import { checkoutsScript, compareCheckouts, parseCheckouts } from '../../instance/migration/checkouts.js';
import { bootMarkScript, parseBootMark } from '../../instance/migration/machine-look.js';
import type { MachineSession } from '../machine-session.js';
import type { Step } from '../run-workflow.js';
import { writeBackup } from '../venv/read-freeze.js';
import { endSource } from './end-source.js';
import { awaitAnswer, switchForge } from './forge-power.js';
import { putPackagesBack, restorePackages } from './packages.js';
import { firstPass, lastPass } from './passes.js';
import { closePassage } from './transports/direct.js';
import { expectDone, factsOf, inStage, type MigrateWork, reachableSource, runningSource } from './work.js';

/** A tree of a million files takes its time. */
const TREE_LIMIT_MS = 30 * 60_000;
const GIT_LIMIT_MS = 10 * 60_000;
const ANSWER_LIMIT_MS = 10 * 60_000;

/**
 * Nothing of the destination's is touched before the copy beside it is whole and compared; then two renames put it in
 * place, and the tree from before waits until Forge has answered. The source is only read.
 */
export function migrateSteps(work: MigrateWork): Step[] {
  const { plan, source, destination, run } = work;
  return [
    { id: 'freeze', run: () => freeze(work) },
    { id: 'first-pass', run: () => firstPass(work), undo: () => removeCopy(work) },
    { id: 'stop', run: () => stopBoth(work), undo: () => startAsBefore(work) },
    { id: 'last-pass', run: () => lastPass(work) },
    { id: 'checkouts', run: () => proveCheckouts(work) },
    { id: 'close', run: () => closePassage({ run: run.id, source: reachableSource(work), destination }) },
    {
      id: 'switch',
      run: () =>
        inStage(work, ['switch', 'Moving the tree of the destination aside'], async () => {
          expectDone(await destination.run(switchScript(run.id), TREE_LIMIT_MS), 'The copy could not be put in place');
        }),
      undo: () =>
        inStage(work, ['switch_back', 'Putting the tree from before back'], async () => {
          await switchForge(destination, 'stop');
          expectDone(await destination.run(switchBackScript(run.id), TREE_LIMIT_MS), 'It could not be put back');
        }),
    },
    { id: 'start-source', run: () => startSource(work) },
    { id: 'packages', run: () => restorePackages(work), undo: () => putPackagesBack(work) },
    { id: 'reboot', run: () => reboot(work) },
    { id: 'ready', run: () => work.awaitReady() },
    {
      id: 'drop',
      run: () =>
        inStage(work, ['drop', 'Dropping what was moved aside'], async () => {
          expectDone(await destination.run(dropOldScript(run.id), TREE_LIMIT_MS), 'It could not be dropped');
        }),
    },
    {
      id: 'source',
      run: async () => {
        const { afterwards } = plan.wishes;
        // One that does not run is left as it is.
        if (afterwards !== 'keep' && !plan.source.isStopped) return endSource(work, afterwards);
        if (source !== null) await proveSource(work, source);
      },
    },
  ];
}

async function freeze(work: MigrateWork): Promise<void> {
  await inStage(work, ['freeze', "Writing down the source's packages"], async () => {
    const session = runningSource(work);
    if (session === null) return 'The source does not run: the newest backup in its workspace counts';
    const { contract, file, packageCount } = await writeBackup(session);
    await work.run.setFacts({ freeze: `${contract}/${file}` });
    return `${packageCount} packages of the source are written down`;
  });
}

async function removeCopy(work: MigrateWork): Promise<void> {
  await inStage(work, ['remove_copy', 'Removing the copy'], async () => {
    const removed = await work.destination.run(removeCopyScript(work.run.id), TREE_LIMIT_MS);
    expectDone(removed, 'The copy could not be removed');
  });
}

/** Supervisor starts again what ends by itself, and what a running Forge writes would be missing. */
async function stopBoth(work: MigrateWork): Promise<void> {
  const { plan, destination, run, clock } = work;
  const source = plan.wishes.keepSourceRunning ? null : runningSource(work);
  const stops = source === null ? [destination] : [source, destination];
  const where = source === null ? 'the destination' : 'both';
  await inStage(work, ['stop_forge', `Stopping Forge on ${where}`], async () => {
    await run.setFacts({ stoppedAtMs: clock.now() });
    await Promise.all(stops.map((session) => switchForge(session, 'stop')));
  });
}

/** Before the copy is in place: both machines go on as they were. */
export async function startAsBefore(work: MigrateWork): Promise<void> {
  const { plan, source, destination } = work;
  const ran = [
    ...(source !== null && plan.source.forgeRan && !plan.wishes.keepSourceRunning ? [source] : []),
    ...(plan.destination.forgeRan ? [destination] : []),
  ];
  if (ran.length === 0) return;
  await inStage(work, ['start_forge', 'Starting Forge as before'], async () => {
    await Promise.all(ran.map((session) => switchForge(session, 'start')));
  });
}

/** Of the copy while it still lies beside: the source's checkouts are read where Forge is at rest. */
async function proveCheckouts(work: MigrateWork): Promise<void> {
  const { destination, run, plan } = work;
  await inStage(work, ['checkouts', 'Comparing commits and local edits'], async () => {
    const source = runningSource(work);
    if (source === null) return 'The source does not run: its checkouts were compared as files only';
    const [one, other] = await Promise.all([
      source.run(checkoutsScript(null), GIT_LIMIT_MS),
      destination.run(checkoutsScript(run.id), GIT_LIMIT_MS),
    ]);
    const found = compareCheckouts(parseCheckouts(one.output), parseCheckouts(other.output));
    if (found.length === 0) return;
    // What was left out by wish is no surprise.
    if (plan.wishes.exclude.length > 0) return work.reporter.warn(`By what was left out: ${found.join('; ')}.`);
    throw new ForgeError(`The checkouts are not the same: ${found.slice(0, 3).join('; ')}.`, {
      code: 'CHECKOUTS_DIFFER',
      exit: EXIT.partlyFailed,
      hint: `Somebody may be at work there. Again: forgectl resume ${run.id}`,
      details: { differences: found },
    });
  });
}

/** From here on the source has done its part; how long its Forge was away is known. */
async function startSource(work: MigrateWork): Promise<void> {
  const { plan, source, run, clock } = work;
  const { afterwards, keepSourceRunning } = plan.wishes;
  if (source === null || !plan.source.forgeRan || keepSourceRunning || afterwards !== 'keep') return;
  await inStage(work, ['start_source', 'Starting Forge on the source again'], async () => {
    await switchForge(source, 'start');
    await awaitAnswer(source, clock, ANSWER_LIMIT_MS);
    const stoppedAtMs = factsOf(work).stoppedAtMs ?? clock.now();
    await run.setFacts({ downtimeMs: Math.max(0, clock.now() - stoppedAtMs) });
  });
}

async function proveSource(work: MigrateWork, source: MachineSession): Promise<void> {
  const { plan, clock } = work;
  if (!plan.source.forgeRan) return;
  if (await awaitAnswer(source, clock, ANSWER_LIMIT_MS)) return;
  work.reporter.warn(`Forge on the source does not answer yet: forgectl wait ${source.id}`);
}

/** Accepted is not done: the machine's first process must be another one. */
async function reboot(work: MigrateWork): Promise<void> {
  const { destination, run } = work;
  const markOf = async (): Promise<string | null> => parseBootMark((await destination.run(bootMarkScript())).output);
  let before = factsOf(work).bootMark ?? null;
  if (before === null) {
    before = await markOf();
    await run.setFacts({ bootMark: before ?? 'unknown' });
  }
  const isAnother = (mark: string | null): boolean => mark !== null && mark !== before;
  if (isAnother(await markOf())) return;
  await work.reboot();
  const { clock } = work;
  const untilMs = clock.now() + REBOOT_LIMIT_MS;
  await inStage(work, ['rebooted', 'Looking whether it has rebooted'], async () => {
    for (;;) {
      if (isAnother(await markOf())) return 'It has rebooted: its first processes are new';
      if (clock.now() > untilMs) throw notRebooted(destination.id);
      await clock.sleep(POLL_MS, destination.signal);
    }
  });
}

const REBOOT_LIMIT_MS = 5 * 60_000;
const POLL_MS = 2000;

function notRebooted(id: number): ForgeError {
  return new ForgeError(`The API says that instance ${id} has rebooted, but its processes are those from before.`, {
    code: 'NOT_REBOOTED',
    exit: EXIT.notReady,
    hint: `forgectl reboot ${id}, then resume`,
    details: { instance_id: id },
  });
}
