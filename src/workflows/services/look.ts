import { EXIT, ForgeError } from '../../errors.js';
import { readServices } from '../../instance/services/machine-services.js';
import {
  type LookDepth,
  parseServiceLook,
  type ServiceLook,
  serviceLookScript,
} from '../../instance/services/service-look.js';
import { type ServiceRow, serviceRows } from '../../instance/services/service-rows.js';
import type { MachineSession } from '../machine-session.js';

export interface SeenServices {
  rows: ServiceRow[];
  look: ServiceLook;
}

const LOOK_LIMIT_MS = 60_000;

/** What the machine runs now. Throws (exit 8) when there is no supervisor to ask. */
export async function lookAtServices(session: MachineSession, depth: LookDepth): Promise<SeenServices> {
  const services = await readServices({ run: (...call) => runOnce(session, ...call) }, LOOK_LIMIT_MS);
  const { output } = await session.run(serviceLookScript(services.services, depth), LOOK_LIMIT_MS);
  const look = parseServiceLook(output);
  if (!look.isUp) throw notUp(session.id);
  return { rows: serviceRows(services, look), look };
}

async function runOnce(session: MachineSession, ...[script, options]: Parameters<Shell['run']>) {
  return (await session.connection()).run(script, { ...options, signal: session.signal });
}

type Shell = Parameters<typeof readServices>[0];

function notUp(id: number): ForgeError {
  return new ForgeError(
    `The supervisor of instance ${id} does not answer: it is booting, or it is not a Forge image.`,
    {
      code: 'SUPERVISOR_NOT_UP',
      exit: EXIT.notReady,
      hint: `forgectl wait ${id} --for boot, or: forgectl logs ${id} --boot`,
      details: { instance_id: id },
    },
  );
}
