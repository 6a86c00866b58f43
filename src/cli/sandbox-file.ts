import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a running sandbox writes of itself: `<sandboxDir>/sandbox.json`. Two programs, one file; no import between them. */
export interface RunningSandbox {
  pid: number;
  url: string;
  time_scale: number;
  seed: number;
  /** What works less well on this computer, a sentence each. */
  limits: string[];
  /** The sandbox's time when the wall clock showed `wall_ms`; between, it runs `time_scale` times as fast. */
  clock: { sim_ms: number; wall_ms: number };
}

interface SandboxFile extends RunningSandbox {
  api_key: string;
  /** When that process began (Linux), since pids are given to others; null where the system does not say. */
  begin: string | null;
}

export function readSandboxFile(sandboxDir: string): SandboxFile | null {
  try {
    const read = JSON.parse(readFileSync(join(sandboxDir, 'sandbox.json'), 'utf8')) as SandboxFile;
    return isRunning(read) ? { ...read, limits: read.limits ?? [] } : null;
  } catch {
    return null;
  }
}

/** What a user may see of it. */
export function publicPart({ pid, url, time_scale, seed, limits, clock }: SandboxFile): RunningSandbox {
  return { pid, url, time_scale, seed, limits, clock };
}

/** The sandbox that wrote the file, and not another process that has got its pid since. */
function isRunning({ pid, begin, url, api_key: key }: SandboxFile): boolean {
  if (typeof url !== 'string' || typeof key !== 'string' || !isAlive(pid)) return false;
  return typeof begin !== 'string' || begin === beginOf(pid);
}

/** As the sandbox writes it. Linux: proc(5), stat, and the boot that its ticks count from. */
function beginOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return null;
  }
}

/** Not of a process that has ended, collected or not. */
export function isAlive(pid: number): boolean {
  // 0 stands for a sandbox that was stopped in order.
  if (pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Ended, but not yet collected: in a container whose first process collects nobody, that lasts for ever. Linux only. */
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/su.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
