import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** Processes of one machine, each the leader of its own group, so that ending one ends what it started. */
export class ProcessGroups {
  private readonly children = new Set<ChildProcess>();

  add(child: ChildProcess): void {
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
  }

  /** SIGTERM, then SIGKILL after the grace. Resolves when none is left. */
  async endAll(graceMs: number): Promise<void> {
    const ended = [...this.children].map(
      (child) => new Promise<void>((resolve) => child.once('exit', () => resolve())),
    );
    for (const child of this.children) signalGroup(child, 'SIGTERM');
    const killer = setTimeout(() => {
      for (const child of this.children) signalGroup(child, 'SIGKILL');
    }, graceMs);
    const groups = [...this.children].map((child) => child.pid);
    await Promise.all(ended);
    clearTimeout(killer);
    await Promise.all(groups.map((group) => (group === undefined ? null : untilGroupIsGone(group))));
  }
}

/** What a leader left running in its group gets a second, then SIGKILL. Dead members that nobody collected do not hold it up. */
async function untilGroupIsGone(group: number): Promise<void> {
  for (let look = 0; look < 40; look += 1) {
    try {
      process.kill(-group, 0);
    } catch {
      return;
    }
    await delay(25);
  }
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // gone meanwhile
  }
}

/** A negative pid addresses the group; a group that is gone is what was wanted. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
