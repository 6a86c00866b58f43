import { EXIT, ForgeError } from '../../errors.js';
import { quote } from '../../instance/remote-command.js';
import {
  hasHappened,
  parseActionAnswer,
  type ServiceAction,
  serviceActionScript,
} from '../../instance/services/service-action.js';
import type { ServiceRow } from '../../instance/services/service-rows.js';
import type { MachineSession } from '../machine-session.js';

export interface ActionResult {
  row: ServiceRow;
  /** `already`: it was so before. */
  result: 'done' | 'already' | 'failed';
  pidAfter: number | null;
  supervisorState: string | null;
  error: ForgeError | null;
}

/** A stop and a start of the slowest take 30 s. */
const ACTION_LIMIT_MS = 120_000;

/** What nothing should be tried with; `force` leaves only what cannot be done at all. */
export function refuseAction(
  action: ServiceAction,
  row: ServiceRow,
  { id, force }: { id: number; force: boolean },
): ForgeError | null {
  if (row.program === null && row.state !== 'run_by_platform') return notConfigured(row);
  if (row.state === 'run_by_platform' && (row.program === null || !force)) return runByPlatform(id, row);
  if (force) return null;
  if (action === 'stop' && row.isManagement) return management(id, row);
  if (action !== 'stop' && (row.state === 'skipped' || row.state === 'not_configured')) return skipped(row);
  return null;
}

/** Does it, and looks whether it is so. */
export async function actOnService(
  session: MachineSession,
  action: ServiceAction,
  row: ServiceRow,
): Promise<ActionResult> {
  const program = row.program ?? row.name;
  const { output } = await session.run(serviceActionScript(action, program, row.pid), ACTION_LIMIT_MS);
  const { said, after } = parseActionAnswer(output);
  const isDone = hasHappened(action, after, row.pid);
  const wasSo = isAlready(action, row) && isDone;
  return {
    row,
    result: isDone ? (wasSo ? 'already' : 'done') : 'failed',
    pidAfter: after?.pid ?? null,
    supervisorState: after?.state ?? null,
    error: isDone ? null : failed(session.id, action, row, { said, state: after?.state ?? null }),
  };
}

function isAlready(action: ServiceAction, { supervisorState }: ServiceRow): boolean {
  const isUp = supervisorState === 'RUNNING' || supervisorState === 'STARTING';
  if (action === 'start') return isUp;
  return action === 'stop' && ['STOPPED', 'EXITED', 'FATAL'].includes(supervisorState ?? '');
}

function notConfigured({ name }: ServiceRow): ForgeError {
  return new ForgeError(`Supervisor knows no program for ${name}.`, {
    code: 'SERVICE_NOT_CONFIGURED',
    exit: EXIT.notFound,
    hint: 'forgectl service ls shows what there is; after a change below /etc/supervisor/conf.d: forgectl service reload',
  });
}

function runByPlatform(id: number, { name }: ServiceRow): ForgeError {
  return new ForgeError(`${name} is run by the platform here, not by supervisor.`, {
    code: 'SERVICE_OF_PLATFORM',
    exit: EXIT.conflict,
    hint: `A reboot starts it again: forgectl reboot ${id}`,
  });
}

function management(id: number, { name }: ServiceRow): ForgeError {
  return new ForgeError(`${name} keeps the machine reachable from the web; it is not stopped.`, {
    code: 'MANAGEMENT_SERVICE',
    exit: EXIT.conflict,
    hint: `This is safe: forgectl service restart ${id} ${quote([name])}\n--force stops it all the same.`,
  });
}

function skipped({ name }: ServiceRow): ForgeError {
  return new ForgeError(`${name} would end at once: /etc/portal.yaml does not name it.`, {
    code: 'SERVICE_SKIPPED',
    exit: EXIT.conflict,
    hint: 'Name it there (its port must be published), then start it; --force starts it all the same.',
  });
}

function failed(
  id: number,
  action: ServiceAction,
  { name, program }: ServiceRow,
  { said, state }: { said: string; state: string | null },
): ForgeError {
  const why = [said, state === null ? null : `it is ${state}`].filter(Boolean).join('; ');
  return new ForgeError(`${name} did not ${action}${why === '' ? '' : `: ${why}`}.`, {
    code: 'SERVICE_ACTION_FAILED',
    exit: EXIT.notReady,
    hint: `forgectl logs ${id} ${quote([program ?? name])}`,
    details: { instance_id: id, service: name, supervisor_state: state },
  });
}
