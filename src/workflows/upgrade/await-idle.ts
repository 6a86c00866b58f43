import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { Facts, SAY_FACTS } from '../../instance/facts.js';
import { progressScript, readProgress } from '../../instance/forge-progress.js';
import { FETCH } from '../../instance/http-script.js';
import { SCRATCH } from '../../instance/scratch.js';
import type { MachineSession } from '../machine-session.js';

const POLL_MS = 3000;

/** Waits until Forge draws nothing; what it does not say counts as nothing. Throws (exit 7) when it goes on. */
export async function awaitIdle(session: MachineSession, clock: Clock, timeoutMs: number): Promise<void> {
  const untilMs = clock.now() + timeoutMs;
  const script = `${FETCH}${SAY_FACTS}${SCRATCH}\n${progressScript()}`;
  for (;;) {
    const { output } = await session.run(script);
    if (readProgress(new Facts(output).raw('progress')) !== true) return;
    if (clock.now() > untilMs) {
      throw new ForgeError(`Forge on instance ${session.id} is still drawing.`, {
        code: 'FORGE_BUSY',
        exit: EXIT.timedOut,
        hint: 'Wait longer with --busy-timeout, or go on with --if-busy go: what it draws is lost.',
        details: { instance_id: session.id },
      });
    }
    await clock.sleep(POLL_MS, session.signal);
  }
}
