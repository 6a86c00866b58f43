import { EXIT, ForgeError } from '../../errors.js';
import type { Instance } from '../../vast/model.js';

interface Situation {
  /** It has carried sockets before. */
  wasUp: boolean;
  instance: Instance;
  /** Since the connection was lost, or since the first try. */
  elapsedMs: number;
  firstPatienceMs: number;
}

/** No key, or one that was refused after it was put on the machine again; a machine that is another one, or that attacks. */
const FINAL = new Set([
  'INSTANCE_VANISHED',
  'SSH_AUTH',
  'SSH_KEY',
  'SSH_HOST_KEY_UNREADABLE',
  'SSH_HOST_KEY_MISMATCH',
  'SSH_PROTOCOL',
]);

/** After a restart the API may still show the old port, where a stranger lives by now. That passes with the next row. */
const STRANGER_PATIENCE_MS = 120_000;

/** Whether it is of use to try again. */
export function mayPass(error: unknown, situation: Situation): error is ForgeError {
  const { wasUp, instance, elapsedMs, firstPatienceMs } = situation;
  if (!(error instanceof ForgeError)) return false;
  // Refused, and the API is down: the key could not be put back yet.
  if (error.code === 'SSH_AUTH' && error.details['attach_error'] !== undefined) return wasUp;
  if (FINAL.has(error.code)) return false;
  if (error.code === 'SSH_HOST_KEY_CHANGED') return wasUp && elapsedMs <= STRANGER_PATIENCE_MS;
  // A machine that was stopped under a living tunnel may be started again.
  if (error.exit === EXIT.notReady) return wasUp;
  if (error.exit !== EXIT.sshFailed && error.exit !== EXIT.apiFailed) return false;
  // A machine that still boots is waited for; one that runs should answer.
  return wasUp || instance.actualStatus !== 'running' || elapsedMs <= firstPatienceMs;
}
