import type { Clock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import type { Instance } from '../vast/model.js';

export interface DestroyDependencies {
  /** Sends the request. A contract that is gone already is no error. */
  destroy(id: number): Promise<void>;
  /** Null once the contract is gone. */
  readInstance(id: number): Promise<Instance | null>;
  /** Takes away the platform's jobs on a contract that is gone. Never fails. */
  sweepJobs?(id: number): Promise<void>;
  clock: Clock;
}

/** In the clock's time: how long the platform may take to forget a contract, failures of the API included. */
const LIMIT_MS = 2 * 60_000;
const POLL_MS = 3_000;
/** A request that was accepted and not carried out is sent again. */
const SEND_AGAIN_MS = 30_000;

/**
 * Destroyed means read back as gone. Failures in between are waited out; what cannot be confirmed in time is an error
 * (exit 15), because it may go on billing. Missing permission ends it at once. `onLook` gets what is seen meanwhile.
 */
export async function destroyAndConfirm(
  deps: DestroyDependencies,
  id: number,
  onLook: (row: Instance) => void = () => {},
  signal?: AbortSignal,
): Promise<void> {
  await destroyUntilGone(deps, id, onLook, signal);
  await deps.sweepJobs?.(id);
}

async function destroyUntilGone(
  deps: DestroyDependencies,
  id: number,
  onLook: (row: Instance) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const startedMs = deps.clock.now();
  let sentMs = Number.NEGATIVE_INFINITY;
  let last: ForgeError | null = null;
  while (deps.clock.now() - startedMs <= LIMIT_MS) {
    try {
      if (deps.clock.now() - sentMs > SEND_AGAIN_MS) {
        await deps.destroy(id);
        sentMs = deps.clock.now();
      }
      const row = await deps.readInstance(id);
      if (row === null) return;
      onLook(row);
      last = null;
    } catch (error) {
      if (!(error instanceof ForgeError)) throw error;
      if (error.exit !== EXIT.apiFailed) throw unconfirmed(id, error);
      last = error;
    }
    await deps.clock.sleep(POLL_MS, signal).catch((error: unknown) => {
      throw unconfirmed(id, error as ForgeError);
    });
  }
  throw unconfirmed(id, last);
}

function unconfirmed(id: number, cause: ForgeError | null): ForgeError {
  const stopped =
    cause?.exit === EXIT.interrupted || cause?.exit === EXIT.terminated || cause?.exit === EXIT.notPermitted;
  const why = cause?.message ?? `it is still there after ${LIMIT_MS / 60_000} min`;
  return new ForgeError(`Instance ${id} could not be confirmed as destroyed: ${why}`, {
    code: 'DESTROY_UNCONFIRMED',
    exit: stopped ? cause.exit : EXIT.cleanUpFailed,
    hint: `It may still be billed. Try again: forgectl destroy ${id}`,
    cause: cause ?? undefined,
    details: { instance_id: id },
  });
}
