import { systemClock } from '../clock.js';
import type { Instance } from '../vast/model.js';
import type { ConnectDependencies, Link } from '../workflows/connect-instance.js';
import type { ForgeContext } from './context.js';

interface LinkOptions {
  /** A private key that was named on the line. */
  sshKey?: string | null;
  /** How long failures that may pass are tried again; wall time, ms. */
  patienceMs?: number;
}

/** Long enough for a machine that runs since a moment, short enough for somebody who looks at the screen. */
export const PATIENCE_MS = 45_000;

/** What connecting and connecting again needs; the keys are chosen (and a passphrase asked for) once. */
export async function connectDependencies(
  context: ForgeContext,
  sshKey: string | null = null,
): Promise<ConnectDependencies> {
  const { loginDependencies } = await import('./machine-access.js');
  // Not spread: its signal is another one after an interruption.
  return Object.assign(await loginDependencies(context, sshKey), { clock: systemClock });
}

/** A login to an instance that was named on the line. Says on stderr what it waits for. */
export async function openLink(context: ForgeContext, instance: Instance, options: LinkOptions = {}): Promise<Link> {
  const { connectInstance } = await import('../workflows/connect-instance.js');
  return connectInstance(await connectDependencies(context, options.sshKey ?? null), {
    instanceId: instance.id,
    known: instance,
    patienceMs: options.patienceMs ?? PATIENCE_MS,
    onRetry: (error, inMs) =>
      context.reporter.info(`${error.message} Trying again in ${Math.round(inMs / 100) / 10} s …`),
  });
}
