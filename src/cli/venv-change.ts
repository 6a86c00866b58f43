import { hostname } from 'node:os';
import { systemClock } from '../clock.js';
import { planRestore } from '../instance/freeze.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Instance } from '../vast/model.js';
import type { Run } from '../workflows/journal.js';
import type { MachineSession } from '../workflows/machine-session.js';
import {
  changePackages,
  type PackagesPlan,
  type PackagesWork,
  readTools,
  undoPackages,
} from '../workflows/venv/change-packages.js';
import { freezeNow, readBackup } from '../workflows/venv/read-freeze.js';
import { agreeTo } from './agree-to.js';
import type { ForgeContext } from './context.js';
import { withRunSession } from './upgrade-access.js';
import { withSession } from './venv-access.js';
import type { PackageWishes } from './venv-wishes.js';

export interface ChangeRequest {
  dryRun: boolean;
  yes: boolean;
}

/** What `venv restore` would do: only what differs. */
export async function planRestoreOf(session: MachineSession, backup: string, exact: boolean): Promise<PackagesPlan> {
  const wanted = await readBackup(session, backup);
  const { install, extra, impossible } = planRestore(wanted.packages, (await freezeNow(session)).packages);
  return {
    ...(await head(session)),
    action: 'restore',
    from: wanted.name,
    install: install.map(({ line }) => line),
    remove: exact ? extra.map(({ name }) => name) : [],
    impossible,
    extra: exact ? [] : extra.map(({ line }) => line),
  };
}

export async function planInstallOf(session: MachineSession, wishes: PackageWishes): Promise<PackagesPlan> {
  return {
    ...(await head(session)),
    action: 'install',
    from: wishes.from,
    install: wishes.lines,
    remove: [],
    impossible: wishes.leftOut,
    extra: [],
  };
}

async function head(
  session: MachineSession,
): Promise<Pick<PackagesPlan, 'instanceId' | 'label' | 'torch' | 'installer'>> {
  return { instanceId: session.id, label: session.instance.label, ...(await readTools(session)) };
}

/** Shows the plan, asks, and does it. */
export async function changePackagesOf(
  context: ForgeContext,
  instance: Instance,
  { makePlan, dryRun, yes }: ChangeRequest & { makePlan: (session: MachineSession) => Promise<PackagesPlan> },
): Promise<{ document: Record<string, unknown>; text: string }> {
  return withSession(context, instance, async (session) => {
    const plan = await makePlan(session);
    const document = { ...packagesDocument(plan), dry_run: dryRun, run: null as string | null };
    const isDone = plan.install.length === 0 && plan.remove.length === 0;
    if (dryRun || isDone) return { document, text: planLines(plan).join('\n') };
    context.reporter.info(planLines(plan).join('\n'));
    await confirm(context, plan, yes);
    const title = `venv ${plan.action} on ${plan.label ?? plan.instanceId}: ${plan.from}`;
    const run = await context.journal.begin({ kind: 'venv', title, plan });
    await changePackages(await workOn(context, session, run), () => context.interruption.beginCleanUp());
    return { document: { ...document, run: run.id }, text: doneText(plan) };
  });
}

export async function resumePackages(context: ForgeContext, run: Run): Promise<PackagesPlan> {
  await withRunSession(context, run, async (session) =>
    changePackages(await workOn(context, session, run), () => context.interruption.beginCleanUp()),
  );
  return run.record.plan as PackagesPlan;
}

export async function undoPackagesRun(context: ForgeContext, run: Run): Promise<PackagesPlan> {
  await withRunSession(context, run, async (session) => undoPackages(await workOn(context, session, run), 'asked for'));
  return run.record.plan as PackagesPlan;
}

export function packagesDocument(plan: PackagesPlan): Record<string, unknown> {
  return {
    instance_id: plan.instanceId,
    label: plan.label,
    from: plan.from,
    install: plan.install,
    remove: plan.remove,
    not_restorable: plan.impossible,
    kept_extra: plan.extra,
    installer: plan.installer,
    torch: plan.torch.versions,
  };
}

export function doneText({ install, remove, instanceId }: PackagesPlan): string {
  const what = `${install.length} installed${remove.length === 0 ? '' : `, ${remove.length} removed`}; torch is the same.`;
  return `${what}\nForge goes on with what it has loaded until it is restarted: forgectl service restart ${instanceId} forge --wait`;
}

function planLines(plan: PackagesPlan): string[] {
  const { install, remove, impossible, extra, torch, installer } = plan;
  const isDone = install.length === 0 && remove.length === 0;
  const versions = Object.entries(torch.versions).map(([name, version]) => `${name} ${cleanLine(version)}`);
  return [
    `From       ${cleanLine(plan.from)}`,
    ...(isDone ? ['Packages   nothing to change'] : [`Packages   with ${installer}`]),
    ...install.map((line) => `  + ${cleanLine(line)}`),
    ...remove.map((name) => `  - ${cleanLine(name)}`),
    ...impossible.map(({ line, reason }) => `  ! ${cleanLine(line)}   stays out: ${reason}`),
    ...(extra.length === 0
      ? []
      : [`Kept       ${extra.map(cleanLine).join(', ')} (not in the backup; --exact removes them)`]),
    `Torch      ${versions.join(', ') || 'not there'}${versions.length === 0 ? '' : ', held'}`,
    ...(isDone ? [] : ['If it fails, the packages are put back as they are now.']),
  ];
}

async function confirm(context: ForgeContext, { install, remove }: PackagesPlan, yes: boolean): Promise<void> {
  if (yes) return;
  const { prompts, terminal } = context;
  await agreeTo({ prompts, terminal }, `Change ${install.length + remove.length} packages?`);
}

async function workOn(context: ForgeContext, session: MachineSession, run: Run): Promise<PackagesWork> {
  return {
    session,
    run,
    plan: run.record.plan as PackagesPlan,
    reporter: await context.stageReporter(),
    clock: systemClock,
    who: hostname(),
  };
}
