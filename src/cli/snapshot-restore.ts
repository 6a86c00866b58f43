import { hostname } from 'node:os';
import { systemClock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import { parseFreeze, planRestore } from '../instance/freeze.js';
import type { Instance } from '../vast/model.js';
import { readExcludes } from '../workflows/copy/excludes.js';
import type { Verify } from '../workflows/copy/verify.js';
import type { Run } from '../workflows/journal.js';
import type { MachineSession } from '../workflows/machine-session.js';
import { readCheckouts } from '../workflows/snapshot/facts.js';
import type { Manifest, SnapshotFile } from '../workflows/snapshot/manifest.js';
import type { RestoreChanges } from '../workflows/snapshot/plan-restore.js';
import { type RestorePlan, type RestoreWork, restoreSnapshot, undoRestore } from '../workflows/snapshot/restore.js';
import { type FilesWork, lookAtRestore } from '../workflows/snapshot/restore-files.js';
import { SnapshotSide } from '../workflows/snapshot/snapshot-side.js';
import type { SnapshotStore } from '../workflows/snapshot/store.js';
import { forgeAnswers } from '../workflows/upgrade/health.js';
import type { PackagesPlan } from '../workflows/venv/change-packages.js';
import { readTools } from '../workflows/venv/change-packages.js';
import { freezeNow } from '../workflows/venv/read-freeze.js';
import { agreeTo } from './agree-to.js';
import type { ForgeContext } from './context.js';
import type { TypedPlace } from './copy-ends.js';
import { createProgressTeller } from './copy-progress.js';
import { transferContext } from './copy-transfer.js';
import { openSnapshotEnds, type SnapshotEnds, typedFolder } from './snapshot-ends.js';
import { restoreDocument, restoreLines } from './snapshot-output.js';
import { openSession, withRunSession } from './upgrade-access.js';

export interface RestoreWishes {
  folder: string | null;
  name: string;
  packages: boolean;
  readAll: boolean;
  verify: Verify;
  dryRun: boolean;
  yes: boolean;
  events: boolean;
  /** When the run is in the journal. */
  onBegun?(): Promise<void>;
}

interface RestoreLook {
  plan: RestorePlan;
  manifest: Manifest;
  changes: RestoreChanges;
  /** Of the machine's checkout now. */
  head: string | null;
  image: string | null;
  usdPerGb: number | null;
}

export interface RestoreAnswer extends RestoreLook {
  /** Null for a dry run. */
  run: string | null;
}

/** A complete snapshot and its list; anything else is refused here. */
async function openSnapshot(
  store: SnapshotStore,
  name: string,
): Promise<{ manifest: Manifest; files: SnapshotFile[] }> {
  const { manifest, isComplete, problem } = await store.find(name);
  if (problem !== null) throw problem;
  if (manifest !== null && isComplete) return { manifest, files: await store.readFiles(manifest) };
  throw new ForgeError(`The snapshot ${name} is unfinished.`, {
    code: 'SNAPSHOT_UNFINISHED',
    exit: EXIT.conflict,
    hint: `Finish it: forgectl snapshot create ${manifest?.source.instanceId ?? 'INSTANCE'} --name ${name}\nOr remove it: forgectl snapshot rm ${name}`,
  });
}

export async function restoreSnapshotTo(
  context: ForgeContext,
  instance: Instance,
  wishes: RestoreWishes,
): Promise<RestoreAnswer> {
  const folder = typedFolder(context, wishes.folder);
  // What is wrong with a snapshot here is said before anybody is asked in.
  if (folder.instance === null) await readHere(context, folder, wishes.name);
  const ends = await openSnapshotEnds(context, folder, instance);
  const session = await openSession(context, instance);
  try {
    const { manifest, files } = await openSnapshot(ends.store, wishes.name);
    const filesWork = await filesWorkOf(
      context,
      { ends, session, manifest, files, events: wishes.events },
      wishes.readAll,
    );
    const look = await lookAt(session, { ends, manifest, filesWork, wishes });
    if (wishes.dryRun) return { ...look, run: null };
    await confirm(context, look, wishes.yes);
    const title = `restore of ${manifest.name} onto ${instance.label ?? instance.id}`;
    const run = await context.journal.begin({ kind: 'restore', title, plan: look.plan });
    await wishes.onBegun?.();
    await restoreSnapshot(await workOn(context, { run, manifest, store: ends.store, filesWork }));
    return { ...look, run: run.id };
  } finally {
    session.close();
    ends.close();
  }
}

async function readHere(context: ForgeContext, folder: TypedPlace, name: string): Promise<void> {
  const { store, close } = await openSnapshotEnds(context, folder, null);
  await openSnapshot(store, name).finally(close);
}

async function lookAt(
  session: MachineSession,
  {
    ends,
    manifest,
    filesWork,
    wishes,
  }: { ends: SnapshotEnds; manifest: Manifest; filesWork: FilesWork; wishes: RestoreWishes },
): Promise<RestoreLook> {
  const { forge, isProvisioning } = await readCheckouts(session);
  if (isProvisioning) throw provisioning(session.id);
  const plan: RestorePlan = {
    instanceId: session.id,
    label: session.instance.label,
    place: ends.place,
    name: manifest.name,
    packages: wishes.packages ? await packagesOf(session, manifest) : null,
    readAll: wishes.readAll,
    verify: wishes.verify,
    forgeAnswered: await forgeAnswers(session),
  };
  return {
    plan,
    manifest,
    changes: await lookAtRestore(filesWork),
    head: forge?.head ?? null,
    image: session.instance.imageUuid,
    usdPerGb: session.instance.inetDownCostPerGb,
  };
}

/** Only what differs; null when nothing does, or nothing was written down. */
async function packagesOf(session: MachineSession, { venv, name }: Manifest): Promise<PackagesPlan | null> {
  if (venv === null) return null;
  const wanted = parseFreeze(venv.freeze.join('\n'));
  const { install, impossible, extra } = planRestore(wanted, (await freezeNow(session)).packages);
  return {
    instanceId: session.id,
    label: session.instance.label,
    ...(await readTools(session)),
    action: 'restore',
    from: `snapshot ${name}`,
    install: install.map(({ line }) => line),
    remove: [],
    impossible,
    extra: extra.map(({ line }) => line),
  };
}

async function confirm(context: ForgeContext, look: RestoreLook, yes: boolean): Promise<void> {
  const { prompts, terminal, reporter } = context;
  reporter.info(restoreLines({ ...look, run: null }).join('\n'));
  reporter.event('plan', restoreDocument({ ...look, run: null }));
  if (yes) return;
  await agreeTo({ prompts, terminal }, 'Restore it?');
}

interface Restoring {
  ends: SnapshotEnds;
  session: MachineSession;
  manifest: Manifest;
  files: readonly SnapshotFile[];
  events: boolean;
}

async function filesWorkOf(
  context: ForgeContext,
  { ends, session, manifest, files, events }: Restoring,
  readAll: boolean,
): Promise<FilesWork> {
  const { store, machine, workspace, signal, stop } = ends;
  if (machine === null) throw new Error('a restore is onto a machine');
  const source = new SnapshotSide(store, { name: manifest.name, files, objects: await store.listObjects() });
  const reporter = await context.stageReporter();
  const teller = createProgressTeller(reporter, { events, title: 'Copying' });
  const bytes = manifest.totals.bytes;
  const transfer = {
    ends: { ...ends, source, destination: machine.side, onOneSide: false, trafficUsdPerGb: null },
    bytes,
    bwlimit: null,
    parallel: null,
    resume: true,
    stateDir: context.paths.stateDir,
    signal,
    stop,
  };
  const working = transferContext(transfer, reporter, teller);
  return {
    session,
    context: working,
    files,
    workspace,
    isLeftOut: readExcludes(manifest.excluded),
    readAll,
    onCopied: (isWhole) => (isWhole ? teller.done() : teller.failed()),
  };
}

async function workOn(
  context: ForgeContext,
  { run, manifest, store, filesWork }: { run: Run; manifest: Manifest; store: SnapshotStore; filesWork: FilesWork },
): Promise<RestoreWork> {
  return {
    ...filesWork,
    run,
    plan: run.record.plan as RestorePlan,
    manifest,
    store,
    reporter: await context.stageReporter(),
    clock: context.clock,
    wallClock: systemClock,
    who: hostname(),
    beginCleanUp: () => context.interruption.beginCleanUp(),
  };
}

export async function resumeRestore(context: ForgeContext, run: Run): Promise<RestorePlan> {
  await withRestoreRun(context, run, restoreSnapshot);
  return run.record.plan as RestorePlan;
}

export async function undoRestoreRun(context: ForgeContext, run: Run): Promise<RestorePlan> {
  await withRestoreRun(context, run, (work) => undoRestore(work, 'asked for'));
  return run.record.plan as RestorePlan;
}

async function withRestoreRun(
  context: ForgeContext,
  run: Run,
  act: (work: RestoreWork) => Promise<void>,
): Promise<void> {
  const { place, name, readAll } = run.record.plan as RestorePlan;
  await withRunSession(context, run, async (session) => {
    const ends = await openSnapshotEnds(context, place, session.instance);
    try {
      const { store } = ends;
      const { manifest, files } = await openSnapshot(store, name);
      const filesWork = await filesWorkOf(context, { ends, session, manifest, files, events: false }, readAll);
      await act(await workOn(context, { run, manifest, store, filesWork }));
    } finally {
      ends.close();
    }
  });
}

function provisioning(id: number): ForgeError {
  return new ForgeError(`Instance ${id} is being provisioned: its script would write over what is restored.`, {
    code: 'PROVISIONING',
    exit: EXIT.notReady,
    hint: `forgectl wait ${id} --for provisioning`,
    details: { instance_id: id },
  });
}
