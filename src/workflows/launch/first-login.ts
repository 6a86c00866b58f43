import { EXIT, ForgeError } from '../../errors.js';
import { bringScript } from '../../instance/carried-script.js';
import { runScript } from '../../instance/remote-script.js';
import { rememberText } from '../../secrets/sent.js';
import type { Instance } from '../../vast/model.js';
import type { ReadinessDependencies } from '../readiness/await-readiness.js';

/** Attaches the key at the first look at a running machine: the direct port accepts only keys of the instance itself (docs disagree). */
export function withKeyAttached<D extends ReadinessDependencies>(deps: D): D {
  let attached = false;
  return {
    ...deps,
    connect: async (instance) => {
      if (!attached) attached = await attach(deps, instance);
      return deps.connect(instance);
    },
  };
}

interface FirstLoginDependencies extends ReadinessDependencies {
  hostKeyProof(instance: Instance, options?: { isUrgent: boolean }): Promise<void>;
}

/** The comparison runs beside the boot, since the log takes seconds to come. A machine that turns out to be another ends the wait. */
export function watchHostKey(deps: FirstLoginDependencies): FirstLoginDependencies {
  const other = new AbortController();
  return {
    ...deps,
    signal: AbortSignal.any([deps.signal, other.signal]),
    onLogin: (instance, connection) => {
      deps.onLogin?.(instance, connection);
      // Awaited at the end of the launch, too; until then its failure must not end the process.
      deps.hostKeyProof(instance).catch((error: unknown) => other.abort(error));
    },
  };
}

/**
 * The boot waits for it (instance/carried-script), and it may hold tokens: so whose machine it is comes first. A cut on the
 * way is a login that failed: the next one brings it.
 */
export function withScriptBrought(deps: FirstLoginDependencies, script: string | null): ReadinessDependencies {
  if (script === null) return deps;
  return {
    ...deps,
    connect: async (instance) => {
      const connection = await deps.connect(instance);
      try {
        await deps.hostKeyProof(instance, { isUrgent: true });
        rememberText(script);
        const { exitCode } = await runScript(connection, bringScript(script), {
          timeoutMs: BRING_LIMIT_MS,
          signal: deps.signal,
        });
        if (exitCode === 0) return connection;
      } catch (error) {
        connection.close();
        throw error;
      }
      connection.close();
      throw new ForgeError('The provisioning script could not be put on the machine.', {
        code: 'REMOTE_STEP_FAILED',
        exit: EXIT.notReady,
        hint: 'Is its disk full?',
      });
    },
  };
}

const BRING_LIMIT_MS = 60_000;

/** False when the API was not to be had: the next look tries again. */
async function attach(deps: ReadinessDependencies, instance: Instance): Promise<boolean> {
  try {
    await deps.attachKey(instance);
    return true;
  } catch (error) {
    if (error instanceof ForgeError && error.exit === EXIT.apiFailed) return false;
    throw error;
  }
}
