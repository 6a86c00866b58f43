/** A piece of the work that one lane does. Done again from its beginning when the connection was lost. */
export interface Job {
  /** Gives the jobs that come out of it. */
  run(): Promise<Job[]>;
  /** What to do instead after a loss: itself, or its halves. */
  again(): Job[];
  /** Bytes that came through since the last loss: a job that moves may be lost as often as it likes. */
  movedBytes: number;
  losses: number;
}

/** Jobs for several lanes. Ranges of large files are taken from the front, packs of small ones from the back. */
export class JobQueue {
  private readonly jobs: Job[];
  private active = 0;
  private waiting: (() => void)[] = [];

  constructor(jobs: readonly Job[]) {
    this.jobs = [...jobs];
  }

  /** Waits while others may still bring new jobs; null when everything is done. */
  async take(from: 'front' | 'back'): Promise<Job | null> {
    for (;;) {
      const job = from === 'front' ? this.jobs.shift() : this.jobs.pop();
      if (job !== undefined) {
        this.active += 1;
        return job;
      }
      if (this.active === 0) return null;
      await new Promise<void>((wake) => this.waiting.push(wake));
    }
  }

  /** Once for each job that was taken. */
  finish(next: readonly Job[]): void {
    this.active -= 1;
    this.jobs.unshift(...next);
    for (const wake of this.waiting.splice(0)) wake();
  }
}
