import { join } from 'node:path';
import { findTools, limitsOf } from './machine/computer.js';
import { openMachine, prepareMachines } from './machine/machine.js';
import { startSandbox } from './sandbox.js';

const DEFAULT_TIME_SCALE = 10;
const DEFAULT_SEED = 1;

/**
 * The sandbox with machines that really run. Options left null come from the state directory's former run, then from the
 * defaults. Throws CannotRunHere before anything is served when this computer lacks something.
 */
export async function runSandbox(options: {
  stateDir: string;
  port: number | null;
  timeScale: number | null;
  seed: number | null;
  /** Gives up while it is being made ready; afterwards it is not looked at. */
  signal: AbortSignal;
}): ReturnType<typeof startSandbox> {
  const { stateDir, port, timeScale, seed, signal } = options;
  const limits = await prepareMachines(join(stateDir, 'machines'), signal);
  return startSandbox({
    stateDir,
    limits,
    openMachine,
    // In the background stderr is the sandbox's log file; a terminal is not filled with every call.
    ...(process.stderr.isTTY
      ? {}
      : { log: (line: string) => void process.stderr.write(`${new Date().toISOString()} ${line}\n`) }),
    ...(port === null ? {} : { port }),
    timeScale: timeScale ?? DEFAULT_TIME_SCALE,
    seed: seed ?? DEFAULT_SEED,
  });
}

/** Looks for what machines are made of, and makes nothing. Returns what works less well here. Throws CannotRunHere. */
export async function inspectComputer(): Promise<string[]> {
  return limitsOf(await findTools());
}
