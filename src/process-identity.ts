import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process as a lock or a registry remembers it: numbers are used again, so the start belongs to it. */
export interface ProcessIdentity {
  pid: number;
  /** Null where the system does not tell. */
  started: string | null;
}

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, started: startOf(process.pid) };
}

/** Whether that very process still runs. One that has ended and was not collected does not. */
export function isRunning({ pid, started }: ProcessIdentity): boolean {
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process: it lives.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = startOf(pid);
  if (now === ENDED) return false;
  return started === null || now === null || now === started;
}

const ENDED = 'ended';

function startOf(pid: number): string | null {
  if (process.platform === 'linux') return startOnLinux(pid);
  try {
    const text = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' });
    return text.startsWith('Z') ? ENDED : text.trim().replace(/^\S+\s+/u, '');
  } catch {
    return null;
  }
}

/** Ticks since the boot, with the boot's own id: after a restart of the computer the same ticks are another process. */
function startOnLinux(pid: number): string | null {
  try {
    // The name in parentheses may hold anything; state and the later fields stand behind the last one.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\)\s/su, '')
      .split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return ENDED;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
  } catch {
    return null;
  }
}
