import { networkInterfaces } from 'node:os';
import type { LineDependencies } from '../workflows/tunnel/line.js';
import type { ForgeContext } from './context.js';
import { connectDependencies } from './instance-link.js';

/** A call that hangs keeps the next one waiting, which may be the one that says where the machine is now. */
const ROW_LIMITS = { tries: 1, timeoutMs: 10_000 };

export async function lineDependencies(context: ForgeContext, sshKey: string | null): Promise<LineDependencies> {
  const { instances } = await context.vast();
  return {
    ...(await connectDependencies(context, sshKey)),
    readInstance: (id) => instances.get(id, ROW_LIMITS),
    random: Math.random,
    networkFingerprint,
  };
}

/** Every address that this computer has in a network. */
function networkFingerprint(): string {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address }) => address)
    .sort()
    .join(' ');
}
