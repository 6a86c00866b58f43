import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import type { Connection } from '../../ssh/connection.js';
import type { Reporter, Stage } from '../../ui/reporter.js';
import type { Instance } from '../../vast/model.js';
import { billedNowPerHourUsd } from '../price.js';
import { type Look, MachineView } from './look.js';
import { RUNG_RULES, type Rung, rungsUpTo } from './rungs.js';

/** What the ladder needs from outside; the command line builds it, tests build their own. */
export interface ReadinessDependencies {
  /** A fresh row, or null when the contract is gone. */
  readInstance(id: number): Promise<Instance | null>;
  /** Opens an SSH connection with an accepted key. Throws ForgeError with code SSH_AUTH when the key is refused. */
  connect(instance: Instance): Promise<Connection>;
  /** Told of each login on the way. */
  onLogin?(instance: Instance, connection: Connection): void;
  /** Puts the key on the instance again; called once when a login is refused. */
  attachKey(instance: Instance): Promise<void>;
  /** forgectl has stopped it, so it was not outbid; absent when nobody remembers. */
  isOwnStop?(instanceId: number): boolean;
  /** The last lines of the container's output, cleaned and redacted; [] when there are none to be had. */
  tailContainerLog(instanceId: number): Promise<string[]>;
  clock: Clock;
  reporter: Reporter;
  signal: AbortSignal;
}

export interface ReadinessGoal {
  instanceId: number;
  goal: Rung;
  /** For the whole ladder, in the clock's time. */
  timeoutMs: number;
  /** $ that the wait may cost; null for no limit. */
  budgetUsd?: number | null;
  /** Filled while the ladder is climbed, for whoever must know after a failure. */
  meter?: CostMeter;
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

/** GPU time is charged only while the machine runs, so the sum follows the state from look to look. */
export class CostMeter {
  usd = 0;
  private untilMs: number | null = null;

  add(instance: Instance | null, nowMs: number): void {
    const rate = instance === null ? null : billedNowPerHourUsd(instance);
    if (this.untilMs !== null && rate !== null) this.usd += (rate * (nowMs - this.untilMs)) / 3_600_000;
    this.untilMs = nowMs;
  }
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
  private readonly view: MachineView;
  private readonly meter: CostMeter;
  private readonly startedMs: number;
  private readonly passed: { rung: Rung; elapsedMs: number }[] = [];

  constructor(deps: ReadinessDependencies, goal: ReadinessGoal) {
    this.deps = deps;
    this.goal = goal;
    this.view = new MachineView(deps, goal.instanceId);
    this.meter = goal.meter ?? new CostMeter();
    this.startedMs = deps.clock.now();
    this.meter.add(null, this.startedMs);
  }

  async run(): Promise<ReadinessResult> {
    for (const rung of rungsUpTo(this.goal.goal)) await this.climb(rung);
    const { goal } = this.goal;
    return {
      instance: this.view.instance as Instance,
      reached: goal,
      elapsedMs: this.elapsedMs(),
      costUsd: this.meter.usd,
      forgeHttpStatus: goal === 'forge' ? (this.view.snapshot?.forgeHttpStatus ?? null) : null,
      via: this.view.via,
      rungs: this.passed,
    };
  }

  close(): void {
    this.view.close();
  }

  private async climb(rung: Rung): Promise<void> {
    const stage = this.deps.reporter.stage(rung, RUNG_RULES[rung].title);
    try {
      await this.climbTo(rung, stage);
    } catch (error) {
      stage.failed();
      throw await this.withLog(error);
    }
    const elapsedMs = this.elapsedMs();
    this.passed.push({ rung, elapsedMs });
    stage.done(this.doneTitle(rung));
    this.deps.reporter.event('ready', { rung, elapsed_s: Math.round(elapsedMs / 1000) });
  }

  private async climbTo(rung: Rung, stage: Stage): Promise<void> {
    const { clock, signal } = this.deps;
    const rules = RUNG_RULES[rung];
    const rungStartedMs = clock.now();
    let lookedMs = rungStartedMs;
    let unchangedMs = 0;
    let fingerprint = '';
    for (;;) {
      signal.throwIfAborted();
      const look = await this.view.look(rung);
      this.meter.add(this.view.instance, clock.now());
      stage.detail([this.costSoFar(), look.detail].filter((part) => part !== '').join(' · '));
      if (look.reached) return;
      const now = clock.now();
      unchangedMs = look.fingerprint === fingerprint ? unchangedMs + Math.min(now - lookedMs, LONGEST_GAP_MS) : 0;
      fingerprint = look.fingerprint;
      lookedMs = now;
      this.refuseOverspending(now);
      if (now - this.startedMs > this.goal.timeoutMs) throw this.late(rung, this.goal.timeoutMs, look, true);
      if (unchangedMs > rules.stallMs) throw stalled(this.goal.instanceId, rung, rules.stallMs, look);
      if (now - rungStartedMs > rules.deadlineMs) throw this.late(rung, rules.deadlineMs, look);
      await clock.sleep(rules.pollMs, signal);
    }
  }

  private refuseOverspending(now: number): void {
    const { budgetUsd = null, instanceId } = this.goal;
    if (budgetUsd === null || this.meter.usd < budgetUsd) return;
    throw new ForgeError(`The budget is spent, and instance ${instanceId} is not ready.`, {
      code: 'BUDGET_SPENT',
      exit: EXIT.moneyLimit,
      hint: 'Allow more with --budget, or choose another machine.',
      details: { instance_id: instanceId, elapsed_s: Math.round((now - this.startedMs) / 1000) },
    });
  }

  private late(rung: Rung, limitMs: number, look: Look, wholeTime = false): ForgeError {
    const id = this.goal.instanceId;
    return new ForgeError(
      `${RUNG_RULES[rung].title} took longer than ${Math.round(limitMs / 60_000)} min${look.detail === '' ? '' : `: ${look.detail}`}.`,
      {
        code: 'NOT_READY_IN_TIME',
        exit: EXIT.timedOut,
        hint: `forgectl wait ${id} --for ${this.goal.goal}   goes on waiting\nforgectl destroy ${id}   ends it and its cost`,
        details: { instance_id: id, rung, whole_time: wholeTime },
      },
    );
  }

  /** The last lines of what the machine said, where they help: its own log, else the container's. */
  private async withLog(error: unknown): Promise<unknown> {
    if (!(error instanceof ForgeError) || !EXPLAINED_BY_LOG.has(error.code)) return error;
    const ownLog = this.view.snapshot?.logTail ?? [];
    const logTail = ownLog.length > 0 ? ownLog : await this.deps.tailContainerLog(this.goal.instanceId);
    return new ForgeError(error.message, {
      code: error.code,
      exit: error.exit,
      hint: hintWithLog(error.hint ?? '', logTail),
      cause: error,
      details: { ...error.details, log_tail: logTail },
    });
  }

  private doneTitle(rung: Rung): string {
    const { via, snapshot } = this.view;
    if (rung === 'ssh' && via !== null) return `${RUNG_RULES.ssh.doneTitle} (${via})`;
    if (rung === 'provisioning' && snapshot?.provisioningFailed)
      return 'Provisioning ended with a failure; Forge starts without its models';
    return RUNG_RULES[rung].doneTitle;
  }

  private elapsedMs(): number {
    return this.deps.clock.now() - this.startedMs;
  }

  private costSoFar(): string {
    return this.view.instance === null ? '' : `$${this.meter.usd.toFixed(3)} so far`;
  }
}

/** Between two looks no more than this counts as time without a change: a laptop that slept has watched nothing. */
const LONGEST_GAP_MS = 60_000;

const EXPLAINED_BY_LOG = new Set([
  'NOT_READY_IN_TIME',
  'STALLED',
  'INSTANCE_EXITED',
  'INSTANCE_OFFLINE',
  'INSTANCE_FATAL_STATUS',
  'INSTANCE_NOT_STARTED',
  'INSTANCE_OUTBID',
]);

function stalled(instanceId: number, rung: Rung, limitMs: number, look: Look): ForgeError {
  return new ForgeError(
    `${RUNG_RULES[rung].title}: nothing has changed for ${Math.round(limitMs / 60_000)} min${look.detail === '' ? '' : ` (${look.detail})`}.`,
    {
      code: 'STALLED',
      exit: EXIT.timedOut,
      hint: `forgectl destroy ${instanceId}   ends it and its cost`,
      details: { instance_id: instanceId, rung },
    },
  );
}

function hintWithLog(hint: string, logTail: readonly string[]): string {
  return logTail.length === 0
    ? hint
    : `${hint}\nLast lines of its log:\n${logTail.map((line) => `  ${line}`).join('\n')}`;
}
