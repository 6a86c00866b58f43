import type { Instance } from '../vast/model.js';

/** Why a machine that should run never will, or null while there is hope. Sources: vast-api 5.4, the platform's QA tools. */
export interface DeadEnd {
  code: 'INSTANCE_EXITED' | 'INSTANCE_OFFLINE' | 'INSTANCE_FATAL_STATUS' | 'INSTANCE_NOT_STARTED' | 'INSTANCE_OUTBID';
  reason: string;
  /** No other host would do better with this image. */
  imageIsBad?: true;
}

const NO_SUCH_IMAGE = 'the image does not exist';

/** Only words that never appear in a healthy pull; "error" alone does (layer names, retried downloads). */
const FATAL_STATUS_MESSAGES: readonly (readonly [pattern: RegExp, meaning: string])[] = [
  [/unsatisfied condition: cuda/iu, "the host's driver is too old for the image"],
  [/oci runtime (create )?(error|failed)|oci runtime/iu, 'the container runtime refused to start the image'],
  [/no space left on device/iu, "the host's disk is full"],
  [/manifest unknown|manifest for .* not found/iu, NO_SUCH_IMAGE],
  [/failed to pull image|pull access denied/iu, 'the image could not be pulled'],
  [/unauthorized/iu, 'the image registry refused the host'],
  [/error response from daemon/iu, "the host's docker daemon reported an error"],
  [/unexpected eof/iu, 'the image pull broke off'],
];

const NEVER_RUNS_AGAIN = new Set(['exited', 'stopped', 'error']);
const NOT_REACHABLE = new Set(['offline', 'unknown']);

export function findDeadEnd(instance: Instance, isOwnStop = false): DeadEnd | null {
  const { actualStatus: status, statusMsg: message, intendedStatus: intended } = instance;
  for (const [pattern, meaning] of FATAL_STATUS_MESSAGES) {
    if (status !== 'running' && message !== null && pattern.test(message)) {
      const imageIsBad = meaning === NO_SUCH_IMAGE ? { imageIsBad: true as const } : {};
      return { code: 'INSTANCE_FATAL_STATUS', reason: `${meaning} (${message})`, ...imageIsBad };
    }
  }
  if (isOutbid(instance, isOwnStop)) return { code: 'INSTANCE_OUTBID', reason: 'somebody bid more for the machine' };
  if (status !== null && NOT_REACHABLE.has(status)) {
    return { code: 'INSTANCE_OFFLINE', reason: `the host is ${status === 'offline' ? 'offline' : 'not answering'}` };
  }
  if (status !== null && NEVER_RUNS_AGAIN.has(status)) {
    return { code: 'INSTANCE_EXITED', reason: `the container is ${status}${message === null ? '' : ` (${message})`}` };
  }
  if (intended === 'stopped') return { code: 'INSTANCE_NOT_STARTED', reason: 'the platform holds it stopped' };
  return null;
}

/**
 * An interruptible machine that lost its GPU shows all three states stopped (dstack's reading of the API). So does one
 * that its owner has stopped: `isOwnStop` says that forgectl remembers doing it (own-stops.ts).
 */
export function isOutbid(instance: Instance, isOwnStop = false): boolean {
  return (
    !isOwnStop &&
    instance.isBid &&
    instance.curState === 'stopped' &&
    instance.nextState === 'stopped' &&
    instance.intendedStatus === 'stopped'
  );
}

/** It does not run, and nothing is about to start it. */
export function isAtRest({ actualStatus, intendedStatus }: Instance): boolean {
  return intendedStatus === 'stopped' && actualStatus !== 'running';
}

/** One word for tables: what the user calls the state. */
export function stateWord(instance: Instance, isOwnStop = false): string {
  const { actualStatus: status, intendedStatus: intended } = instance;
  if (isOutbid(instance, isOwnStop)) return 'outbid';
  if (status === null) return 'creating';
  if (status === 'exited' && intended === 'stopped') return 'stopped';
  if (status === 'running' && intended === 'stopped') return 'stopping';
  if ((status === 'exited' || status === 'stopped') && intended === 'running') {
    return instance.curState === 'running' ? 'exited' : 'scheduling';
  }
  return status;
}
