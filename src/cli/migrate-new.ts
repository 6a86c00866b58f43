import { EXIT, ForgeError, isInterruption } from '../errors.js';
import { formatBytes, formatPerHour } from '../ui/format.js';
import type { Instance } from '../vast/model.js';
import { isAtRest } from '../workflows/instance-state.js';
import { planDocument as launchDocument } from '../workflows/launch/plan-document.js';
import { readChoice, usuallyLeftOut } from '../workflows/migrate/left-out.js';
import { refuseStopped } from '../workflows/migrate/refuse.js';
import { summarizeTrees, type TreeSummary } from '../workflows/migrate/tree-summary.js';
import { finishTelling } from './after-telling.js';
import type { ForgeContext } from './context.js';
import { prepareLaunch } from './launch-choice.js';
import { flagsLike, type LaunchFlags, refuseSmallDisk } from './launch-like.js';
import { planLines as launchLines } from './launch-output.js';
import { lookAt, lookAtList } from './migrate-look.js';
import { closeMachines, type Machines, openMachines, openPass } from './migrate-machines.js';
import { agrees, type MigrateAnswer, type MigrateRequest, migrateInstances } from './migrate-run.js';
import { priceChange } from './price-lines.js';
import { rentFirst } from './rent-first.js';
import { nameOf } from './select-instances.js';

export interface NewRequest extends MigrateRequest {
  flags: LaunchFlags;
  argv: readonly string[];
  /** Values of variables with a secret name come along. */
  withSecrets: boolean;
}

/** One question for both the rent and the move; then the machine, then the move. */
export async function migrateToNew(
  context: ForgeContext,
  source: Instance,
  request: NewRequest,
): Promise<MigrateAnswer> {
  const prepared = await prepareNew(context, source, request);
  if (request.dryRun) return prepared.dryRun(1);
  await confirm(context, source, { prepared, request, count: 1 });
  return rentAndMove(context, source, { request, prepared });
}

/** One after the other: the first failure stops it, and names what was made. */
export async function cloneInstance(
  context: ForgeContext,
  source: Instance,
  request: NewRequest & { count: number },
): Promise<MigrateAnswer> {
  const { count } = request;
  const requestOf = (number: number): NewRequest => {
    const label = request.flags.label === undefined || count === 1 ? {} : { label: `${request.flags.label}-${number}` };
    return { ...request, flags: { ...request.flags, ...label } };
  };
  const first = await prepareNew(context, source, requestOf(1));
  if (request.dryRun) return first.dryRun(count);
  await confirm(context, source, { prepared: first, request, count });
  const answers: MigrateAnswer[] = [];
  try {
    for (let number = 1; number <= count; number += 1) {
      // What was taken a moment ago is not there for the next.
      const prepared = number === 1 ? first : await prepareNew(context, source, likeFirst(requestOf(number), first));
      answers.push(await rentAndMove(context, source, { request, prepared }));
      if (count > 1) context.reporter.info(`${number} of ${count} done.`);
    }
  } catch (error) {
    throw answers.length === 0 ? error : notAll(error, { answers, count });
  }
  if (count === 1) return answers[0] as MigrateAnswer;
  return {
    document: { clones: answers.map(({ document }) => document) },
    text: answers.map(({ text }) => text).join('\n'),
    isPartial: answers.some(({ isPartial }) => isPartial),
  };
}

/** Nobody is asked again: a card like the first's, for hardly more, unless the line says otherwise. */
function likeFirst(request: NewRequest, { launch: { plan } }: Prepared): NewRequest {
  const { flags } = request;
  return {
    ...request,
    yes: true,
    flags: {
      ...flags,
      offer: undefined,
      best: !flags.cheapest,
      gpu: flags.gpu ?? plan.offer.gpuName,
      'max-price': flags['max-price'] ?? plan.failOver.maxPerHourUsd,
      yes: true,
    },
  };
}

interface Prepared {
  launch: Awaited<ReturnType<typeof prepareLaunch>>;
  lines: string[];
  dryRun(count: number): MigrateAnswer;
}

async function prepareNew(context: ForgeContext, source: Instance, request: NewRequest): Promise<Prepared> {
  const summary = await lookAtSource(context, source, request);
  const prepared = await prepareLaunch(context, await flagsLike(context, source, request), request.argv);
  const ports = source.extraEnv.filter(([name]) => /^-p\s/u.test(name));
  const env = { ...Object.fromEntries(ports), ...prepared.plan.request.env };
  const plan = { ...prepared.plan, request: { ...prepared.plan.request, env } };
  refuseSmallDisk(plan.request.diskGb, summary.bytes);
  const lines = [
    ...launchLines(plan, prepared.limit, context.clock.now()),
    `Moves     ${summary.files.toLocaleString('en')} files, ${formatBytes(summary.bytes)}, from ${nameOf(source)}`,
    ...summary.leftOut.map(({ pattern, reason }) => `Stays     ${pattern}: ${reason}`),
    `Not taken over: a provisioning script (its work comes with the files; --provisioning URL)${request.withSecrets ? '' : ', and secret variables (--env)'}`,
    ...priceOfSource(source, request),
  ];
  const document = {
    dry_run: true,
    launch: launchDocument(plan),
    files: summary.files,
    bytes: summary.bytes,
    biggest: summary.biggest,
    left_out: summary.leftOut,
    source_afterwards: request.wishes.afterwards,
  };
  const dryRun = (count: number): MigrateAnswer => ({
    document: { ...document, count },
    text: [...lines, ...countLines(plan.price.runningPerHourUsd, count)].join('\n'),
    isPartial: false,
  });
  return { launch: { ...prepared, plan }, lines, dryRun };
}

function priceOfSource(source: Instance, { wishes: { afterwards } }: NewRequest): string[] {
  if (afterwards === 'keep') return [];
  const what = afterwards === 'stop' ? 'stopped' : 'DESTROYED with its data';
  return [`After     ${nameOf(source)} is ${what} when all is proved: ${priceChange(source, afterwards).line}`];
}

function countLines(perHourUsd: number, count: number): string[] {
  if (count === 1) return [];
  return [
    `Count     ${count}, one after the other, the others with the same card: about ${formatPerHour(perHourUsd * count)} together`,
  ];
}

async function rentAndMove(
  context: ForgeContext,
  source: Instance,
  { request, prepared }: { request: NewRequest; prepared: Prepared },
): Promise<MigrateAnswer> {
  const rent = { launch: prepared.launch, sshKeyFile: request.flags['ssh-key'] ?? null };
  // Once it has begun, the move's own journal tells of the machine.
  return rentFirst(context, rent, (destination) =>
    migrateInstances(context, [source, destination], { ...request, yes: true, onBegun: finishTelling }),
  );
}

function notAll(error: unknown, { answers, count }: { answers: readonly MigrateAnswer[]; count: number }): unknown {
  if (!(error instanceof ForgeError)) return error;
  const { message, code, exit, hint, details } = error;
  const ids = answers.map(({ document }) => (document['destination'] as { id: number }).id);
  return new ForgeError(`Clone ${ids.length + 1} of ${count} failed: ${message}`, {
    code,
    exit: isInterruption(error) ? exit : EXIT.partlyFailed,
    hint: [hint, `Made, proved and billed: ${ids.join(', ')}`].filter(Boolean).join('\n'),
    cause: error,
    details: { ...details, clone_ids: ids, count },
  });
}

async function lookAtSource(context: ForgeContext, source: Instance, request: NewRequest): Promise<TreeSummary> {
  const { wishes } = request;
  // The source as both ends: only the one is looked at.
  refuseStopped(source, wishes);
  const isStopped = isAtRest(source);
  const machines = await openMachines(context, [source, source], { sshKey: wishes.sshKey, isStopped });
  try {
    const { side, entries } = await lookAtOne(context, machines, wishes);
    return summarizeTrees({
      source: entries,
      destination: [],
      workspace: side.workspace,
      excluded: readChoice({ destinationId: 0, include: wishes.include, exclude: wishes.exclude }),
      rules: usuallyLeftOut(0),
    });
  } finally {
    closeMachines(machines);
  }
}

async function lookAtOne(context: ForgeContext, machines: Machines, wishes: NewRequest['wishes']) {
  const { source, listed } = machines;
  if (listed !== null) return lookAtList(source.instance, listed);
  const pass = await openPass(context, { machines, wishes, events: false, title: '' });
  return lookAt(source, pass.source);
}

/** All of it is said first, whether or not anybody is asked. */
async function confirm(
  context: ForgeContext,
  source: Instance,
  { prepared: { launch, lines }, request, count }: { prepared: Prepared; request: NewRequest; count: number },
): Promise<void> {
  const { runningPerHourUsd } = launch.plan.price;
  for (const line of [...lines, ...countLines(runningPerHourUsd, count)]) context.reporter.info(line);
  if (request.yes) return;
  const { afterwards } = request.wishes;
  const what = count === 1 ? 'it' : `${count} machines`;
  const question = `Rent ${what} for about ${formatPerHour(runningPerHourUsd * count)}, and move?`;
  if (await agrees(context, source, { afterwards, question })) return;
  throw new ForgeError('Nothing was rented.', { code: 'CANCELLED', exit: EXIT.interrupted });
}
