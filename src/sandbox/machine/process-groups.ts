import type { ChildProcess } from 'node:child_process';

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
    await Promise.all(ended);
    clearTimeout(killer);
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
