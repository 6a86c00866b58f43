import { hostname } from 'node:os';
import { systemClock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import type { BytePath } from '../instance/files/byte-path.js';
import type { Instance } from '../vast/model.js';
import { type Exclude, readExcludes } from '../workflows/copy/excludes.js';
import type { Run } from '../workflows/journal.js';
import type { MachineSession } from '../workflows/machine-session.js';
import {
  type CreatePlan,
  type CreateWork,
  createSnapshot,
  listWorkspace,
  undoCreate,
} from '../workflows/snapshot/create.js';
import { leftOut } from '../workflows/snapshot/leave-out.js';
import type { Manifest } from '../workflows/snapshot/manifest.js';
import { isSnapshotName } from '../workflows/snapshot/manifest-json.js';
import { type CreateEstimate, estimateCreate, KnownContents, unfinishedOf } from '../workflows/snapshot/plan-create.js';
import type { StoredSnapshot } from '../workflows/snapshot/store.js';
import { agreeTo } from './agree-to.js';
import type { ForgeContext } from './context.js';
import { createProgressTeller } from './copy-progress.js';
import { transferContext } from './copy-transfer.js';
import { lockFolder, openSnapshotEnds, type SnapshotEnds, typedFolder } from './snapshot-ends.js';
import { estimateDocument, estimateLines } from './snapshot-output.js';
import { openSession, withRunSession } from './upgrade-access.js';

export interface CreateWishes {
  folder: string | null;
  name: string | null;
  exclude: readonly string[];
  models: boolean;
  env: boolean;
  readAll: boolean;
  stopForge: boolean;
  dryRun: boolean;
  yes: boolean;
  events: boolean;
}

export interface CreateAnswer {
  estimate: CreateEstimate;
  plan: CreatePlan;
  /** Null for a dry run. */
  manifest: Manifest | null;
  run: string | null;
  usdPerGb: number | null;
  freeBytes: number;
  place: string;
}

/** From the words on the line to a snapshot in its folder. */
export async function createSnapshotOf(
  context: ForgeContext,
  instance: Instance,
  wishes: CreateWishes,
): Promise<CreateAnswer> {
  const ends = await openSnapshotEnds(context, typedFolder(context, wishes.folder), instance);
  const session = await openSession(context, instance);
  try {
    const lock = wishes.dryRun ? null : lockFolder(context, ends, 'snapshot create');
    try {
      return await plannedSnapshot(context, { ends, session, wishes });
    } finally {
      lock?.release();
    }
  } finally {
    session.close();
    ends.close();
  }
}

interface Creating {
  ends: SnapshotEnds;
  session: MachineSession;
  wishes: CreateWishes;
}

async function plannedSnapshot(context: ForgeContext, creating: Creating): Promise<CreateAnswer> {
  const { ends, session, wishes } = creating;
  const { store, machine, workspace } = ends;
  const stored = await store.list();
  const plan = planOf(context, creating, stored);
  const exclude = excludeOf(ends, plan.excluded);
  if (machine === null) throw new Error('a snapshot is of a machine');
  const { entries, complaints } = await listWorkspace({ source: machine.side }, workspace, exclude);
  for (const complaint of complaints.slice(0, 10)) context.reporter.warn(`Not read: ${complaint}`);
  const known = await knownContents(ends, stored, plan);
  const estimate = estimateCreate(entries, known);
  const answer = {
    estimate,
    plan,
    usdPerGb: session.instance.inetUpCostPerGb,
    freeBytes: await freeBytes(ends),
    place: store.place,
  };
  if (wishes.dryRun) return { ...answer, manifest: null, run: null };
  context.reporter.info(estimateLines({ ...answer, manifest: null, run: null }).join('\n'));
  context.reporter.event('plan', estimateDocument({ ...answer, manifest: null, run: null }));
  await confirm(context, wishes);
  const run = await runFor(context, plan);
  const manifest = await makeSnapshot(context, {
    ends,
    session,
    run,
    events: wishes.events,
    bytes: estimate.mostNewBytes,
  });
  return { ...answer, manifest, run: run.id };
}

/** The same line again goes on with what it has left. */
function planOf(
  context: ForgeContext,
  { ends, session, wishes }: Creating,
  stored: readonly StoredSnapshot[],
): CreatePlan {
  const unfinished = wishes.name === null ? unfinishedOf(stored, session.id) : null;
  const name = wishes.name ?? unfinished?.name ?? newName(context, session.instance);
  if (!isSnapshotName(name)) {
    throw new ForgeError(`"${name}" is no name for a snapshot.`, {
      code: 'USAGE',
      exit: EXIT.usage,
      hint: 'Letters, digits, dots, dashes and underscores, at most 100.',
    });
  }
  const same = stored.find((one) => one.name.toLowerCase() === name.toLowerCase());
  if (same?.problem) throw same.problem;
  if (same !== undefined && (same.isComplete || same.manifest?.source.instanceId !== session.id)) {
    throw new ForgeError(`There is a snapshot "${same.name}" already in ${ends.store.place}.`, {
      code: 'SNAPSHOT_EXISTS',
      exit: EXIT.conflict,
      hint: 'Choose another --name, or leave it out.',
    });
  }
  if (same !== undefined) context.reporter.info(`Going on with the unfinished snapshot ${same.name}.`);
  return {
    instanceId: session.id,
    label: session.instance.label,
    place: ends.place,
    name: same?.name ?? name,
    excluded: leftOut(wishes),
    stopForge: wishes.stopForge,
    readAll: wishes.readAll,
  };
}

function newName(context: ForgeContext, { id, label }: Instance): string {
  const time = new Date(context.clock.now()).toISOString().slice(0, 19).replaceAll(/[-:]/gu, '').replace('T', '-');
  const word = (label ?? '')
    .replaceAll(/[^A-Za-z0-9._-]+/gu, '-')
    .replace(/^[^A-Za-z0-9]+/u, '')
    .slice(0, 60);
  return `${word === '' ? id : word}-${time}`;
}

/** A folder of snapshots that lies in the workspace itself is no part of it. */
function excludeOf({ store, machine, workspace }: SnapshotEnds, patterns: readonly string[]): Exclude {
  const exclude = readExcludes(patterns);
  const isOwn = store.side === machine?.side && store.directory.startsWith(`${workspace}/`);
  if (!isOwn) return exclude;
  const own = store.directory.slice(workspace.length + 1) as BytePath;
  return (path, isDirectory) => path === own || exclude(path, isDirectory);
}

/** Earlier snapshots of the same machine say what need not be read again. */
async function knownContents(
  { store }: SnapshotEnds,
  stored: readonly StoredSnapshot[],
  { instanceId, readAll }: CreatePlan,
): Promise<KnownContents> {
  const known = new KnownContents();
  if (readAll) return known;
  const objects = new Set((await store.listObjects()).keys());
  for (const { manifest, isComplete } of stored) {
    if (manifest?.source.instanceId !== instanceId) continue;
    // What an unfinished one has hashed is known, whether or not it has arrived.
    const files = await store.readFiles(manifest).catch(() => []);
    known.add(files, isComplete ? objects : null);
  }
  return known;
}

async function freeBytes({ store }: SnapshotEnds): Promise<number> {
  let directory = store.directory;
  for (;;) {
    const { entries } = await store.side.list([directory], { deep: false });
    if (entries.has(directory)) return (await store.side.space(directory)).freeBytes;
    directory = (directory.slice(0, Math.max(1, directory.lastIndexOf('/'))) || '/') as BytePath;
  }
}

/** Only a stop is worth a question: nothing else is changed. */
async function confirm({ prompts, terminal }: ForgeContext, { stopForge, yes }: CreateWishes): Promise<void> {
  if (!stopForge || yes) return;
  await agreeTo({ prompts, terminal }, 'Stop Forge while its files are read?');
}

/** One that was killed goes on under its own name in the journal, and with its own lock on the machine. */
async function runFor({ journal }: ForgeContext, plan: CreatePlan): Promise<Run> {
  const key = ({ instanceId, place, name }: CreatePlan): string => JSON.stringify([instanceId, place, name]);
  const cut = journal
    .cutOff()
    .find(({ kind, plan: old }) => kind === 'snapshot' && key(old as CreatePlan) === key(plan));
  if (cut !== undefined) return journal.reopen(cut.id);
  const title = `snapshot ${plan.name} of ${plan.label ?? plan.instanceId}`;
  return journal.begin({ kind: 'snapshot', title, plan });
}

interface Making {
  ends: SnapshotEnds;
  session: MachineSession;
  run: Run;
  events: boolean;
  bytes: number;
}

async function makeSnapshot(context: ForgeContext, making: Making): Promise<Manifest> {
  const { ends, run } = making;
  const work = await workOn(context, making);
  try {
    return await createSnapshot(work);
  } catch (error) {
    if (run.record.state === 'open') await run.leave(error instanceof Error ? error.message : String(error));
    const isStopped =
      error instanceof ForgeError && (error.exit === EXIT.interrupted || error.exit === EXIT.terminated);
    if (!isStopped) throw error;
    const { message, code, exit } = error;
    throw new ForgeError(`${message} What has arrived stays in ${ends.store.place}.`, {
      code,
      exit,
      hint: 'The same line again goes on where this one stopped.',
    });
  }
}

async function workOn(context: ForgeContext, { ends, session, run, events, bytes }: Making): Promise<CreateWork> {
  const { store, machine, signal, stop } = ends;
  const plan = run.record.plan as CreatePlan;
  const reporter = await context.stageReporter(systemClock);
  const teller = createProgressTeller(reporter, { events, title: 'Copying what is new' });
  if (machine === null) throw new Error('a snapshot is of a machine');
  const transfer = {
    ends: { ...ends, source: machine.side, destination: store.side, onOneSide: false, trafficUsdPerGb: null },
    bytes,
    bwlimit: null,
    parallel: null,
    resume: true,
    stateDir: context.paths.stateDir,
    signal,
    stop,
  };
  return {
    session,
    run,
    plan,
    context: { ...transferContext(transfer, reporter, teller), keepOwner: false },
    store,
    workspace: ends.workspace,
    exclude: excludeOf(ends, plan.excluded),
    reporter,
    clock: context.clock,
    who: hostname(),
    version: context.version,
    onCopied: (isWhole) => (isWhole ? teller.done() : teller.failed()),
    onRead: (read, total) => reporter.event('reading', { bytes: read, total_bytes: total }),
    knownContents: async () => knownContents(ends, await store.list(), plan),
    beginCleanUp: () => context.interruption.beginCleanUp(),
  };
}

export async function resumeCreate(context: ForgeContext, run: Run): Promise<Manifest> {
  return withCreateRun(context, run, (making) => makeSnapshot(context, making));
}

export async function undoCreateRun(context: ForgeContext, run: Run): Promise<string> {
  await withCreateRun(context, run, async (making) => undoCreate(await workOn(context, making)));
  return (run.record.plan as CreatePlan).name;
}

async function withCreateRun<T>(context: ForgeContext, run: Run, act: (making: Making) => Promise<T>): Promise<T> {
  return withRunSession(context, run, async (session) => {
    const ends = await openSnapshotEnds(context, (run.record.plan as CreatePlan).place, session.instance);
    try {
      const lock = lockFolder(context, ends, run.record.title);
      try {
        return await act({ ends, session, run, events: false, bytes: 0 });
      } finally {
        lock.release();
      }
    } finally {
      ends.close();
    }
  });
}
