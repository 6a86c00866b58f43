import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { quote } from '../../instance/remote-command.js';
import { forge } from '../../instance/services/forge.js';
import type { MachineSession } from '../machine-session.js';
import { awaitForge } from '../upgrade/health.js';
import { lookAtServices } from './look.js';

export interface AwaitAnswer {
  clock: Clock;
  timeoutMs: number;
  onLook(text: string): void;
}

const POLL_MS = 3000;

/** Waits until the service answers; one without a port until it runs. Exit 7 when time runs out, 8 when it dies. */
export async function awaitService(session: MachineSession, name: string, deps: AwaitAnswer): Promise<void> {
  const { clock, timeoutMs, onLook } = deps;
  if (name === forge.name) {
    await awaitForge(session, { clock, onLook, deadlineMs: timeoutMs });
    return;
  }
  const untilMs = clock.now() + timeoutMs;
  for (;;) {
    const { rows } = await lookAtServices(session, { answers: true, watch: false });
    const row = rows.find((one) => one.name === name);
    if (row?.state === 'running') return;
    if (row === undefined || !WAITING.has(row.state)) throw down(session.id, name, row?.state ?? 'unknown');
    onLook(`${name}: ${row.reason ?? row.state}`);
    if (clock.now() > untilMs) throw tooLate(session.id, name);
    await clock.sleep(POLL_MS, session.signal);
  }
}

const WAITING = new Set(['starting', 'not_answering', 'stopping']);

function down(id: number, name: string, state: string): ForgeError {
  return new ForgeError(`${name} does not come up: it is ${state.replaceAll('_', ' ')}.`, {
    code: 'SERVICE_DOWN',
    exit: EXIT.notReady,
    hint: `forgectl logs ${id} ${quote([name])}`,
    details: { instance_id: id, service: name },
  });
}

function tooLate(id: number, name: string): ForgeError {
  return new ForgeError(`${name} did not answer in time.`, {
    code: 'SERVICE_TIMEOUT',
    exit: EXIT.timedOut,
    hint: `Wait longer with --timeout, or look: forgectl logs ${id} ${quote([name])}`,
    details: { instance_id: id, service: name },
  });
}
