import { EXIT, ForgeError } from '../errors.js';
import type { Volume } from '../vast/model.js';
import type { Vast } from '../vast/vast.js';
import type { AuditFacts } from '../workflows/audit.js';
import type { RunRecord } from '../workflows/journal.js';
import type { ForgeContext } from './context.js';
import { instancesOfRun } from './run-output.js';

/** Everything that an audit looks at, read at one moment. Throws when a list cannot be trusted. */
export async function auditFacts(context: ForgeContext, stoppedForMs: number): Promise<AuditFacts> {
  const vast = await context.vast();
  const [instances, volumes] = await Promise.all([vast.instances.list(), volumesOf(vast, context)]);
  const { journal } = context;
  const open = journal.list().filter(({ state }) => state === 'open');
  const isHeld = ({ id }: RunRecord): boolean => journal.holder(id) !== null;
  const claims = (run: RunRecord) => ({ instanceIds: instancesOfRun(run), label: labelOf(run) });
  return {
    instances,
    volumes,
    cutOff: open.filter((run) => !isHeld(run)).map((run) => ({ run, ...claims(run) })),
    inWork: open.filter(isHeld).map(claims),
    stoppedSinceMs: (id) => context.ownStops.sinceMs(id),
    nowMs: context.clock.now(),
    stoppedForMs,
  };
}

/** The label that the run's machines bear. */
function labelOf({ plan }: RunRecord): string | null {
  const { label } = (plan ?? {}) as { label?: unknown };
  return typeof label === 'string' ? label : null;
}

/** A key without that permission is common; everything else about the list must be right. */
async function volumesOf(vast: Vast, context: ForgeContext): Promise<Volume[]> {
  try {
    return await vast.volumes.list();
  } catch (error) {
    if (!(error instanceof ForgeError) || error.exit !== EXIT.notPermitted) throw error;
    context.reporter.warn('This API key may not list volumes; they are not audited.');
    return [];
  }
}
