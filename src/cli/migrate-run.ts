import { EXIT, ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';
import { isAtRest } from '../workflows/instance-state.js';
import type { Run } from '../workflows/journal.js';
import type { MachineSession } from '../workflows/machine-session.js';
import { migrate } from '../workflows/migrate/migrate.js';
import { type MigratePlan, planMigration, type Wishes } from '../workflows/migrate/plan.js';
import { refuseMigration, refuseStopped } from '../workflows/migrate/refuse.js';
import type { MigrateFacts } from '../workflows/migrate/work.js';
import { awaitIdle } from '../workflows/upgrade/await-idle.js';
import type { ForgeContext } from './context.js';
import { workOn } from './migrate-access.js';
import { lookAtBoth } from './migrate-look.js';
import { closeMachines, type Machines, openMachines } from './migrate-machines.js';
import { planDocument, planLines, resultDocument, resultLines } from './migrate-output.js';

export interface MigrateRequest {
  kind: MigratePlan['kind'];
  wishes: Wishes;
  ifBusy: 'wait' | 'go' | 'stop';
  busyTimeoutMs: number;
  breakLock: boolean;
  yes: boolean;
  dryRun: boolean;
  events: boolean;
  /** When the run is in the journal. */
  onBegun?(): Promise<void>;
}

export interface MigrateAnswer {
  document: Record<string, unknown>;
  text: string;
  /** Something that is told of did not come along. */
  isPartial: boolean;
}

/** Looks, tells, asks, and does it. */
export async function migrateInstances(
  context: ForgeContext,
  [source, destination]: readonly [Instance, Instance],
  request: MigrateRequest,
): Promise<MigrateAnswer> {
  refuseSame(source, destination);
  refuseStopped(source, request.wishes);
  const isStopped = isAtRest(source);
  const machines = await openMachines(context, [source, destination], { sshKey: request.wishes.sshKey, isStopped });
  try {
    const { wishes, kind } = request;
    const looked = await lookAtBoth(context, machines, wishes);
    const plan = planMigration({ kind, ...looked, wishes });
    if (request.dryRun) return tell(plan, looked);
    if (!request.breakLock) refuseMigration(plan, looked);
    await confirm(context, plan, { request, source });
    await waitForPictures(context, machines, plan, request);
    const run = await context.journal.begin({ kind: 'migrate', title: titleOf(plan), plan });
    await request.onBegun?.();
    return await carryOut(context, run, { machines, events: request.events, breakLock: request.breakLock });
  } finally {
    closeMachines(machines);
  }
}

/** What would stop it is part of the answer, not a failure of looking. */
function tell(plan: MigratePlan, looked: Parameters<typeof refuseMigration>[1]): MigrateAnswer {
  const refusal = refusalOf(plan, looked);
  const lines = planLines(plan);
  if (refusal !== null)
    lines.push(`REFUSED    ${refusal.message}`, ...(refusal.hint === null ? [] : [`           ${refusal.hint}`]));
  const document = {
    dry_run: true,
    ...planDocument(plan),
    refused: refusal === null ? null : { code: refusal.code, message: refusal.message },
  };
  return { document, text: lines.join('\n'), isPartial: false };
}

function refusalOf(plan: MigratePlan, looked: Parameters<typeof refuseMigration>[1]): ForgeError | null {
  try {
    refuseMigration(plan, looked);
    return null;
  } catch (error) {
    if (error instanceof ForgeError) return error;
    throw error;
  }
}

async function confirm(
  context: ForgeContext,
  plan: MigratePlan,
  { request, source }: { request: MigrateRequest; source: Instance },
): Promise<void> {
  const { prompts, terminal, reporter } = context;
  const { afterwards } = plan.wishes;
  if (plan.isDrawing === true && request.ifBusy === 'stop') throw isDrawing(plan.source.id);
  reporter.info(planLines(plan).join('\n'));
  if (request.yes) return;
  if (!terminal.canPrompt) throw prompts.needAnswer(['--yes'], 'A confirmation');
  if (await agrees(context, source, { afterwards, question: 'Move it?' })) return;
  throw new ForgeError('Nothing was changed.', { code: 'CANCELLED', exit: EXIT.interrupted });
}

/** What cannot be had again is destroyed only for who types its name. */
export async function agrees(
  { prompts }: ForgeContext,
  source: Instance,
  { afterwards, question }: { afterwards: Wishes['afterwards']; question: string },
): Promise<boolean> {
  if (afterwards !== 'destroy') return prompts.confirm(question);
  const name = source.label || String(source.id);
  const typed = await prompts.text(
    `${question} Type ${name} to have that one destroyed when all is proved`,
    () => true,
  );
  return typed.trim() === name;
}

async function waitForPictures(
  context: ForgeContext,
  { source }: Machines,
  plan: MigratePlan,
  { ifBusy, busyTimeoutMs }: MigrateRequest,
): Promise<void> {
  if (plan.isDrawing !== true || ifBusy !== 'wait' || plan.wishes.keepSourceRunning) return;
  context.reporter.info(`Forge on ${source.id} is drawing; waiting for it to end …`);
  await awaitIdle(source, context.clock, busyTimeoutMs);
}

interface CarryOut {
  machines: Machines<MachineSession | null>;
  events: boolean;
  breakLock: boolean;
}

export async function carryOut(
  context: ForgeContext,
  run: Run,
  { machines, events, breakLock }: CarryOut,
): Promise<MigrateAnswer> {
  const plan = run.record.plan as MigratePlan;
  const facts = await migrate(await workOn(context, { run, machines, events }), { breakLock });
  return answer(plan, facts, run);
}

function answer(plan: MigratePlan, facts: MigrateFacts, run: Run): MigrateAnswer {
  return {
    document: resultDocument(plan, facts, run.id),
    text: resultLines(plan, facts).join('\n'),
    isPartial: facts.packagesFailed !== undefined || facts.sourceKept !== undefined,
  };
}

function titleOf({ source, destination }: MigratePlan): string {
  return `migration of ${source.label ?? source.id} to ${destination.label ?? destination.id}`;
}

function refuseSame(source: Instance, destination: Instance): void {
  if (source.id !== destination.id) return;
  throw new ForgeError('Source and destination are the same instance.', {
    code: 'USAGE',
    exit: EXIT.usage,
    hint: 'Name two, or use --to-new.',
  });
}

function isDrawing(id: number): ForgeError {
  return new ForgeError(`Forge is drawing something on ${id}.`, {
    code: 'FORGE_BUSY',
    exit: EXIT.notReady,
    hint: 'Wait for it with --if-busy wait, or go on with --if-busy go: what it draws is lost.',
    details: { instance_id: id },
  });
}
