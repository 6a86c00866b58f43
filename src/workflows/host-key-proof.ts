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
  tries = TRIES,
): Promise<'verified' | 'first seen'> {
  const shown = deps.pinnedKey(instance.id);
  if (shown === null) return 'first seen';
  const named = await namesHostKey(deps, instance, (key) => key === shown, tries);
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
  tries = TRIES,
): Promise<boolean | null> {
  if (nonceOf(instance.onstart) === null) return null;
  let answer: boolean | null = null;
  for (let look = 0; look < tries; look += 1) {
    if (look > 0) await deps.clock.sleep(TRY_EVERY_MS, deps.signal);
    const named = await namedHostKeys(deps, instance);
    if (named?.some(isWanted)) return true;
    if (named !== null) answer = false;
  }
  return answer;
}

/** The host keys ("type base64") that the instance names in its log; null when it names none that can be read now. */
async function namedHostKeys(
  deps: Pick<HostKeyProofDependencies, 'grepContainerLog'>,
  instance: Pick<Instance, 'id' | 'onstart'>,
): Promise<string[] | null> {
  const nonce = nonceOf(instance.onstart);
  if (nonce === null) return null;
  const named = parseHostKeyLines((await deps.grepContainerLog(instance.id, nonce)) ?? '', nonce);
  return named.length === 0 ? null : named;
}

/** before: of commands that send something. beside: of waits, which read a machine's state and compare the key meanwhile. */
export type ProofTime = 'before' | 'beside';

export interface HostKeyTrustDependencies
  extends Pick<HostKeyProofDependencies, 'grepContainerLog' | 'clock' | 'signal'> {
  /** The pinned key is the instance's own, and no other one is expected. */
  isProved(instanceId: number): boolean;
  /** It was asked a moment ago, by another command perhaps, and named no key. */
  isUnnamed(instanceId: number): boolean;
  noteUnnamed(instanceId: number): void;
}

/**
 * Finds out which host keys an instance has before it is logged in to for the first time, so that whoever else answers at
 * its address gets nothing: not a script, not a variable, not a file.
 */
export class HostKeyTrust {
  private readonly deps: HostKeyTrustDependencies;
  private readonly time: ProofTime;
  private readonly known = new Map<number, { keys: ReadonlySet<string> | null; askedMs: number }>();

  constructor(deps: HostKeyTrustDependencies, time: ProofTime) {
    this.deps = deps;
    this.time = time;
  }

  /** The only keys to accept; null when the pin decides, or the instance names none and the first one seen has to do. */
  async keysOf(instance: Instance): Promise<ReadonlySet<string> | null> {
    if (this.deps.isProved(instance.id)) return null;
    if (this.time === 'before' && this.isDue(instance)) await this.ask(instance);
    return this.known.get(instance.id)?.keys ?? null;
  }

  /**
   * Logs in, with what the instance names. A machine that was just made anew may name its former keys for a moment, so a
   * key that is not named is looked up once more.
   */
  async login<T>(instance: Instance, login: (keys: ReadonlySet<string> | null) => Promise<T>): Promise<T> {
    try {
      return await this.loginOnce(instance, login);
    } catch (error) {
      // A wait asks beside its looks: the machine may be where nobody may be trusted at first sight.
      if (this.time === 'beside' && this.isDue(instance)) this.ask(instance).catch(() => {});
      if (this.time === 'beside' || !(error instanceof ForgeError) || error.code !== MISMATCH) throw error;
    }
    await this.deps.clock.sleep(TRY_EVERY_MS, this.deps.signal);
    await this.ask(instance);
    return this.loginOnce(instance, login);
  }

  private async loginOnce<T>(instance: Instance, login: (keys: ReadonlySet<string> | null) => Promise<T>): Promise<T> {
    const keys = await this.keysOf(instance);
    const result = await login(keys);
    if (keys === null && this.known.has(instance.id)) this.deps.noteUnnamed(instance.id);
    return result;
  }

  private isDue(instance: Instance): boolean {
    if (nonceOf(instance.onstart) === null) return false;
    const known = this.known.get(instance.id);
    if (known === undefined) return !this.deps.isUnnamed(instance.id);
    return known.keys === null && this.deps.clock.now() - known.askedMs > ASK_EVERY_MS;
  }

  private async ask(instance: Instance): Promise<void> {
    const before = this.known.get(instance.id)?.keys ?? null;
    this.known.set(instance.id, { keys: before, askedMs: this.deps.clock.now() });
    const named = await namedHostKeys(this.deps, instance);
    if (named !== null) this.known.set(instance.id, { keys: new Set(named), askedMs: this.deps.clock.now() });
  }
}

/** Of one command that goes on for long. */
const ASK_EVERY_MS = 60_000;

const MISMATCH = 'SSH_HOST_KEY_MISMATCH';

function mismatch(instanceId: number): ForgeError {
  return new ForgeError(
    `Instance ${instanceId} names other host keys than the one that its address showed: another machine answers there.`,
    {
      code: MISMATCH,
      exit: EXIT.sshFailed,
      hint: `Send nothing there. forgectl destroy ${instanceId}`,
      details: { instance_id: instanceId },
    },
  );
}
