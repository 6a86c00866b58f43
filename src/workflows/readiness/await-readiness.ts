import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { parseReadiness, type ReadinessSnapshot, reachedRung, readinessScript } from '../../instance/readiness.js';
import type { Connection } from '../../ssh/connection.js';
import type { Reporter, Stage } from '../../ui/reporter.js';
import type { Instance } from '../../vast/model.js';
import { findDeadEnd } from '../instance-state.js';
import { billedNowPerHourUsd } from '../price.js';
import { RUNG_RULES, type Rung, rungsUpTo } from './rungs.js';

/** What the ladder needs from outside; the command line builds it, tests build their own. */
export interface ReadinessDependencies {
  /** A fresh row, or null when the contract is gone. */
  readInstance(id: number): Promise<Instance | null>;
  /** Opens an SSH connection with an accepted key. Throws ForgeError with code SSH_AUTH when the key is refused. */
  connect(instance: Instance): Promise<Connection>;
  /** Puts the key on the instance again; called once when a login is refused. */
  attachKey(instance: Instance): Promise<void>;
  /** The last lines of the container's output, cleaned and redacted; [] when there are none to be had. */
  tailContainerLog(instance: Instance): Promise<string[]>;
  clock: Clock;
  reporter: Reporter;
  signal: AbortSignal;
}

export interface ReadinessGoal {
  instanceId: number;
  goal: Rung;
  /** For the whole ladder, in the clock's time. */
  timeoutMs: number;
}

export interface ReadinessResult {
  instance: Instance;
  reached: Rung;
  elapsedMs: number;
  /** What the wait cost, $, by the states that were seen. */
  costUsd: number;
  /** HTTP status of Forge on its internal port; null when the goal was below it. */
  forgeHttpStatus: number | null;
  /** How the login went: direct or through the provider's proxy. */
  via: 'direct' | 'proxy' | null;
  rungs: { rung: Rung; elapsedMs: number }[];
}

/** Climbs the ladder and reports each rung. Ends early with the reason when the machine cannot get there. */
export async function awaitReadiness(deps: ReadinessDependencies, goal: ReadinessGoal): Promise<ReadinessResult> {
  const climb = new Climb(deps, goal);
  try {
    return await climb.run();
  } finally {
    climb.close();
  }
}

class Climb {
  private readonly deps: ReadinessDependencies;
  private readonly goal: ReadinessGoal;
  private readonly startedMs: number;
  private readonly passed: { rung: Rung; elapsedMs: number }[] = [];
  private connection: Connection | null = null;
  private via: 'direct' | 'proxy' | null = null;
  private instance: Instance | null = null;
  private snapshot: ReadinessSnapshot | null = null;
  private keyRepaired = false;
  private lastRowMs = Number.NEGATIVE_INFINITY;
  private costUsd = 0;
  private costUntilMs: number;

  constructor(deps: ReadinessDependencies, goal: ReadinessGoal) {
    this.deps = deps;
    this.goal = goal;
    this.startedMs = deps.clock.now();
    this.costUntilMs = this.startedMs;
  }

  async run(): Promise<ReadinessResult> {
    for (const rung of rungsUpTo(this.goal.goal)) {
      const stage = this.deps.reporter.stage(rung, RUNG_RULES[rung].title);
      try {
        await this.climbTo(rung, stage);
      } catch (error) {
        stage.failed();
        throw error;
      }
      const elapsedMs = this.elapsedMs();
      this.passed.push({ rung, elapsedMs });
      stage.done(this.doneTitle(rung));
      this.deps.reporter.event('ready', { rung, elapsed_s: Math.round(elapsedMs / 1000) });
    }
    return {
      instance: this.instance as Instance,
      reached: this.goal.goal,
      elapsedMs: this.elapsedMs(),
      costUsd: this.costUsd,
      forgeHttpStatus: this.goal.goal === 'forge' ? (this.snapshot?.forgeHttpStatus ?? null) : null,
      via: this.via,
      rungs: this.passed,
    };
  }

  close(): void {
    this.connection?.close();
  }

  private async climbTo(rung: Rung, stage: Stage): Promise<void> {
    const rules = RUNG_RULES[rung];
    const rungStartedMs = this.deps.clock.now();
    for (;;) {
      this.deps.signal.throwIfAborted();
      const look = await this.look(rung);
      stage.detail([this.costSoFar(), look.detail].filter((part) => part !== '').join(' · '));
      if (look.reached) return;
      const now = this.deps.clock.now();
      if (now - this.startedMs > this.goal.timeoutMs) await this.giveUp(rung, this.goal.timeoutMs, look);
      if (now - rungStartedMs > rules.deadlineMs) await this.giveUp(rung, rules.deadlineMs, look);
      await this.deps.clock.sleep(rules.pollMs, this.deps.signal);
    }
  }

  /** One look at the machine, from the cheapest source that can answer for this rung. */
  private async look(rung: Rung): Promise<Look> {
    if (rung === 'api') return this.lookAtRow();
    // A machine can die or vanish while it provisions (a manifest may even destroy it): look at the row now and then.
    if (this.deps.clock.now() - this.lastRowMs > ROW_EVERY_MS) await this.lookAtRow();
    if (rung === 'ssh') return this.lookAtLogin();
    return this.lookInside(rung);
  }

  private async lookAtRow(): Promise<Look> {
    const { instanceId } = this.goal;
    const instance = await this.deps.readInstance(instanceId);
    this.lastRowMs = this.deps.clock.now();
    if (instance === null) {
      throw new ForgeError(`Instance ${instanceId} no longer exists.`, {
        code: 'INSTANCE_VANISHED',
        exit: EXIT.notReady,
        hint: 'Somebody or its own provisioning destroyed it. forgectl ls shows what is left.',
        details: { instance_id: instanceId },
      });
    }
    this.instance = instance;
    const deadEnd = findDeadEnd(instance);
    if (deadEnd !== null && !this.isStillStarting(instance)) await this.fail(instance, deadEnd);
    const running = instance.actualStatus === 'running' && instance.intendedStatus !== 'stopped';
    const reachable = (instance.ports?.length ?? 0) > 0 || instance.sshPort !== null;
    const status = instance.actualStatus ?? 'creating';
    return { reached: running && reachable, detail: [status, instance.statusMsg ?? ''].filter(Boolean).join(': ') };
  }

  /** Right after "start", the row still tells of the stopped machine for a moment. */
  private isStillStarting(instance: Instance): boolean {
    const justAsked = this.elapsedMs() < START_GRACE_MS;
    return (
      justAsked && instance.intendedStatus === 'running' && ['exited', 'stopped'].includes(instance.actualStatus ?? '')
    );
  }

  private async lookAtLogin(): Promise<Look> {
    const instance = this.instance as Instance;
    try {
      await this.login(instance);
      return { reached: true, detail: '' };
    } catch (error) {
      if (!(error instanceof ForgeError) || !error.code.startsWith('SSH_')) throw error;
      if (error.code === 'SSH_HOST_KEY_CHANGED') throw error;
      if (error.code === 'SSH_AUTH' && !this.keyRepaired) {
        this.keyRepaired = true;
        await this.deps.attachKey(instance);
      }
      await this.lookAtRow();
      return { reached: false, detail: error.message };
    }
  }

  private async login(instance: Instance): Promise<Connection> {
    this.connection?.close();
    this.connection = null;
    const connection = await this.deps.connect(instance);
    this.connection = connection;
    this.via = connection.via;
    return connection;
  }

  private async lookInside(rung: Rung): Promise<Look> {
    try {
      const connection = this.connection?.isOpen() ? this.connection : await this.login(this.instance as Instance);
      const output = await connection.run(readinessScript(), { timeoutMs: PROBE_TIMEOUT_MS, signal: this.deps.signal });
      this.snapshot = parseReadiness(output.stdout);
    } catch (error) {
      if (!(error instanceof ForgeError) || !error.code.startsWith('SSH_')) throw error;
      await this.lookAtRow();
      return { reached: false, detail: error.message };
    }
    const state = reachedRung(this.snapshot);
    return { reached: rungsUpTo(state.rung).includes(rung), detail: state.reason };
  }

  private async fail(instance: Instance, deadEnd: { code: string; reason: string }): Promise<never> {
    const logTail = await this.deps.tailContainerLog(instance);
    throw new ForgeError(`Instance ${instance.id} will not come up: ${deadEnd.reason}.`, {
      code: deadEnd.code,
      exit: EXIT.notReady,
      hint: hintWithLog(`forgectl destroy ${instance.id}   (it is billed until then)`, logTail),
      details: { instance_id: instance.id, actual_status: instance.actualStatus, log_tail: logTail },
    });
  }

  private async giveUp(rung: Rung, limitMs: number, look: Look): Promise<never> {
    const instance = this.instance as Instance;
    const ownLog = this.snapshot?.logTail ?? [];
    const logTail = ownLog.length > 0 ? ownLog : await this.deps.tailContainerLog(instance);
    throw new ForgeError(
      `${RUNG_RULES[rung].title} took longer than ${Math.round(limitMs / 60_000)} min${look.detail === '' ? '' : `: ${look.detail}`}.`,
      {
        code: 'NOT_READY_IN_TIME',
        exit: EXIT.timedOut,
        hint: hintWithLog(
          `forgectl wait ${instance.id} --for ${this.goal.goal}   goes on waiting\nforgectl destroy ${instance.id}   ends it and its cost`,
          logTail,
        ),
        details: { instance_id: instance.id, rung, log_tail: logTail },
      },
    );
  }

  private doneTitle(rung: Rung): string {
    if (rung === 'ssh' && this.via !== null) return `${RUNG_RULES.ssh.doneTitle} (${this.via})`;
    if (rung === 'provisioning' && this.snapshot?.provisioningFailed)
      return 'Provisioning ended with a failure; Forge starts without its models';
    return RUNG_RULES[rung].doneTitle;
  }

  private elapsedMs(): number {
    return this.deps.clock.now() - this.startedMs;
  }

  /** GPU time is charged only while the machine runs, so the sum follows the state from look to look. */
  private costSoFar(): string {
    const rate = this.instance === null ? null : billedNowPerHourUsd(this.instance);
    if (rate === null) return '';
    const now = this.deps.clock.now();
    this.costUsd += (rate * (now - this.costUntilMs)) / 3_600_000;
    this.costUntilMs = now;
    return `$${this.costUsd.toFixed(3)} so far`;
  }
}

interface Look {
  reached: boolean;
  detail: string;
}

/** The row is read again this often while the rungs above it are climbed. */
const ROW_EVERY_MS = 60_000;
const START_GRACE_MS = 60_000;
/** Wall time for one probe; it does a few local HTTP requests with 5 s each. */
const PROBE_TIMEOUT_MS = 30_000;

function hintWithLog(hint: string, logTail: readonly string[]): string {
  return logTail.length === 0
    ? hint
    : `${hint}\nLast lines of its log:\n${logTail.map((line) => `  ${line}`).join('\n')}`;
}
