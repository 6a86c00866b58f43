import { EXIT, ForgeError } from '../errors.js';
import { formatPerHour } from '../ui/format.js';
import type { Instance } from '../vast/model.js';
import type { ForgeContext } from './context.js';
import type { prepareLaunch } from './launch-choice.js';
import { beginLaunch } from './launch-runs.js';

type PreparedLaunch = Awaited<ReturnType<typeof prepareLaunch>>;

/** Rents, then acts on the machine that it became; a failure from then on names it and what it costs. */
export async function rentFirst<T>(
  context: ForgeContext,
  { launch, sshKeyFile }: { launch: PreparedLaunch; sshKeyFile: string | null },
  act: (destination: Instance) => Promise<T>,
): Promise<T> {
  const { identity, plan, envNames, script } = launch;
  const { contractId, plan: rented } = await beginLaunch(context, plan, identity, { sshKeyFile, envNames, script });
  try {
    const destination = await (await context.vast()).instances.get(contractId);
    if (destination === null) throw vanished(contractId);
    return await act(destination);
  } catch (error) {
    throw nameTheNew(error, contractId, rented.price.runningPerHourUsd);
  }
}

function nameTheNew(error: unknown, id: number, perHourUsd: number): unknown {
  if (!(error instanceof ForgeError) || error.code === 'INSTANCE_VANISHED') return error;
  const { message, code, exit, hint, details } = error;
  const bill = `Instance ${id} was rented for it and bills ${formatPerHour(perHourUsd)}. Without it: forgectl destroy ${id}`;
  return new ForgeError(message, {
    code,
    exit,
    hint: [hint, bill].filter(Boolean).join('\n'),
    cause: error,
    details: { ...details, destination_id: id },
  });
}

function vanished(id: number): ForgeError {
  return new ForgeError(`Instance ${id} is gone before anything was brought to it.`, {
    code: 'INSTANCE_VANISHED',
    exit: EXIT.notFound,
    hint: 'Nothing else was changed.',
  });
}
