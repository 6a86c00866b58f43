import { EXIT, ForgeError } from '../../errors.js';
import { type BytePath, HERE } from '../../instance/files/byte-path.js';
import { changeScript, keepChangesScript } from '../../instance/files/set-aside.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';
import { parseTrackedFiles, trackedFilesScript } from '../../instance/snapshot-facts.js';
import { isSameTime } from '../copy/compare.js';
import { type CopyPlan, runCopy, surveyDestination } from '../copy/copy.js';
import type { Exclude } from '../copy/excludes.js';
import { LARGE_BYTES, planTree, type TreePlan } from '../copy/plan.js';
import { stagingName } from '../copy/staging.js';
import type { TransferContext } from '../copy/transfer.js';
import { byPath } from '../copy/trees.js';
import type { Verify } from '../copy/verify.js';
import type { MachineSession, ScriptResult } from '../machine-session.js';
import { toEntries } from './file-list.js';
import type { SnapshotFile } from './manifest.js';
import { planRestore, type RestoreChanges } from './plan-restore.js';
import { SNAPSHOT_BASE } from './snapshot-side.js';

export interface FilesWork {
  session: MachineSession;
  /** From the snapshot to the machine. */
  context: TransferContext;
  files: readonly SnapshotFile[];
  workspace: BytePath;
  isLeftOut: Exclude;
  /** Contents are compared where size and time are the same. */
  readAll: boolean;
  /** The line that tells of the copying ends here. */
  onCopied: (isWhole: boolean) => void;
}

const LIMIT_MS = 15 * 60_000;

/** Looks at both; changes nothing. */
export async function lookAtRestore(work: FilesWork): Promise<RestoreChanges> {
  const { session, files, workspace, context, isLeftOut } = work;
  const { entries } = await context.destination.list([workspace], { deep: true });
  const there = (entries.get(workspace) ?? []).sort(byPath);
  const tracked = parseTrackedFiles((await session.run(trackedFilesScript(), LIMIT_MS)).output);
  const wanted = toEntries(files);
  const compared = await compareContents(work, there);
  return planRestore({ wanted, there, tracked, compared, isLeftOut });
}

/** What has the same size and another time is often the same: a new machine of the same image has most of it. */
async function compareContents(
  { files, workspace, context, readAll }: FilesWork,
  there: readonly TreeEntry[],
): Promise<Map<BytePath, 'equal' | 'differing'>> {
  const wanted = new Map(files.map((file) => [file.path, file]));
  const alike = there.filter(({ path, type, size, mtimeNs }) => {
    const file = wanted.get(path);
    if (type !== 'file' || file?.type !== 'file' || file.size !== size) return false;
    return readAll || !isSameTime(file.mtimeNs, mtimeNs);
  });
  const hashes = await context.destination.hashFiles(workspace, alike, () => {});
  return new Map(
    alike.map(({ path }, index) => [path, hashes[index] === wanted.get(path)?.sha256 ? 'equal' : 'differing']),
  );
}

/** On the machine, before the first change: all that the way back needs. */
export async function writeDownChanges(work: FilesWork, run: string): Promise<void> {
  const { session, context } = work;
  const changes = await lookAtRestore(work);
  const staging = stagingName(context, await treePlanOf(work));
  const result = await session.run(keepChangesScript(run, { ...changes, staging }), LIMIT_MS);
  expectDone(result, 'What is there could not be written down');
}

export async function moveAside({ session }: FilesWork, run: string): Promise<void> {
  expectDone(await session.run(changeScript('aside', run), LIMIT_MS), 'What is there could not be moved aside');
}

export async function moveBack({ session }: FilesWork, run: string): Promise<void> {
  expectDone(await session.run(changeScript('back', run), LIMIT_MS), 'What was there could not be moved back');
}

export async function dropAside({ session }: FilesWork, run: string): Promise<void> {
  expectDone(await session.run(changeScript('drop', run), LIMIT_MS), 'What was moved aside could not be removed');
}

/** Brings what is missing and compares all of it. Harmless twice. */
export async function bringFiles(work: FilesWork, verify: Verify): Promise<void> {
  const { context } = work;
  const tree = await treePlanOf(work);
  const { small, large, hardLinks, directories, links, skipped, bytes, replaced } = tree;
  const plan: CopyPlan = {
    show: (path) => context.destination.show(path),
    trees: [tree],
    newDirectory: null,
    complaints: [],
    totals: {
      files: small.length + large.length + hardLinks.length,
      directories: directories.length,
      links: links.length,
      bytes,
      skipped: skipped.length,
      replaced,
    },
  };
  const copyAll = async (): ReturnType<typeof runCopy> =>
    runCopy(context, { plan, survey: await surveyDestination(context, plan), verify });
  const { problems, mismatches } = await copyAll().catch((error: unknown) => {
    work.onCopied(false);
    throw error;
  });
  work.onCopied(problems.length + mismatches.length === 0);
  const wrong = [
    ...problems.map(({ path, problem }) => `${plan.show(path)}: ${problem.kind}`),
    ...mismatches.map(({ path, what }) => `${plan.show(path)}: ${what} differs`),
  ];
  if (wrong.length === 0) return;
  throw new ForgeError(`${wrong.length} paths are not as in the snapshot: ${wrong.slice(0, 3).join(', ')}.`, {
    code: 'RESTORE_DIFFERS',
    exit: EXIT.partlyFailed,
    hint: mismatches.some(({ what }) => what === 'content')
      ? 'Files of the same size and time hold something else there: --checksum compares contents first.'
      : null,
    details: { differences: wrong.slice(0, 100) },
  });
}

async function treePlanOf({ context, files, workspace }: FilesWork): Promise<TreePlan> {
  const { entries } = await context.destination.list([workspace], { deep: true });
  const pairs = toEntries(files).map((source) => ({ source, destination: source.path }));
  return planTree(
    {
      sourceBase: SNAPSHOT_BASE,
      destinationBase: workspace,
      pairs,
      existing: new Map((entries.get(workspace) ?? []).map((entry) => [entry.path || HERE, entry])),
      leavesBase: true,
    },
    { noClobber: false, update: false, skipSame: true, links: 'all', largeBytes: LARGE_BYTES },
  );
}

function expectDone({ exitCode, stderr }: ScriptResult, message: string): void {
  if (exitCode === 0) return;
  const why = stderr
    .trim()
    .split('\n')
    .at(-1)
    ?.replaceAll(/\p{Cc}+/gu, ' ')
    .slice(0, 300);
  throw new ForgeError(`${message}.`, {
    code: /no space left|disk quota/iu.test(stderr) ? 'DISK_FULL' : 'REMOTE_STEP_FAILED',
    exit: EXIT.notReady,
    hint: why || null,
    details: { exit_code: exitCode },
  });
}
