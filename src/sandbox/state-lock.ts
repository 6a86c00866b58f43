import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * When a process began, or null when it has ended (collected or not) and where this system does not say (macOS): a pid is
 * given to others later, in a small container within minutes. Linux: proc(5), stat, and the boot that its ticks count from.
 */
export function beginOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : `${boot} ${fields[19]}`;
  } catch {
    return null;
  }
}

/** Lets one process serve a state directory: returns what ends that, or null when another one serves it. */
export function lockState(stateDir: string): (() => void) | null {
  const file = join(stateDir, 'sandbox.lock');
  const own = `${file}.${process.pid}`;
  writeFileSync(own, JSON.stringify({ pid: process.pid, begin: beginOf(process.pid) }), { mode: 0o600 });
  try {
    for (let round = 0; round < 10; round += 1) {
      try {
        // A link is made whole or not at all.
        linkSync(own, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      if (!isStale(file)) return null;
      removeStale(file);
    }
    return null;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Of a process that has ended. */
function isStale(file: string): boolean {
  try {
    const { pid, begin } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; begin: string | null };
    process.kill(pid, 0);
    return beginOf(pid) !== begin;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ESRCH' || code === 'ENOENT';
  }
}

/** Several may find it stale at once: what is moved away is looked at again, and put back when it is a new one's. */
function removeStale(file: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (!isStale(aside)) linkSync(aside, file);
  } catch {
    // Somebody else was quicker.
  }
  rmSync(aside, { force: true });
}
