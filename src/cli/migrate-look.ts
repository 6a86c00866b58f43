import { systemClock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import { fromText } from '../instance/files/byte-path.js';
import type { TreeEntry } from '../instance/files/tree-entry.js';
import { parseReach, reachScript, type SourceAddress } from '../instance/migration/direct/passage.js';
import { type MachineLook, machineLookScript, parseMachineLook } from '../instance/migration/machine-look.js';
import type { Instance } from '../vast/model.js';
import type { MachineSession } from '../workflows/machine-session.js';
import { readChoice, usuallyLeftOut } from '../workflows/migrate/left-out.js';
import type { PlanInput, Side, Wishes } from '../workflows/migrate/plan.js';
import { summarizeTrees, type TreeSummary } from '../workflows/migrate/tree-summary.js';
import type { OpenPass } from '../workflows/migrate/work.js';
import { sshCandidates } from './addresses.js';
import type { ForgeContext } from './context.js';
import { type Machines, openPass } from './migrate-machines.js';

export interface Looked {
  source: Side;
  destination: Side;
  summary: TreeSummary;
  reach: PlanInput['reach'];
}

/** Everything that the plan needs; changes nothing on either machine. */
export async function lookAtBoth(context: ForgeContext, machines: Machines, wishes: Wishes): Promise<Looked> {
  const stage = (await context.stageReporter(systemClock)).stage('look', 'Looking at both machines');
  try {
    const pass = await openPass(context, { machines, wishes, events: false, title: '' });
    try {
      const [source, destination, reach] = await Promise.all([
        machines.listed === null
          ? lookAt(machines.source, pass.source)
          : lookAtList(machines.source.instance, machines.listed),
        lookAt(machines.destination, pass.destination),
        machines.listed === null && (wishes.via === 'auto' || wishes.via === 'direct') ? reaches(machines) : null,
      ]);
      const destinationId = machines.destination.id;
      const summary = summarizeTrees({
        source: source.entries,
        destination: destination.entries,
        workspace: source.side.workspace,
        excluded: readChoice({ destinationId, include: wishes.include, exclude: wishes.exclude }),
        rules: [
          ...wishes.exclude.map((pattern) => ({ pattern, reason: 'by --exclude' })),
          ...usuallyLeftOut(destinationId),
        ],
      });
      stage.done();
      return { source: source.side, destination: destination.side, summary, reach };
    } finally {
      pass.close();
    }
  } catch (error) {
    stage.failed();
    throw error;
  }
}

/** One machine: what it is, and what lies in its workspace. */
export async function lookAt(
  session: MachineSession,
  files: OpenPass['source'],
): Promise<{ side: Side; entries: TreeEntry[] }> {
  const [{ output }, place] = await Promise.all([session.run(machineLookScript()), files.resolve(fromText('.'))]);
  const look = parseMachineLook(output);
  if (look === null || place.kind !== 'directory') throw noWorkspace(session.id);
  const [{ entries }, { freeBytes }] = await Promise.all([
    files.list([place.real], { deep: true }),
    files.space(place.real),
  ]);
  const workspace = Buffer.from(place.real, 'latin1').toString('utf8');
  return {
    side: { instance: session.instance, look, workspace, freeBytes, isStopped: false },
    entries: entries.get(place.real) ?? [],
  };
}

/** Of a machine that does not run nothing else is known. */
const UNSEEN: MachineLook = {
  envHash: null,
  pythonVersion: null,
  isProvisioning: false,
  hasSupervisor: false,
  forgeRuns: null,
  isDrawing: null,
  mounts: [],
  hasSsh: false,
  hasPython: false,
  bootMark: null,
  lock: null,
};

export async function lookAtList(
  instance: Instance,
  listed: NonNullable<Machines['listed']>,
): Promise<{ side: Side; entries: TreeEntry[] }> {
  const { directory, entries } = await listed();
  return { side: { instance, look: UNSEEN, workspace: directory, freeBytes: 0, isStopped: true }, entries };
}

async function reaches({ source, destination }: Machines): Promise<PlanInput['reach']> {
  const isReached = async (from: MachineSession, to: MachineSession): Promise<boolean> => {
    const address = directAddress(to.instance);
    return address !== null && parseReach((await from.run(reachScript(address))).output);
  };
  const [toSource, toDestination] = await Promise.all([isReached(destination, source), isReached(source, destination)]);
  return { source: toSource, destination: toDestination };
}

export function directAddress(instance: Instance): SourceAddress | null {
  const found = sshCandidates(instance).find(({ via }) => via === 'direct');
  return found === undefined ? null : { host: found.host, port: found.port };
}

function noWorkspace(id: number): ForgeError {
  return new ForgeError(`Instance ${id} does not say what it has: it may be booting, or be another image.`, {
    code: 'NO_WORKSPACE',
    exit: EXIT.notReady,
    hint: `forgectl wait ${id} --for boot`,
    details: { instance_id: id },
  });
}
