import { ForgeError } from '../../errors.js';
import { planRestore } from '../../instance/freeze.js';
import { type PackagesPlan, type PackagesWork, packageSteps, readTools } from '../venv/change-packages.js';
import { freezeNow, type NamedFreeze, readBackup } from '../venv/read-freeze.js';
import { factsOf, inStage, type MigrateWork, sourceOf } from './work.js';

/**
 * Only what differs from the source's freeze, torch left alone. Packages that cannot be had again do not take the whole
 * move back: all packages are put back as they were, that is said, and whether Forge answers is looked at next.
 */
export async function restorePackages(work: MigrateWork): Promise<void> {
  const plan = await planPackages(work).catch(async (error: unknown) => {
    if (!work.plan.source.isStopped || !isNotFound(error)) throw error;
    const message = "The source's workspace has no backup of its packages, and it does not run.";
    await work.run.setFacts({ packagesFailed: message });
    work.reporter.warn(`${message} The packages are the image's; Forge may lack some.`);
    return null;
  });
  if (plan === null) return;
  const left = plan.impossible.map(({ line, reason }) => ({ line, reason }));
  await work.run.setFacts({ packagesLeft: left });
  if (plan.install.length === 0) return;
  const steps = packageSteps(packagesWork(work, plan));
  try {
    for (const step of steps) await step.run();
  } catch (error) {
    if (!(error instanceof ForgeError) || !OWN_FAILURES.has(error.code)) throw error;
    await putPackagesBack(work);
    await work.run.setFacts({ packagesFailed: error.message });
    work.reporter.warn(
      `${error.message} All packages of the destination are as they were; Forge may lack some. Later: forgectl venv restore ${work.destination.id} ${factsOf(work).freeze ?? 'latest'}`,
    );
  }
}

const OWN_FAILURES = new Set(['INSTALL_FAILED', 'PACKAGES_DIFFER', 'TORCH_CHANGED', 'REMOTE_JOB_LOST']);

export async function putPackagesBack(work: MigrateWork): Promise<void> {
  const plan: PackagesPlan = { ...emptyPlan(work), ...(await readTools(work.destination)) };
  const steps = packageSteps(packagesWork(work, plan));
  await steps.find(({ id }) => id === 'install')?.undo?.();
}

async function planPackages(work: MigrateWork): Promise<PackagesPlan> {
  let plan: PackagesPlan | null = null;
  await inStage(work, ['packages', 'Comparing the packages'], async () => {
    const wanted = await sourceFreeze(work);
    const { install, impossible } = planRestore(wanted.packages, (await freezeNow(work.destination)).packages);
    plan = {
      ...emptyPlan(work),
      ...(await readTools(work.destination)),
      from: wanted.name,
      install: install.map(({ line }) => line),
      impossible,
    };
    return install.length === 0 ? 'The packages are the same' : `${install.length} packages differ`;
  });
  return plan as unknown as PackagesPlan;
}

/** As it has come along; the source's own when it was left out. Of one that does not run, the newest that has come. */
async function sourceFreeze(work: MigrateWork): Promise<NamedFreeze> {
  const { destination, plan } = work;
  const name = factsOf(work).freeze ?? (plan.source.isStopped ? `${plan.source.id}/latest` : 'latest');
  return readBackup(destination, name).catch((error: unknown) => {
    if (!plan.source.isStopped && isNotFound(error)) return readBackup(sourceOf(work), name);
    throw error;
  });
}

function isNotFound(error: unknown): error is ForgeError {
  return error instanceof ForgeError && error.code === 'BACKUP_NOT_FOUND';
}

function emptyPlan({ destination }: MigrateWork): Omit<PackagesPlan, 'installer' | 'torch'> {
  const { id, instance } = destination;
  return {
    instanceId: id,
    label: instance.label,
    action: 'restore',
    from: '',
    install: [],
    remove: [],
    impossible: [],
    extra: [],
  };
}

function packagesWork(work: MigrateWork, plan: PackagesPlan): PackagesWork {
  return {
    session: work.destination,
    run: work.run,
    plan,
    reporter: work.reporter,
    clock: work.wallClock,
    who: work.who,
  };
}
