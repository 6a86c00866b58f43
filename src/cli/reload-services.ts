import type { ConfigChange } from '../instance/services/service-action.js';
import type { Program } from '../instance/supervisor.js';
import type { Instance } from '../vast/model.js';
import type { MachineSession } from '../workflows/machine-session.js';
import type { ServiceAnswer } from './act-on-services.js';
import { agreeTo } from './agree-to.js';
import type { ForgeContext } from './context.js';

export interface ReloadRequest {
  all: boolean;
  yes: boolean;
  dryRun: boolean;
}

export async function reloadServices(
  context: ForgeContext,
  instance: Instance,
  request: ReloadRequest,
): Promise<ServiceAnswer> {
  const { openSession } = await import('./upgrade-access.js');
  const session = await openSession(context, instance);
  try {
    return request.all
      ? await reloadEverything(context, session, request)
      : await reloadChanged(context, session, request);
  } finally {
    session.close();
  }
}

async function reloadChanged(
  context: ForgeContext,
  session: MachineSession,
  request: ReloadRequest,
): Promise<ServiceAnswer> {
  const { rereadConfig, updateConfig } = await import('../workflows/services/reload.js');
  const changes = await rereadConfig(session);
  const document = (after: Program[] | null) => ({
    ...headOf(session, request),
    changes,
    programs: after?.map(({ name, state, pid }) => ({ name, supervisor_state: state, pid })) ?? null,
  });
  if (changes.length === 0) return { document: document(null), text: 'Nothing has changed.' };
  if (request.dryRun)
    return { document: document(null), text: changes.map((one) => `Would ${wouldBe(one)}`).join('\n') };
  const disturbs = changes.filter(({ change }) => change !== 'added').map(({ program }) => program);
  if (disturbs.length > 0) await confirm(context, request, `This ends or restarts ${disturbs.join(', ')}`);
  const after = await updateConfig(session, changes);
  return {
    document: document(after),
    text: changes.map(({ program, change }) => `${program}: ${change}${stateOf(program, after)}`).join('\n'),
  };
}

async function reloadEverything(
  context: ForgeContext,
  session: MachineSession,
  request: ReloadRequest,
): Promise<ServiceAnswer> {
  const warning = 'This restarts supervisord and every program, the portal and Forge too';
  const head = { ...headOf(session, request), changes: [] };
  if (request.dryRun) return { document: { ...head, programs: null }, text: `${warning}: that is what would be done.` };
  context.reporter.warn(`${warning}. A changed program alone: forgectl service reload without --all.`);
  await confirm(context, request, warning);
  const { reloadAll } = await import('../workflows/services/reload.js');
  const after = await reloadAll(session);
  return {
    document: { ...head, programs: after.map(({ name, state, pid }) => ({ name, supervisor_state: state, pid })) },
    text: `Supervisor runs again, with ${after.length} programs. forgectl service ls ${session.id} shows how they come up.`,
  };
}

async function confirm({ prompts, terminal }: ForgeContext, { yes }: ReloadRequest, what: string): Promise<void> {
  if (yes) return;
  await agreeTo({ prompts, terminal }, `${what}. Go on?`, { needed: `${what}. A confirmation` });
}

function headOf({ instance }: MachineSession, { all, dryRun }: ReloadRequest): Record<string, unknown> {
  return { instance_id: instance.id, label: instance.label, all, dry_run: dryRun };
}

function wouldBe({ program, change }: ConfigChange): string {
  if (change === 'added') return `start ${program}, which is new.`;
  return change === 'changed' ? `restart ${program}, whose configuration has changed.` : `stop and remove ${program}.`;
}

function stateOf(program: string, after: readonly Program[]): string {
  const found = after.find(({ name, group }) => name === program || group === program);
  return found === undefined ? '' : `, ${found.state}`;
}
