import { EXIT, ForgeError } from '../../errors.js';
import { type BytePath, fromText, HERE, joinPath, parentOf } from '../../instance/files/byte-path.js';
import { type Operation, PART_PREFIX } from '../../instance/files/operations.js';
import { asideName, keepOthersScript, makeAsideScript } from '../../instance/migration/aside.js';
import type { Mismatch } from '../copy/compare.js';
import { type CopyPlan, planCopy } from '../copy/copy.js';
import { type Wishes as CopyWishes, LARGE_BYTES, type Tree, type TreePlan } from '../copy/plan.js';
import { verifyTree } from '../copy/verify.js';
import { describeSource } from './end-source.js';
import { readChoice } from './left-out.js';
import { differ, notBrought, notListed } from './pass-failures.js';
import type { Carried } from './transport.js';
import { expectDone, factsOf, type MigrateWork, type OpenPass } from './work.js';

/** A source that is at rest is whole after the first; another one gets a few more. */
const MOST_ROUNDS = 5;

type Problems = Carried['problems'];

/** While Forge runs: whatever changes meanwhile comes with the last pass. */
export async function firstPass(work: MigrateWork): Promise<void> {
  expectDone(await work.destination.run(makeAsideScript(work.run.id)), 'Nothing can be written on the destination');
  await inPass(work, 'Copying while Forge runs', async (pass) => {
    await carry(work, pass, await planRound(work, pass));
  });
}

/** What is missing now, and what only the destination has; then the comparison, on what was listed last. */
export async function lastPass(work: MigrateWork): Promise<void> {
  const { run, destination } = work;
  expectDone(await destination.run(makeAsideScript(run.id)), 'Nothing can be written on the destination');
  let hadContentMismatch = false;
  for (let round = 1; ; round += 1) {
    const { problems, mismatches } = await lastRound(work, round === 1);
    if (problems.length > 0 && round >= MOST_ROUNDS) throw notBrought(problems);
    if (problems.length > 0 || mismatches === null) continue;
    if (mismatches.length === 0) return;
    const contents = mismatches.filter(({ what }) => what === 'content');
    if (round >= MOST_ROUNDS || contents.length < mismatches.length || hadContentMismatch) throw differ(mismatches);
    hadContentMismatch = true;
    await removeCopies(work, contents);
  }
}

const KEEP_LIMIT_MS = 15 * 60_000;

interface Round {
  problems: Problems;
  /** Null when it was not compared yet: something came, and meanwhile something else may have changed. */
  mismatches: Mismatch[] | null;
}

function lastRound(work: MigrateWork, isFirst: boolean): Promise<Round> {
  const { run, destination, plan: wished } = work;
  return inPass(work, 'Copying what has changed, and comparing', async (pass) => {
    // Before the lists that are compared: what is written later is then noticed.
    if (wished.wishes.afterwards === 'destroy') await run.setFacts({ sourceState: await describeSource(work, pass) });
    const plan = await planRound(work, pass);
    if (!plan.trees.every(isBrought)) {
      const problems = realProblems((await carry(work, pass, plan)).problems);
      if (problems.length > 0 || isFirst) return { problems, mismatches: null };
    }
    expectDone(await destination.run(keepOthersScript(run.id), KEEP_LIMIT_MS), 'What is there could not be kept');
    // Of directories, which have been touched since.
    const attributes = { ...plan, trees: plan.trees.map(withoutContents), totals: NOTHING };
    const carried = await carry(work, pass, attributes);
    const problems = realProblems(carried.problems);
    return { problems, mismatches: problems.length > 0 ? null : await compare(work, pass, plan) };
  });
}

async function compare({ plan: { wishes }, run }: MigrateWork, pass: OpenPass, plan: CopyPlan): Promise<Mismatch[]> {
  const failed = new Set(plan.trees.flatMap(({ problems }) => problems.map(({ path }) => path)));
  const context = pass.context(plan.totals.bytes);
  const mismatches: Mismatch[] = [];
  for (const tree of plan.trees)
    mismatches.push(...(await verifyTree(context, { plan: tree, failed, verify: wishes.verify })));
  await run.setFacts({ files: plan.trees.reduce((sum, { tree }) => sum + tree.pairs.length, 0) });
  return mismatches;
}

function isBrought({ small, large, links, hardLinks }: TreePlan): boolean {
  return small.length + large.length + links.length + hardLinks.length === 0;
}

const NOTHING: CopyPlan['totals'] = { files: 0, directories: 0, links: 0, bytes: 0, skipped: 0, replaced: 0 };

function withoutContents(plan: TreePlan): TreePlan {
  return { ...plan, small: [], large: [], links: [], hardLinks: [], bytes: 0 };
}

/** What is neither file, directory nor link has no copy, by rule. */
function realProblems(problems: Problems): Problems {
  return problems.filter(({ problem }) => problem.kind !== 'special');
}

async function inPass<T>(work: MigrateWork, title: string, act: (pass: OpenPass) => Promise<T>): Promise<T> {
  const pass = await work.openPass(title);
  let isDone = false;
  try {
    const result = await act(pass);
    isDone = true;
    return result;
  } finally {
    pass.end(isDone);
    pass.close();
  }
}

/** What is missing now. What the source does not have any more goes from the copy, too. */
async function planRound(work: MigrateWork, pass: OpenPass): Promise<CopyPlan> {
  const { plan, run } = work;
  const { include, exclude } = plan.wishes;
  const destination = joinPath(fromText(plan.destination.workspace), fromText(`${asideName(run.id)}/new`));
  const request = {
    sources: [joinPath(fromText(plan.source.workspace), fromText('.'))],
    destination,
    onOneSide: false,
    exclude: readChoice({ destinationId: plan.destination.id, include, exclude }),
    followLinks: false,
    mayNameLinks: true,
  };
  const wishes: CopyWishes = { noClobber: false, update: false, skipSame: true, links: 'all', largeBytes: LARGE_BYTES };
  const planned = await planCopy(pass, request, wishes);
  if (planned.complaints.length > 0) throw notListed(planned.complaints);
  const extras = planned.trees.flatMap(({ tree }) => findExtras(tree));
  if (extras.length === 0) return planned;
  const failed = await pass.destination.apply(
    destination,
    extras.map((path): Operation => ({ do: 'remove', path })),
  );
  if (failed[0] !== undefined)
    throw new ForgeError(`The copy cannot be tidied: ${failed[0].reason}.`, {
      code: 'COPY_FAILED',
      exit: EXIT.notReady,
    });
  return planCopy(pass, request, wishes);
}

/** The topmost paths that have nothing like them at the source. */
function findExtras({ pairs, existing }: Tree): BytePath[] {
  const wanted = new Map(pairs.map(({ destination, source }) => [destination, source.type === 'directory']));
  const gone = new Set<BytePath>();
  const paths = [...existing.keys()].sort();
  for (const path of paths) {
    if (path === HERE || path.startsWith(PART_PREFIX)) continue;
    if (path.includes('/') && isBelow(path, gone)) continue;
    const isDirectory = existing.get(path)?.type === 'directory';
    if (wanted.get(path) !== isDirectory) gone.add(path);
  }
  return [...gone];
}

function isBelow(path: BytePath, tops: ReadonlySet<BytePath>): boolean {
  for (let above = parentOf(path); above !== HERE; above = parentOf(above)) if (tops.has(above)) return true;
  return false;
}

/** By the way that was chosen; by the other one when it cannot begin. */
async function carry(work: MigrateWork, pass: OpenPass, plan: CopyPlan): Promise<Carried> {
  const { source, destination } = work.plan;
  const where = {
    source: { instanceId: source.id, path: source.workspace },
    destination: { instanceId: destination.id, path: `${destination.workspace}/${asideName(work.run.id)}/new` },
    plan,
    sourceRunner: pass.sourceRunner,
    destinationRunner: pass.destinationRunner,
    onDetail: (text: string) => pass.onDetail(text),
  };
  const attempt = (transport: MigrateWork['transport']): Promise<Carried> =>
    transport.carry({ ...where, context: pass.context(plan.totals.bytes) });
  const carried = await attempt(work.transport).catch((error: unknown) => {
    const { fallback } = work;
    if (fallback === null || !(error instanceof ForgeError) || error.code !== 'NO_PASSAGE') throw error;
    work.reporter.warn(`${error.message} Going through this computer instead.`);
    work.transport = fallback;
    work.fallback = null;
    return attempt(fallback);
  });
  const movedBytes = (factsOf(work).movedBytes ?? 0) + (carried.movedBytes ?? 0);
  await work.run.setFacts({ movedBytes });
  return carried;
}

async function removeCopies(work: MigrateWork, mismatches: readonly Mismatch[]): Promise<void> {
  await inPass(work, 'Copying again what differs', async ({ destination }) => {
    const top = '/' as BytePath;
    await destination.apply(
      top,
      mismatches.map(({ path }): Operation => ({ do: 'remove', path: path.slice(1) as BytePath })),
    );
  });
}
