import type { Clock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import { cleanLines } from '../instance/clean-log.js';
import { installWork } from '../instance/venv-guard.js';
import type { Stage } from '../ui/reporter.js';
import { runDetached } from './detached-job.js';
import { isDiskFull } from './expect-done.js';
import type { MachineSession } from './machine-session.js';

const LIMIT_MS = 60 * 60_000;

/** By this name `endDetached` ends an installation that still goes on. */
export function installJobId(runId: string): string {
  return `${runId}-install`;
}

/** Installs on the machine, detached from the connection. `what`: "the requirements". Throws DISK_FULL or INSTALL_FAILED with the log's tail. */
export async function installPackages(
  session: MachineSession,
  clock: Clock,
  stage: Stage,
  job: { runId: string; what: string; lines: readonly string[] } & Parameters<typeof installWork>[2],
): Promise<void> {
  const { runId, what, lines, ...how } = job;
  const { exitCode, tail } = await runDetached(session, clock, {
    id: installJobId(runId),
    work: installWork(runId, lines, how),
    what: `the installation of ${what}`,
    limitMs: LIMIT_MS,
    onLog: (text) => stage.detail(cleanLines(text).at(-1) ?? ''),
  });
  if (exitCode === 0) return;
  const sentence = `${what.charAt(0).toUpperCase()}${what.slice(1)} cannot be installed (${how.installer} ended with ${exitCode}).`;
  throw new ForgeError(sentence, {
    code: isDiskFull(tail) ? 'DISK_FULL' : 'INSTALL_FAILED',
    exit: EXIT.notReady,
    hint: cleanLines(tail).slice(-6).join('\n') || null,
    details: { log_tail: cleanLines(tail).slice(-20) },
  });
}
