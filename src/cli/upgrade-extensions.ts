import { hostname } from 'node:os';
import { EXIT } from '../errors.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Instance } from '../vast/model.js';
import type { Run } from '../workflows/journal.js';
import type { MachineSession } from '../workflows/machine-session.js';
import { type ExtensionsWork, undoExtensions, upgradeExtensions } from '../workflows/upgrade/extensions.js';
import { counted, type ExtensionsPlan, planExtensions } from '../workflows/upgrade/plan-extensions.js';
import { agreeTo } from './agree-to.js';
import type { ForgeContext } from './context.js';
import { leaseOf, openSession, putBackAfterS, withRunSession } from './upgrade-access.js';

export interface ExtensionsRequest {
  /** Empty for all. */
  names: readonly string[];
  mode: 'check' | 'dry-run' | 'go';
  yes: boolean;
  putBackAfterMs: number | null;
}

export async function upgradeExtensionsOf(
  context: ForgeContext,
  instance: Instance,
  request: ExtensionsRequest,
): Promise<{ document: Record<string, unknown>; text: string; exitCode: number }> {
  const session = await openSession(context, instance);
  try {
    const plan = await planExtensions(session, request.names, putBackAfterS(context, request.putBackAfterMs));
    const text = planText(plan);
    const document = { ...extensionsDocument(plan), dry_run: request.mode === 'dry-run', run: null as string | null };
    if (request.mode !== 'go' || plan.moves.length === 0) {
      const isNewer = request.mode === 'check' && plan.moves.length > 0;
      return { document, text, exitCode: isNewer ? EXIT.changeAvailable : EXIT.done };
    }
    context.reporter.info(text);
    await confirm(context, request.yes);
    const title = `upgrade of ${counted(plan)} on ${plan.label ?? plan.instanceId}`;
    const run = await context.journal.begin({ kind: 'extensions', title, plan });
    await upgradeExtensions(await workOn(context, session, run), () => context.interruption.beginCleanUp());
    return { document: { ...document, run: run.id }, text: doneText(plan), exitCode: EXIT.done };
  } finally {
    session.close();
  }
}

export async function resumeExtensions(context: ForgeContext, run: Run): Promise<ExtensionsPlan> {
  await withRunSession(context, run, async (session) =>
    upgradeExtensions(await workOn(context, session, run), () => context.interruption.beginCleanUp()),
  );
  return run.record.plan as ExtensionsPlan;
}

export async function undoExtensionsRun(context: ForgeContext, run: Run): Promise<ExtensionsPlan> {
  await withRunSession(context, run, async (session) =>
    undoExtensions(await workOn(context, session, run), 'asked for'),
  );
  return run.record.plan as ExtensionsPlan;
}

export function extensionsDocument({ instanceId, label, moves, skipped }: ExtensionsPlan): Record<string, unknown> {
  return {
    instance_id: instanceId,
    label,
    extensions: moves.map(({ name, from, to, count, subjects }) => ({ name, from, to, commit_count: count, subjects })),
    skipped,
  };
}

export function doneText({ moves }: ExtensionsPlan): string {
  return `${moves.length === 1 ? '1 extension is' : `${moves.length} extensions are`} upgraded: ${moves.map(({ name }) => cleanLine(name)).join(', ')}.`;
}

function planText({ moves, skipped }: ExtensionsPlan): string {
  const lines = moves.flatMap(({ name, from, to, count, subjects }) => [
    `${cleanLine(name)}  ${from.slice(0, 9)} → ${to.slice(0, 9)}, ${count} new ${count === 1 ? 'commit' : 'commits'}`,
    ...subjects.slice(0, 5).map((subject) => `  ${cleanLine(subject)}`),
  ]);
  const left = skipped.map(({ name, reason }) => `${cleanLine(name)}  left alone: ${reason}`);
  return [...(lines.length === 0 ? ['No extension has anything newer.'] : lines), ...left].join('\n');
}

async function confirm(context: ForgeContext, yes: boolean): Promise<void> {
  if (yes) return;
  const { prompts, terminal } = context;
  await agreeTo({ prompts, terminal }, 'Upgrade them, and restart Forge?');
}

async function workOn(context: ForgeContext, session: MachineSession, run: Run): Promise<ExtensionsWork> {
  return {
    session,
    run,
    plan: run.record.plan as ExtensionsPlan,
    reporter: await context.stageReporter(),
    clock: context.clock,
    lease: leaseOf(context, session, run),
    who: hostname(),
  };
}
