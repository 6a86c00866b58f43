import type { Clock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import { nonceOf, parseHostKeyLines } from '../instance/host-key-line.js';
import type { Instance } from '../vast/model.js';

export interface HostKeyProofDependencies {
  /** Lines of the container's log that hold the text; null when the log is not to be had now. */
  grepContainerLog(instanceId: number, text: string): Promise<string | null>;
  /** The pinned key as "type base64"; null before the first login. */
  pinnedKey(instanceId: number): string | null;
  confirmKey(instanceId: number): void;
  clock: Clock;
  signal: AbortSignal;
}

const TRIES = 2;
const TRY_EVERY_MS = 10_000;

/**
 * Compares the key that was shown at the login with what the machine printed into its log. "first seen" when the log has no
 * such line (a template of somebody else's, a log that was cut). Throws when the machine named other keys.
 */
export async function proveHostKey(
  deps: HostKeyProofDependencies,
  instance: Pick<Instance, 'id' | 'onstart'>,
): Promise<'verified' | 'first seen'> {
  const shown = deps.pinnedKey(instance.id);
  if (shown === null) return 'first seen';
  const named = await namesHostKey(deps, instance, (key) => key === shown);
  if (named === null) return 'first seen';
  if (!named) throw mismatch(instance.id);
  deps.confirmKey(instance.id);
  return 'verified';
}

/**
 * Whether the instance names such a host key ("type base64") in its log; null when it names none. A machine that has just
 * been made anew may still name its former keys alone, so "no" is asked for twice.
 */
export async function namesHostKey(
  deps: Pick<HostKeyProofDependencies, 'grepContainerLog' | 'clock' | 'signal'>,
  instance: Pick<Instance, 'id' | 'onstart'>,
  isWanted: (key: string) => boolean,
): Promise<boolean | null> {
  const nonce = nonceOf(instance.onstart);
  if (nonce === null) return null;
  let answer: boolean | null = null;
  for (let look = 0; look < TRIES; look += 1) {
    if (look > 0) await deps.clock.sleep(TRY_EVERY_MS, deps.signal);
    const named = parseHostKeyLines((await deps.grepContainerLog(instance.id, nonce)) ?? '', nonce);
    if (named.some(isWanted)) return true;
    if (named.length > 0) answer = false;
  }
  return answer;
}

function mismatch(instanceId: number): ForgeError {
  return new ForgeError(
    `Instance ${instanceId} names other host keys than the one that its address showed: another machine answers there.`,
    {
      code: 'SSH_HOST_KEY_MISMATCH',
      exit: EXIT.sshFailed,
      hint: `Send nothing there. forgectl destroy ${instanceId}`,
      details: { instance_id: instanceId },
    },
  );
}
