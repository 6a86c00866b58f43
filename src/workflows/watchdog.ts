import type { Clock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import {
  cameTooLate,
  type LeaseState,
  lookAtLeaseScript,
  parseLeaseState,
  takeBackScript,
  underLease,
} from '../instance/lease.js';
import { armScript, disarmScript, type WayBack } from '../instance/watchdog.js';
import { expectDone } from './expect-done.js';
import type { MachineSession, ScriptResult } from './machine-session.js';

const POLL_MS = 2000;
/** Longer than a machine needs to put itself back, Forge's start included. */
const WORK_LIMIT_MS = 45 * 60_000;

/** Of the workflow's time, the wall's: what the machine counts. */
export function wallMs(clock: Clock, ms: number): number {
  return ms / (clock.scale ?? 1);
}

/** The lease of one run on one machine: while it is held, each script renews it, and none runs that came too late. */
export class Lease {
  /** When a script was last sent, wall time: the machine counts from then on, at the latest. */
  private sentAtMs = Date.now();
  private isArmed = false;
  private readonly session: MachineSession;
  private readonly run: string;
  /** Wall time. */
  readonly lengthMs: number;

  constructor(session: MachineSession, run: string, lengthMs: number) {
    this.session = session;
    this.run = run;
    this.lengthMs = lengthMs;
  }

  /** When the machine puts itself back if nobody is heard of, wall time; null while it is not told to. */
  get endsAtMs(): number | null {
    return this.isArmed ? this.sentAtMs + this.lengthMs : null;
  }

  /** From here on the session's scripts are the run's. */
  hold(): void {
    this.session.guard = {
      wrap: (work) => {
        this.sentAtMs = Date.now();
        return underLease(this.run, work);
      },
      check: (result) => this.check(result),
    };
  }

  drop(): void {
    this.session.guard = null;
  }

  /** Harmless twice. Throws when the machine cannot watch over itself. */
  async arm(wayBack: Omit<WayBack, 'leaseS' | 'run'>): Promise<void> {
    const leaseS = Math.max(1, Math.ceil(this.lengthMs / 1000));
    const script = armScript({ ...wayBack, run: this.run, leaseS });
    expectDone(await this.session.run(script), 'The machine cannot be told to put itself back');
    this.isArmed = true;
  }

  async disarm(): Promise<void> {
    expectDone(await this.session.run(disarmScript(this.run)), 'The watchdog on the machine does not end');
    this.isArmed = false;
  }

  /** How it stands, after a machine that puts itself back now has come to an end. To be called before `hold`. */
  async settle(clock: Clock, onWait: () => void): Promise<LeaseState> {
    const untilMs = clock.now() + WORK_LIMIT_MS;
    for (let looks = 0; ; looks += 1) {
      const result = await this.session.run(lookAtLeaseScript(this.run));
      expectDone(result, 'What became of the run could not be read');
      const found = parseLeaseState(result.output);
      if (found.state !== 'working') return found;
      if (looks === 0) onWait();
      if (clock.now() > untilMs) throw stillAtWork(this.session.id, this.run);
      await clock.sleep(POLL_MS, this.session.signal);
    }
  }

  /** The run has the machine again; it may only go back. */
  async takeBack(): Promise<void> {
    expectDone(
      await this.session.run(takeBackScript(this.run)),
      'The machine could not be taken back from its watchdog',
    );
  }

  private check(result: ScriptResult): void {
    if (!cameTooLate(result)) return;
    throw new ForgeError('The machine has begun to put itself back, because nobody was heard of for too long.', {
      code: 'LEASE_LOST',
      exit: EXIT.notReady,
      hint: `forgectl undo ${this.run} waits for it, and proves it.`,
      details: { run: this.run, instance_id: this.session.id },
    });
  }
}

/** The machine puts itself back: nothing of the run's may be done any more. */
export function isLeaseLost(error: unknown): boolean {
  return error instanceof ForgeError && error.code === 'LEASE_LOST';
}

function stillAtWork(id: number, run: string): ForgeError {
  return new ForgeError(`Instance ${id} is still putting itself back.`, {
    code: 'STILL_PUTTING_BACK',
    exit: EXIT.timedOut,
    hint: `Look again later: forgectl undo ${run}`,
    details: { instance_id: id, run },
  });
}
