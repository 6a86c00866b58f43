import { EXIT, ForgeError } from '../../errors.js';
import { PROGRAMS } from '../../instance/layout.js';
import { parseActionAnswer, type ServiceAction, serviceActionScript } from '../../instance/services/service-action.js';
import type { Reporter } from '../../ui/reporter.js';
import type { Run } from '../journal.js';
import type { MachineSession } from '../machine-session.js';

interface ServiceWork {
  session: MachineSession;
  run: Run;
  reporter: Reporter;
}

/** Whether it ran is in the journal before it is stopped. */
export async function stopForge(work: ServiceWork): Promise<void> {
  const { run, session } = work;
  if (run.record.facts['forgeRan'] === undefined) {
    const { output } = await session.run(`supervisorctl status ${PROGRAMS.forge} 2>/dev/null`);
    await run.setFacts({ forgeRan: /RUNNING|STARTING|BACKOFF/u.test(output) });
  }
  await act(work, 'stop');
}

/** Only what ran is started again. */
export async function startForge(work: ServiceWork): Promise<void> {
  if (work.run.record.facts['forgeRan'] === true) await act(work, 'start');
}

async function act({ session, reporter }: ServiceWork, action: ServiceAction): Promise<void> {
  const stage = reporter.stage(action, action === 'stop' ? 'Stopping Forge' : 'Starting Forge again');
  const { output } = await session.run(serviceActionScript(action, PROGRAMS.forge, null));
  const { said, after } = parseActionAnswer(output);
  const isUp = after?.state === 'RUNNING' || after?.state === 'STARTING';
  if (after === null || isUp === (action === 'start')) {
    stage.done();
    return;
  }
  stage.failed();
  throw new ForgeError(`Forge did not ${action}: ${said || after.state}`, {
    code: 'SERVICE_ACTION_FAILED',
    exit: EXIT.notReady,
    hint: `forgectl service status ${session.id} forge`,
    details: { instance_id: session.id },
  });
}
