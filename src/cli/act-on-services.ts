import { EXIT, ForgeError } from '../errors.js';
import { forge } from '../instance/services/forge.js';
import type { ServiceAction } from '../instance/services/service-action.js';
import type { ServiceRow } from '../instance/services/service-rows.js';
import type { Instance } from '../vast/model.js';
import type { MachineSession } from '../workflows/machine-session.js';
import type { ActionResult } from '../workflows/services/act.js';
import type { SeenServices } from '../workflows/services/look.js';
import { agreeTo } from './agree-to.js';
import type { ForgeContext } from './context.js';
import { resultDocument, resultLine } from './service-output.js';
import { chooseServices } from './service-words.js';

export interface ServiceRequest {
  action: ServiceAction;
  services: readonly string[];
  force: boolean;
  yes: boolean;
  dryRun: boolean;
  /** Null: does not wait. */
  waitMs: number | null;
}

export interface ServiceAnswer {
  document: Record<string, unknown>;
  text: string;
}

/** All refusals and questions come before the first service is touched. */
export async function actOnServices(
  context: ForgeContext,
  instance: Instance,
  request: ServiceRequest,
): Promise<ServiceAnswer> {
  const { openSession } = await import('./upgrade-access.js');
  const { lookAtServices } = await import('../workflows/services/look.js');
  const session = await openSession(context, instance);
  try {
    const seen = await lookAtServices(session, { answers: false, watch: false });
    const rows = chooseServices(seen.rows, request.services);
    await allowAction(context, session, seen, { ...request, rows });
    if (request.dryRun) return plan(instance, rows, request);
    const results = await actOnRows(context, session, rows, request);
    return {
      document: { ...head(instance, request), services: results.map(resultDocument) },
      text: [
        ...results.map((result) => resultLine(request.action, result, request.waitMs !== null)),
        ...unwaited(instance, rows, request),
      ].join('\n'),
    };
  } finally {
    session.close();
  }
}

type Permission = Pick<ServiceRequest, 'action' | 'force' | 'yes' | 'dryRun'> & { rows: readonly ServiceRow[] };

/** Throws what speaks against it, and asks what has to be asked. */
export async function allowAction(
  context: ForgeContext,
  session: MachineSession,
  seen: SeenServices,
  permission: Permission,
): Promise<void> {
  await refuse(session, seen, permission);
  if (!permission.dryRun) await confirmLoss(context, seen, permission);
}

async function refuse(
  session: MachineSession,
  { look }: SeenServices,
  { action, force, rows }: Permission,
): Promise<void> {
  const { refuseAction } = await import('../workflows/services/act.js');
  for (const row of rows) {
    const refusal = refuseAction(action, row, { id: session.id, force });
    if (refusal !== null) throw refusal;
  }
  if (look.heldBy === null || force || !rows.some(({ name }) => name === forge.name)) return;
  throw new ForgeError(`Instance ${session.id} is being worked on: ${look.heldBy}.`, {
    code: 'MACHINE_LOCKED',
    exit: EXIT.conflict,
    hint: 'Wait for it; --force does it all the same.',
    details: { instance_id: session.id },
  });
}

/** A picture that is being drawn is lost with its process. */
async function confirmLoss(
  { prompts, terminal }: ForgeContext,
  { look }: SeenServices,
  { action, yes, rows }: Permission,
): Promise<void> {
  const loses = action !== 'start' && look.isDrawing === true && rows.some(({ name }) => name === forge.name);
  if (!loses || yes) return;
  const what = 'Forge is drawing something, which would be lost';
  await agreeTo({ prompts, terminal }, `${what}. ${action === 'stop' ? 'Stop' : 'Restart'} it?`, {
    needed: `${what}. A confirmation`,
  });
}

function plan(instance: Instance, rows: readonly ServiceRow[], request: ServiceRequest): ServiceAnswer {
  const { action, waitMs } = request;
  const waits = waitMs === null || action === 'stop' ? '' : ', and wait until it answers';
  return {
    document: {
      ...head(instance, request),
      services: rows.map((row) => ({
        ...resultDocument({
          row,
          result: 'already',
          pidAfter: row.pid,
          supervisorState: row.supervisorState,
          error: null,
        }),
        result: 'planned',
      })),
    },
    text: rows
      .map(({ name, supervisorState }) => `Would ${action} ${name}, which is ${supervisorState ?? 'unknown'}${waits}.`)
      .join('\n'),
  };
}

function head({ id, label }: Instance, { action, dryRun, waitMs }: ServiceRequest): Record<string, unknown> {
  return { instance_id: id, label, action, dry_run: dryRun, waited: waitMs !== null && !dryRun };
}

/** One after the other; the failure of one of several spares the others, and is exit 12. */
export async function actOnRows(
  context: ForgeContext,
  session: MachineSession,
  rows: readonly ServiceRow[],
  request: Pick<ServiceRequest, 'action' | 'waitMs'>,
): Promise<ActionResult[]> {
  const { actOnService } = await import('../workflows/services/act.js');
  const results: ActionResult[] = [];
  for (const row of rows) {
    const outcome = await actOnService(session, request.action, row);
    const error = outcome.error ?? (await waitFor(context, session, row, request));
    if (error !== null && rows.length === 1) throw error;
    if (error !== null) context.reporter.warn(`${error.message}${error.hint === null ? '' : `\n  ${error.hint}`}`);
    results.push({ ...outcome, result: error === null ? outcome.result : 'failed', error });
  }
  if (results.some(({ error }) => error !== null)) process.exitCode = EXIT.partlyFailed;
  return results;
}

/** supervisor's word for a started Forge is no proof. */
function unwaited(instance: Instance, rows: readonly ServiceRow[], { action, waitMs }: ServiceRequest): string[] {
  if (action === 'stop' || waitMs !== null || !rows.some(({ name }) => name === forge.name)) return [];
  return [`Forge answers when it has loaded: forgectl wait ${instance.id} --for forge`];
}

async function waitFor(
  context: ForgeContext,
  session: MachineSession,
  row: ServiceRow,
  { action, waitMs }: Pick<ServiceRequest, 'action' | 'waitMs'>,
): Promise<ForgeError | null> {
  if (waitMs === null || action === 'stop') return null;
  const { awaitService } = await import('../workflows/services/await-answer.js');
  const reporter = await context.stageReporter();
  const stage = reporter.stage(`wait_${row.name}`, `Waiting for ${row.name}`);
  try {
    await awaitService(session, row.name, {
      clock: context.clock,
      timeoutMs: waitMs,
      onLook: (text) => stage.detail(text),
    });
    stage.done(`${row.name} answers`);
    return null;
  } catch (error) {
    stage.failed();
    if (error instanceof ForgeError && (error.exit === EXIT.timedOut || error.exit === EXIT.notReady)) return error;
    throw error;
  }
}
