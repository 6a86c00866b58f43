import { EXIT, type ExitCode, ForgeError } from '../../errors.js';
import type { Instance } from '../../vast/model.js';
import { findDeadEnd, isAtRest, stateWord } from '../instance-state.js';
import type { MigratePlan, PlanInput, Side, Wishes } from './plan.js';

/**
 * A source that does not run can be copied by the platform alone, and nobody can read its contents to compare them. That
 * is asked for by name, and never enough to destroy it.
 */
export function refuseStopped(source: Instance, wishes: Pick<Wishes, 'via' | 'verify' | 'afterwards'>): void {
  const { id } = source;
  if (source.actualStatus === 'running' || findDeadEnd(source) === null) return;
  const refuse = (message: string, hint: string, exit: ExitCode = EXIT.usage): never => {
    const code = exit === EXIT.usage ? 'USAGE' : 'SOURCE_STOPPED';
    throw new ForgeError(message, { code, exit, hint, details: { instance_id: id } });
  };
  const state = `Instance ${id} does not run (${stateWord(source)})`;
  if (wishes.via !== 'api')
    refuse(
      `${state}, so nothing on it can be read or compared.`,
      `Start it first: forgectl start ${id}\nWhen its GPU is taken: --via api. The platform copies it as it lies there; names, sizes, modes and times are compared, contents cannot be.`,
      EXIT.notReady,
    );
  if (!isAtRest(source))
    refuse(`${state}, and may start in the middle of the copy.`, `forgectl stop ${id}, then again`, EXIT.notReady);
  if (wishes.verify === 'full')
    refuse(`${state}: nobody can read its contents to compare them.`, 'Leave --verify full out, or start it.');
  if (wishes.afterwards === 'destroy')
    refuse(
      `${state}: its contents cannot be compared, so it is not destroyed.`,
      `Look at the copy first; then: forgectl destroy ${id}`,
    );
}

/** Left free at the destination, so that its programs can go on writing. */
const MARGIN_BYTES = 1024 ** 3;

/** What stands in the way, found before anything is touched. Throws the first of it. */
export function refuseMigration(
  plan: MigratePlan,
  { source, destination }: Pick<PlanInput, 'source' | 'destination'>,
): void {
  const problem = findProblem(plan, source, destination);
  if (problem === null) return;
  const { message, code, exit, hint } = problem;
  throw new ForgeError(message, {
    code,
    exit,
    hint,
    details: { source_id: plan.source.id, destination_id: plan.destination.id },
  });
}

interface Refusal {
  message: string;
  code: string;
  exit: ExitCode;
  hint: string;
}

function findProblem(plan: MigratePlan, source: Side, destination: Side): Refusal | null {
  const { id } = destination.instance;
  for (const { look, instance } of [source, destination]) {
    if (look.lock !== null) {
      return {
        code: 'MACHINE_LOCKED',
        message: `Instance ${instance.id} is being worked on: ${look.lock.why}, by ${look.lock.who} since ${look.lock.since}.`,
        exit: EXIT.conflict,
        hint: `Wait for it, or there: forgectl resume ${look.lock.run}, or forgectl undo ${look.lock.run}`,
      };
    }
  }
  if (destination.look.isProvisioning) {
    return {
      code: 'PROVISIONING_RUNS',
      message: `Instance ${id} is still provisioning: its script would write into what is moved there.`,
      exit: EXIT.notReady,
      hint: `forgectl wait ${id} --for provisioning`,
    };
  }
  if (destination.look.mounts.length > 0) {
    return {
      code: 'MOUNT_IN_WORKSPACE',
      message: `In the workspace of instance ${id} lie other file systems: ${destination.look.mounts.slice(0, 3).join(', ')}. They cannot be moved aside.`,
      exit: EXIT.conflict,
      hint: `Leave them out with --exclude ${destination.look.mounts[0]}/, or copy with forgectl cp.`,
    };
  }
  return findMismatch(plan) ?? findNoRoom(plan);
}

function findMismatch({ differences, wishes, destination }: MigratePlan): Refusal | null {
  const [first] = differences;
  if (first === undefined || wishes.allowImageMismatch) return null;
  return {
    code: 'IMAGE_MISMATCH',
    message: `The machines are not made from the same: ${differences.map(({ what, source, destination: other }) => `${what} ${source} and ${other}`).join('; ')}.`,
    exit: EXIT.conflict,
    hint: `${first.breaks}. All the same: --allow-image-mismatch. One that fits: forgectl migrate … --to-new instead of ${destination.id}`,
  };
}

function findNoRoom({ moves, destination }: MigratePlan): Refusal | null {
  const needed = moves.bytes + MARGIN_BYTES;
  if (needed <= destination.freeBytes) return null;
  return {
    code: 'DISK_FULL',
    message: `There is no room on instance ${destination.id}: ${gb(needed)} needed beside what is there, ${gb(destination.freeBytes)} free.`,
    exit: EXIT.notReady,
    hint: 'What is there is kept until the copy is proved. Leave something out with --exclude, make room, or use --to-new with --disk.',
  };
}

function gb(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
