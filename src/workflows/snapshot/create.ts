import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { type BytePath, toText } from '../../instance/files/byte-path.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';
import type { MachineLock } from '../../instance/machine-lock.js';
import type { Reporter } from '../../ui/reporter.js';
import type { Exclude } from '../copy/excludes.js';
import type { TransferContext } from '../copy/transfer.js';
import { byPath, keptEntries } from '../copy/trees.js';
import type { Run } from '../journal.js';
import { releaseMachine, takeMachine, takeMachineFor } from '../machine-lock.js';
import type { MachineSession } from '../machine-session.js';
import { runSteps, type Step, undoSteps } from '../run-workflow.js';
import { launchRecord, readCheckouts, readVenv } from './facts.js';
import { startForge, stopForge } from './forge-service.js';
import { Gathering } from './gather.js';
import { type Manifest, SNAPSHOT_VERSION, type SnapshotFile } from './manifest.js';
import type { KnownContents } from './plan-create.js';
import type { SnapshotStore } from './store.js';

/** Plain data for the journal. */
export interface CreatePlan {
  instanceId: number;
  label: string | null;
  /** The folder: here, or on an instance. */
  place: { instanceId: number | null; path: string };
  name: string;
  excluded: string[];
  /** Forge is stopped while files are read, and started again. */
  stopForge: boolean;
  /** Every file is read, whatever its size and time say. */
  readAll: boolean;
}

export interface CreateWork {
  session: MachineSession;
  run: Run;
  plan: CreatePlan;
  context: TransferContext;
  store: SnapshotStore;
  workspace: BytePath;
  exclude: Exclude;
  reporter: Reporter;
  clock: Clock;
  who: string;
  version: string;
  onRead: (bytes: number, totalBytes: number) => void;
  onCopied: (isWhole: boolean) => void;
  knownContents(): Promise<KnownContents>;
  beginCleanUp(): void;
}

/** What is below the workspace, without what is left out. */
export async function listWorkspace(
  { source }: Pick<TransferContext, 'source'>,
  workspace: BytePath,
  exclude: Exclude,
): Promise<{ entries: TreeEntry[]; complaints: string[] }> {
  const { entries, complaints } = await source.list([workspace], { deep: true });
  const found = entries.get(workspace) ?? [];
  if (found.length > 0) return { entries: keptEntries(found.sort(byPath), exclude), complaints };
  throw new ForgeError(`There is no workspace on ${source.name}.`, {
    code: 'NO_WORKSPACE',
    exit: EXIT.notReady,
    hint: 'Has it booted? forgectl wait INSTANCE --for boot',
  });
}

/** Reads the machine, changes nothing on it but for the stop that was asked for. What fails leaves an unfinished snapshot to go on with. */
export async function createSnapshot(work: CreateWork): Promise<Manifest> {
  const { run, session, plan } = work;
  const lock = lockOf(work);
  await takeMachineFor(run, session, { lock, breaks: false });
  const made: { manifest: Manifest | null } = { manifest: null };
  try {
    await runSteps(run, createSteps(work, made));
  } catch (error) {
    if (isInterruption(error)) work.beginCleanUp();
    await letGo(work, error);
    throw error;
  }
  await releaseMachine(session, lock);
  await run.end('done', `snapshot ${plan.name}`);
  return made.manifest ?? ((await work.store.find(plan.name)).manifest as Manifest);
}

/** Forge runs again, and what is half made goes. */
export async function undoCreate(work: CreateWork): Promise<void> {
  const { run, session, store, plan } = work;
  await takeMachine(session, lockOf(work), false);
  await undoSteps(run, createSteps(work, { manifest: null }));
  const mine = (await store.list()).find(({ name }) => name === plan.name);
  if (mine !== undefined && !mine.isComplete) await store.remove(plan.name);
  await releaseMachine(session, lockOf(work));
  await run.end('undone', 'asked for');
}

async function letGo(work: CreateWork, error: unknown): Promise<void> {
  const { run, session, plan } = work;
  try {
    if (plan.stopForge) await undoSteps(run, createSteps(work, { manifest: null }));
    await releaseMachine(session, lockOf(work));
    await run.end('failed', `${messageOf(error)} The same line goes on.`);
  } catch (failure) {
    await run.leave(`Forge was not started again: ${messageOf(failure)}`);
    work.reporter.warn(`Forge may still be stopped: ${messageOf(failure)} Try again: forgectl undo ${run.id}`);
  }
}

function createSteps(work: CreateWork, made: { manifest: Manifest | null }): Step[] {
  const gather: Step = {
    id: 'gather',
    run: async () => {
      made.manifest = await gatherAll(work);
    },
  };
  if (!work.plan.stopForge) return [gather];
  return [
    { id: 'stop', run: () => stopForge(work), undo: () => startForge(work) },
    gather,
    { id: 'start', run: () => startForge(work) },
  ];
}

/** Everything that is not a file's content. */
async function look({ session, reporter, context, workspace, exclude }: CreateWork) {
  const stage = reporter.stage('facts', 'Looking at Forge, extensions and packages');
  try {
    const before = await readCheckouts(session);
    const venv = await readVenv(session);
    const listed = await listWorkspace(context, workspace, exclude);
    stage.done();
    return { before, venv, listed };
  } catch (error) {
    stage.failed();
    throw error;
  }
}

async function gatherAll(work: CreateWork): Promise<Manifest> {
  const { session, store, reporter, workspace, context } = work;
  const { before, venv, listed } = await look(work);
  await store.prepare();
  const begun = beginManifest(work, { ...before, venv });
  const known = await work.knownContents();
  const reading = reporter.stage('reading', 'Reading what has changed');
  let isReading = true;
  const gathering = new Gathering({
    context,
    store,
    workspace,
    entries: listed.entries,
    known,
    onRead: (bytes, total) => {
      reading.detail(total === 0 ? '' : `${Math.floor((bytes / total) * 100)}%`);
      work.onRead(bytes, total);
    },
    onCopied: (isWhole) => {
      if (isReading) reading.failed();
      work.onCopied(isWhole);
    },
    onHashed: async (files) => {
      reading.done();
      isReading = false;
      await store.write(begun, files);
    },
  });
  const { files, unsettled, problems, newBytes } = await gathering.run();
  const after = await readCheckouts(session);
  if (after.forge?.head !== before.forge?.head || after.forge?.editsSha256 !== before.forge?.editsSha256)
    throw moved(session);
  const manifest: Manifest = {
    ...begun,
    finishedAt: new Date(work.clock.now()).toISOString(),
    totals: totalsOf(files, newBytes),
    unsettled: unsettled.map(toText),
    problems: [
      ...listed.complaints.map((path) => ({ path, kind: 'unreadable' })),
      ...problems.map(({ path, kind }) => ({ path: toText(path), kind })),
    ],
  };
  return store.write(manifest, files);
}

function beginManifest(
  { session, plan, clock, version, workspace, context }: CreateWork,
  { forge, extensions, venv }: Pick<Manifest, 'forge' | 'extensions' | 'venv'>,
): Manifest {
  const { instance } = session;
  return {
    version: SNAPSHOT_VERSION,
    name: plan.name,
    startedAt: new Date(clock.now()).toISOString(),
    finishedAt: null,
    forgectl: version,
    source: {
      instanceId: session.id,
      label: instance.label,
      gpuName: instance.gpuName,
      numGpus: instance.numGpus,
      workspace: context.source.show(workspace),
    },
    launch: launchRecord(instance),
    forge,
    extensions,
    venv,
    excluded: plan.excluded,
    totals: { files: 0, directories: 0, links: 0, bytes: 0, newBytes: 0 },
    unsettled: [],
    problems: [],
    filesSha256: null,
  };
}

function totalsOf(files: readonly SnapshotFile[], newBytes: number): Manifest['totals'] {
  const count = (type: SnapshotFile['type']): number => files.filter((file) => file.type === type).length;
  const bytes = files.reduce((sum, { size, sameAs }) => sum + (sameAs === null ? size : 0), 0);
  return { files: count('file'), directories: count('directory'), links: count('link'), bytes, newBytes };
}

function moved({ id }: MachineSession): ForgeError {
  return new ForgeError('The checkout was changed while the snapshot was made: its files would not fit its commit.', {
    code: 'CHECKOUT_MOVED',
    exit: EXIT.conflict,
    hint: 'The same line again goes on with what has arrived.',
    details: { instance_id: id },
  });
}

function lockOf({ run, plan, who }: CreateWork): MachineLock {
  return { run: run.id, why: `snapshot ${plan.name}`, who, since: run.record.startedAt };
}

function isInterruption(error: unknown): boolean {
  return error instanceof ForgeError && (error.exit === EXIT.interrupted || error.exit === EXIT.terminated);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
