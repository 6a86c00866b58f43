import { EXIT, ForgeError } from '../errors.js';
import { parseTorch, type TorchSet, torchDrift, torchScript } from '../instance/torch-set.js';
import type { MachineSession } from './machine-session.js';

/** Throws (TORCH_CHANGED, exit 8) when a build of torch is another than the plan has seen. */
export async function proveTorch({
  session,
  plan,
}: {
  session: MachineSession;
  plan: { torch: TorchSet };
}): Promise<void> {
  const drift = torchDrift(plan.torch, parseTorch((await session.run(torchScript())).output));
  if (drift === null) return;
  throw new ForgeError(`The torch builds are not what they were: ${drift}.`, {
    code: 'TORCH_CHANGED',
    exit: EXIT.notReady,
    hint: 'These builds belong to the card and its driver; nothing may replace them.',
  });
}
