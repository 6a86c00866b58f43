import { EXIT, ForgeError } from '../../errors.js';

/** What another machine can mend. Anything else (credit, key, template, spend limit) would fail there as well. */
const ANOTHER_MACHINE_HELPS = new Set([
  'INSTANCE_EXITED',
  'INSTANCE_OFFLINE',
  'INSTANCE_FATAL_STATUS',
  'INSTANCE_NOT_STARTED',
  'INSTANCE_OUTBID',
  'INSTANCE_VANISHED',
  'STALLED',
  'SSH_HOST_KEY_MISMATCH',
  'SSH_HOST_KEY_CHANGED',
]);

/** Rungs at which slowness is the host's doing; later it is the download's or the script's. */
const HOST_RUNGS = new Set(['api', 'ssh', 'boot']);

export function mayFailOver(error: unknown): error is ForgeError {
  if (!(error instanceof ForgeError)) return false;
  if (error.code === 'NOT_READY_IN_TIME') return HOST_RUNGS.has(String(error.details['rung'])) && !isWholeTime(error);
  return ANOTHER_MACHINE_HELPS.has(error.code) && error.details['image_is_bad'] !== true;
}

function isWholeTime(error: ForgeError): boolean {
  return error.details['whole_time'] === true;
}

/** The machine is not dead, or nobody can tell. */
export function mayComeUp(error: unknown): boolean {
  return error instanceof ForgeError && (error.code === 'NOT_READY_IN_TIME' || error.exit === EXIT.apiFailed);
}

/** The first sentence of a failure, for lists of attempts. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^Instance \d+ (will not come up: )?/u, '').replace(/\.$/u, '');
}
