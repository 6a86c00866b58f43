import { EXIT, ForgeError } from '../../errors.js';
import {
  type ConfigChange,
  parseReloadAll,
  parseReread,
  parseUpdate,
  reloadAllScript,
  rereadScript,
  updateScript,
} from '../../instance/services/service-action.js';
import type { Program } from '../../instance/supervisor.js';
import type { MachineSession } from '../machine-session.js';

/** What an update would do. Reading the configuration again changes nothing that runs. */
export async function rereadConfig(session: MachineSession): Promise<ConfigChange[]> {
  const { changes, problem } = parseReread((await session.run(rereadScript())).output);
  if (problem !== null) throw unreadable(session.id, problem);
  return changes;
}

/** Starts, restarts and removes what `changes` say. Sent twice, the second has nothing to do, so the first answer is judged by the programs. */
export async function updateConfig(session: MachineSession, changes: readonly ConfigChange[]): Promise<Program[]> {
  const { problem, after } = parseUpdate((await session.run(updateScript())).output);
  if (problem !== null) throw unreadable(session.id, problem);
  const isThere = (name: string): boolean => after.some((program) => program.name === name || program.group === name);
  const wrong = changes.find(({ program, change }) => isThere(program) === (change === 'removed'));
  if (wrong !== undefined) throw unreadable(session.id, `${wrong.program} was not ${wrong.change}`);
  return after;
}

/** supervisord itself anew. Throws (exit 8) when it does not come back. */
export async function reloadAll(session: MachineSession): Promise<Program[]> {
  const { isUp, after } = parseReloadAll((await session.run(reloadAllScript())).output);
  if (isUp) return after;
  throw new ForgeError(`The supervisor of instance ${session.id} did not come back.`, {
    code: 'SUPERVISOR_NOT_UP',
    exit: EXIT.notReady,
    hint: `forgectl reboot ${session.id}`,
    details: { instance_id: session.id },
  });
}

function unreadable(id: number, problem: string): ForgeError {
  return new ForgeError(`Supervisor cannot take its configuration: ${problem}`, {
    code: 'SUPERVISOR_CONFIG',
    exit: EXIT.notReady,
    hint: `forgectl exec ${id} -- ls -l /etc/supervisor/conf.d`,
    details: { instance_id: id },
  });
}
