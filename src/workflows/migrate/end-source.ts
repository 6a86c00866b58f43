import { createHash } from 'node:crypto';
import { fromText } from '../../instance/files/byte-path.js';
import { releaseMachine } from '../machine-lock.js';
import { switchForge } from './forge-power.js';
import { readChoice } from './left-out.js';
import { splitEntries } from './tree-summary.js';
import { factsOf, lockOf, type MigrateWork, type OpenPass } from './work.js';

/** Its backups may be written at any time, by design, and are of no use elsewhere. */
const BACKUPS = '.venv-backups';

/** All that moves, as the source lists it: another one means that something was written there since. */
export async function describeSource({ plan }: MigrateWork, { source }: OpenPass): Promise<string> {
  const top = fromText(plan.source.workspace);
  const { entries } = await source.list([top], { deep: true });
  const { include, exclude } = plan.wishes;
  const choice = readChoice({ destinationId: plan.destination.id, include, exclude });
  const { kept } = splitEntries(entries.get(top) ?? [], choice);
  const lines = kept
    .filter(({ path, type }) => type !== 'directory' && path.split('/')[0] !== BACKUPS)
    .map(({ path, type, size, mode, mtimeNs, target }) =>
      JSON.stringify([path, type, size, mode, `${mtimeNs}`, target]),
    );
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
}

/** Stopped or destroyed as asked for; never while something of it is nowhere else. */
export async function endSource(work: MigrateWork, action: 'stop' | 'destroy'): Promise<void> {
  const { source, run, plan, reporter } = work;
  if (source === null) return;
  const reason = factsOf(work).sourceKept ?? (await whyKept(work, action));
  // A look before: it may be gone already. It would start again with the lock of a run that has ended.
  if (reason === null) return work.endSource(action, () => releaseMachine(source, lockOf(work)));
  await run.setFacts({ sourceKept: reason });
  reporter.warn(`Instance ${source.id} was not ${action === 'stop' ? 'stopped' : 'destroyed'}: ${reason}.`);
  if (plan.source.forgeRan) await switchForge(source, 'start');
}

async function whyKept(work: MigrateWork, action: 'stop' | 'destroy'): Promise<string | null> {
  const { packagesFailed, packagesLeft = [], sourceState } = factsOf(work);
  if (packagesFailed !== undefined) return 'its packages could not be installed on the destination';
  if (action === 'stop' || (await work.isSourceGone())) return null;
  if (packagesLeft.length > 0) return `packages of it cannot be had again: ${packagesLeft[0]?.line ?? ''}`;
  const pass = await work.openPass('Looking at the source once more');
  try {
    return (await describeSource(work, pass)) === sourceState
      ? null
      : 'something was written there since it was compared';
  } finally {
    pass.end(true);
    pass.close();
  }
}
