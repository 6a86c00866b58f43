import { EXIT, type ExitCode, ForgeError } from '../errors.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Instance } from '../vast/model.js';
import { inPool } from '../workflows/in-pool.js';
import type { MachineSession } from '../workflows/machine-session.js';
import { awaitIdle } from '../workflows/upgrade/await-idle.js';
import { lookAtUpgrade, type UpgradeLook, type UpgradeWishes } from '../workflows/upgrade/look.js';
import { isUpToDate, refuseUpgrade } from '../workflows/upgrade/plan.js';
import { rollbackWishes } from '../workflows/upgrade/rollback.js';
import { agreeTo } from './agree-to.js';
import type { ForgeContext } from './context.js';
import { beginUpgrade, openSession, putBackAfterS } from './upgrade-access.js';
import { planDocument, planLines, resultLine } from './upgrade-output.js';

export interface UpgradeRequest {
  wishes: UpgradeWishes;
  /** Back to before the last one, instead of the wishes. */
  rollback: boolean;
  mode: 'check' | 'dry-run' | 'go';
  yes: boolean;
  ifBusy: 'wait' | 'go' | 'stop';
  busyTimeoutMs: number;
  parallel: number;
  canary: boolean;
  breakLock: boolean;
  /** Of the machine's own way back; null for the usual time. */
  putBackAfterMs: number | null;
}

export interface UpgradeAnswer {
  document: Record<string, unknown>;
  text: string;
  exitCode: ExitCode;
}

interface Candidate {
  session: MachineSession;
  look: UpgradeLook;
}

interface Outcome {
  candidate: Candidate;
  run: string | null;
  downtimeMs: number | null;
  error: ForgeError | null;
}

/** Looks at all of them before the first is touched; then one after the other, or the canary first. */
export async function upgradeInstances(
  context: ForgeContext,
  instances: readonly Instance[],
  request: UpgradeRequest,
): Promise<UpgradeAnswer> {
  const sessions: MachineSession[] = [];
  try {
    const candidates = await inPool(instances, LOOKS_AT_ONCE, async (instance) => {
      const session = await openSession(context, instance);
      sessions.push(session);
      const wishes = request.rollback ? await rollbackWishes(session) : request.wishes;
      return { session, look: await lookAtUpgrade(session, wishes, putBackAfterS(context, request.putBackAfterMs)) };
    });
    return request.mode === 'go' ? await go(context, candidates, request) : tell(candidates, request.mode);
  } finally {
    for (const session of sessions) session.close();
  }
}

const LOOKS_AT_ONCE = 8;

function tell(candidates: readonly Candidate[], mode: 'check' | 'dry-run'): UpgradeAnswer {
  const plans = candidates.map(({ look }) => look.plan);
  const isNewer = plans.some((plan) => !isUpToDate(plan));
  const lines = plans.map((plan) => (mode === 'check' ? checkLine(plan) : planLines(plan).join('\n')));
  return {
    document:
      mode === 'check'
        ? { change_available: isNewer, plans: plans.map(planDocument) }
        : { dry_run: true, plans: plans.map(planDocument) },
    text: lines.join(mode === 'check' ? '\n' : '\n\n'),
    exitCode: mode === 'check' && isNewer ? EXIT.changeAvailable : EXIT.done,
  };
}

function checkLine(plan: UpgradeLook['plan']): string {
  const name = plan.label ?? String(plan.instanceId);
  if (isUpToDate(plan)) return planLines(plan)[0] ?? '';
  const commits = plan.commitCount === 1 ? '1 newer commit' : `${plan.commitCount} newer commits`;
  return `${cleanLine(name)}: ${commits} on ${cleanLine(plan.to.name)} (${plan.from.sha.slice(0, 9)} → ${plan.to.sha.slice(0, 9)}).`;
}

async function go(context: ForgeContext, all: readonly Candidate[], request: UpgradeRequest): Promise<UpgradeAnswer> {
  const todo = all.filter(({ look }) => !isUpToDate(look.plan));
  const settled = all.filter(({ look }) => isUpToDate(look.plan));
  for (const { look } of todo) refuseUpgrade(look.plan, look.checkout, look.change);
  if (todo.length > 0) await confirm(context, todo, request);
  const outcomes = await upgradeAll(context, todo, request);
  const failures = outcomes.flatMap(({ error }) => error ?? []);
  // One machine: its failure is the command's.
  if (all.length === 1 && failures[0] !== undefined) throw failures[0];
  return {
    document: { instances: [...settled.map(upToDateDocument), ...outcomes.map(outcomeDocument)] },
    text: [
      ...settled.map(({ look }) => planLines(look.plan)[0] ?? ''),
      ...outcomes.map(({ candidate, downtimeMs, error, run }) =>
        error === null && run !== null
          ? resultLine(candidate.look.plan, { downtimeMs })
          : `${cleanLine(candidate.look.plan.label ?? String(candidate.session.id))}: ${error === null ? 'not started' : error.message}`,
      ),
    ].join('\n'),
    exitCode: failures.length > 0 ? EXIT.partlyFailed : EXIT.done,
  };
}

async function confirm(context: ForgeContext, todo: readonly Candidate[], request: UpgradeRequest): Promise<void> {
  const { prompts, terminal, reporter } = context;
  const busy = todo.filter(({ look }) => look.plan.isGenerating === true);
  if (busy.length > 0 && request.ifBusy === 'stop') throw isDrawing(busy.map(({ session }) => session.id));
  for (const { look } of todo) reporter.info(planLines(look.plan).join('\n'));
  if (request.yes) return;
  await agreeTo({ prompts, terminal }, `Upgrade ${todo.length === 1 ? 'it' : `these ${todo.length}`}?`);
}

/** The first failure lets what has begun end, and starts nothing more. */
async function upgradeAll(
  context: ForgeContext,
  todo: readonly Candidate[],
  request: UpgradeRequest,
): Promise<Outcome[]> {
  const [first, ...others] = todo;
  if (first === undefined) return [];
  const [early, late] = request.canary ? [[first], others] : [[], todo];
  let hasFailed = false;
  const work = async (candidate: Candidate): Promise<Outcome> => {
    if (hasFailed) return { candidate, run: null, downtimeMs: null, error: null };
    const outcome = await upgradeOne(context, candidate, request);
    hasFailed ||= outcome.error !== null;
    return outcome;
  };
  return [...(await inPool(early, 1, work)), ...(await inPool(late, request.parallel, work))];
}

async function upgradeOne(context: ForgeContext, candidate: Candidate, request: UpgradeRequest): Promise<Outcome> {
  const { session, look } = candidate;
  try {
    if (request.ifBusy === 'wait' && look.plan.isGenerating === true) {
      context.reporter.info(`Forge on ${session.id} is drawing; waiting for it to end …`);
      await awaitIdle(session, context.clock, request.busyTimeoutMs);
    }
    const { run, downtimeMs } = await beginUpgrade(context, session, look.plan, { breakLock: request.breakLock });
    return { candidate, run, downtimeMs, error: null };
  } catch (error) {
    if (!(error instanceof ForgeError) || error.exit === EXIT.interrupted || error.exit === EXIT.terminated)
      throw error;
    return { candidate, run: null, downtimeMs: null, error };
  }
}

function outcomeDocument({ candidate, run, downtimeMs, error }: Outcome): Record<string, unknown> {
  return {
    ...planDocument(candidate.look.plan),
    run,
    result:
      error === null
        ? run === null
          ? 'not_started'
          : 'done'
        : error.exit === EXIT.rolledBack
          ? 'rolled_back'
          : 'failed',
    downtime_s: downtimeMs === null ? null : Math.round(downtimeMs / 100) / 10,
    error: error === null ? null : { code: error.code, message: error.message, hint: error.hint, exit: error.exit },
  };
}

function upToDateDocument({ look }: Candidate): Record<string, unknown> {
  return { ...planDocument(look.plan), run: null, result: 'up_to_date', downtime_s: null, error: null };
}

function isDrawing(ids: readonly number[]): ForgeError {
  return new ForgeError(`Forge is drawing something on ${ids.join(', ')}.`, {
    code: 'FORGE_BUSY',
    exit: EXIT.notReady,
    hint: 'Wait for it with --if-busy wait, or go on with --if-busy go: what it draws is lost.',
    details: { instance_ids: ids },
  });
}
