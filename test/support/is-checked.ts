// biome-ignore-all lint/suspicious/noConsole: why something was skipped belongs into the output
import { spawnSync } from 'node:child_process';
import { findTools } from '../../src/sandbox/machine/computer.ts';

/** Says what is not checked here, and why; in CI nothing may be missing, so that is an error there. */
export function isChecked(isThere: boolean, missing: string, what: string): boolean {
  if (isThere) return true;
  const reason = `not checked without ${missing}: ${what}`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  console.log(reason);
  return false;
}

/** Of this computer's Python, as the sandbox's machines would have it. Plain Debian and Ubuntu have none. */
export async function hasPip(what: string): Promise<boolean> {
  return isChecked((await findTools()).pip !== '', 'pip', what);
}

export function hasSsh(what: string): boolean {
  return isChecked(spawnSync('ssh', ['-V'], { stdio: 'ignore' }).error === undefined, 'ssh', what);
}
