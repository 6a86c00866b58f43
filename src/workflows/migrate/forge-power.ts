import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { PROGRAMS } from '../../instance/layout.js';
import { hasHappened, parseActionAnswer, serviceActionScript } from '../../instance/services/service-action.js';
import type { MachineSession } from '../machine-session.js';
import { forgeAnswers } from '../upgrade/health.js';

const LIMIT_MS = 120_000;

/** Through supervisor, which would start it again after anything else. A machine without Forge has nothing to stop. */
export async function switchForge(session: MachineSession, action: 'stop' | 'start'): Promise<void> {
  const { output } = await session.run(serviceActionScript(action, PROGRAMS.forge, null), LIMIT_MS);
  const { said, after } = parseActionAnswer(output);
  if ((after === null && action === 'stop') || hasHappened(action, after, null)) return;
  throw new ForgeError(`Forge on instance ${session.id} did not ${action}${said === '' ? '' : `: ${said}`}.`, {
    code: 'SERVICE_ACTION_FAILED',
    exit: EXIT.notReady,
    hint: `forgectl service status ${session.id} forge`,
    details: { instance_id: session.id },
  });
}

const POLL_MS = 1000;

/** False when it does not within the time. */
export async function awaitAnswer(session: MachineSession, clock: Clock, limitMs: number): Promise<boolean> {
  const untilMs = clock.now() + limitMs;
  for (;;) {
    if (await forgeAnswers(session)) return true;
    if (clock.now() > untilMs) return false;
    await clock.sleep(POLL_MS, session.signal);
  }
}
