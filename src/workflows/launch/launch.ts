import { EXIT, ForgeError, isInterruption } from '../../errors.js';
import type { CreateRequest, Instance, Offer } from '../../vast/model.js';
import type { OfferQuery } from '../../vast/offers.js';
import type { DestroyDependencies } from '../destroy.js';
import type { Run } from '../journal.js';
import { isoMinute, limitTime, limitWish } from '../limits/limit-time.js';
import { type LimitDependencies, setLimit } from '../limits/set-limit.js';
import {
  awaitReadiness,
  CostMeter,
  type ReadinessDependencies,
  type ReadinessResult,
} from '../readiness/await-readiness.js';
import { runSteps, type Step } from '../run-workflow.js';
import { type Attempt, type AttemptState, type LaunchFacts, livingAttempts } from './attempt.js';
import { destroyAttempt, undoLaunch } from './clean-up.js';
import { mayComeUp, mayFailOver, reasonOf } from './fail-over.js';
import { watchHostKey, withKeyAttached, withScriptBrought } from './first-login.js';
import { leftBehind, machinesFailed, nameTheCost, sayDestroyed } from './launch-errors.js';
import { type LaunchPlan, withOffer } from './plan.js';
import { lookForLabel, rentNext } from './rent.js';

export interface LaunchDependencies extends ReadinessDependencies, DestroyDependencies, LimitDependencies {
  /** Makes sure that the account has the key, and says which it is. */
  registerKey(): Promise<{ publicKey: string; description: string; added: boolean }>;
  /** The renting call. Never repeated by the client; throws an error with `outcomeUnknown` when no answer came. */
  rent(request: CreateRequest): Promise<{ contractId: number }>;
  findByLabel(label: string): Promise<Instance[]>;
  searchOffers(query: OfferQuery): Promise<Offer[]>;
  /** One launch of this computer at a time between choosing an offer and having rented it. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  /** Offers that launches of this computer have rented a moment ago; searches may still show them. */
  recentlyBought(): ReadonlySet<number>;
  rememberBought(offerId: number): void;
  bannedMachineIds(): number[];
  /** The machine is avoided for a while. */
  banMachine(offer: Offer, failure: { reason: string }): Promise<unknown>;
  /** Keeps what the container and its host said last; returns where. Null when there is nothing to be had. */
  collectLogs(contractId: number): Promise<string | null>;
  /** What is left when the process is ended at once: told before each change. */
  onLiving(attempts: readonly Attempt[]): void;
  /** Does the work once the user has been told how it ended: until then the run counts as cut off. */
  whenTold(work: () => Promise<void>): void;
  /** After an interruption: calls work again, and the next interruption ends the process. */
  beginCleanUp(): void;
  /** The text of the plan's script of this computer, for a machine that has to be brought it. */
  provisioningScript?: string | null;
  /**
   * Compares the host key of the login with what the machine says through the API, once. Throws when they differ. `isUrgent`:
   * a secret waits for it, so a machine that has not said it yet is asked for longer.
   */
  hostKeyProof(instance: Instance, options?: { isUrgent: boolean }): Promise<void>;
}

export interface LaunchResult {
  contractId: number;
  /** On the machine that it became. */
  plan: LaunchPlan;
  readiness: ReadinessResult;
  attempts: readonly Attempt[];
}

/** Key, contract, limit, ladder; the next machine when one fails. However it ends, nothing bills that was not told. */
export async function launch(deps: LaunchDependencies, run: Run, plan: LaunchPlan): Promise<LaunchResult> {
  const launching = new Launching(deps, run, plan);
  try {
    const result = await launching.climb();
    deps.whenTold(() => run.end('done', `instance ${result.contractId}`));
    return result;
  } catch (error) {
    throw await launching.stopAfter(error);
  }
}

/** One launch at work: what it knows lies in the journal before it acts on it. */
export class Launching {
  readonly deps: LaunchDependencies;
  readonly run: Run;
  readonly plan: LaunchPlan;
  private readonly startedMs: number;

  constructor(deps: LaunchDependencies, run: Run, plan: LaunchPlan) {
    this.deps = deps;
    this.run = run;
    this.plan = plan;
    this.startedMs = deps.clock.now();
    deps.onLiving(livingAttempts(this.facts));
  }

  get facts(): LaunchFacts {
    return this.run.record.facts as unknown as LaunchFacts;
  }

  async climb(): Promise<LaunchResult> {
    await runSteps(this.run, [{ id: 'key', run: () => this.registerKey() }]);
    for (;;) {
      const number = this.attemptNumber();
      try {
        return await this.tryMachine(number);
      } catch (error) {
        // An attempt that has failed before was being ended when the run was cut off.
        if (!mayFailOver(error) && !(error instanceof MachineFailed)) throw error;
        this.refusePassedLimit();
        await this.giveUp(number, error);
        if (this.plan.failOver.keepFailed || !this.mayTryAgain())
          throw this.plan.failOver.keepFailed ? error : machinesFailed(error, this.facts.attempts);
      }
    }
  }

  /** Ends the run according to what went wrong; returns what to throw. */
  async stopAfter(error: unknown): Promise<unknown> {
    const { run, plan } = this;
    const living = livingAttempts(this.facts);
    if (isInterruption(error)) this.deps.beginCleanUp();
    if (living.length > 0 && this.isKept(error, living)) {
      this.deps.whenTold(() => this.keep(living));
      return nameTheCost(error, living, plan);
    }
    try {
      const destroyed = await undoLaunch(this);
      await run.end(isInterruption(error) ? 'undone' : 'failed', reasonOf(error));
      return destroyed.length === 0 ? error : sayDestroyed(error, destroyed);
    } catch (failure) {
      await run.leave(reasonOf(failure)).catch(() => {});
      return leftBehind(failure, error, run.id);
    }
  }

  private async keep(attempts: readonly Attempt[]): Promise<void> {
    for (const attempt of attempts) await this.settle(attempt, 'kept');
    const ids = attempts.map(({ contractId }) => contractId).join(', ');
    await this.run.end('failed', `instance ${ids} was kept`);
  }

  /** A machine that may yet come up, or was asked for in any case. Not one without its limit, nor one that may not exist. */
  private isKept(error: unknown, living: readonly Attempt[]): boolean {
    if (isInterruption(error) || living.some(({ contractId }) => contractId === null)) return false;
    const climbed = this.run.stateOf(`ready-${this.attemptNumber()}`) !== null;
    return climbed && (mayComeUp(error) || this.plan.failOver.keepFailed);
  }

  async intend(offer: Offer): Promise<Attempt> {
    const attempt: Attempt = {
      offer,
      state: 'intended',
      contractId: null,
      rentedAt: null,
      costUsd: 0,
      failure: null,
    };
    this.facts.attempts.push(attempt);
    await this.save();
    return attempt;
  }

  async rented(attempt: Attempt, contractId: number): Promise<void> {
    const rentedAt = new Date(this.deps.clock.now()).toISOString();
    await this.settle(Object.assign(attempt, { contractId, rentedAt }), 'rented');
  }

  async settle(attempt: Attempt, state: AttemptState): Promise<void> {
    attempt.state = state;
    await this.save();
  }

  async settleLast(state: AttemptState): Promise<void> {
    const last = this.facts.attempts.at(-1);
    if (last !== undefined) await this.settle(last, state);
  }

  async offerLost(offer: Offer): Promise<void> {
    this.facts.lostOfferIds.push(offer.id);
    this.deps.reporter.event('offer_lost', { offer_id: offer.id, machine_id: offer.machineId });
    await this.save();
  }

  private async save(): Promise<void> {
    this.deps.onLiving(livingAttempts(this.facts));
    await this.run.save();
  }

  private async registerKey(): Promise<void> {
    const stage = this.deps.reporter.stage('key', 'Preparing the SSH key');
    try {
      const key = await this.deps.registerKey();
      stage.done(`SSH key ${key.description}${key.added ? ', added to the account' : ''}`);
    } catch (error) {
      stage.failed();
      throw error;
    }
  }

  /** Of the machine that is being tried, from 1. */
  private attemptNumber(): number {
    const tried = this.facts.attempts.filter(({ state }) => state !== 'lost');
    const current = tried.at(-1);
    const isOver = current?.state === 'destroyed' || current?.state === 'kept';
    return Math.max(1, tried.length + (isOver ? 1 : 0));
  }

  private async tryMachine(number: number): Promise<LaunchResult> {
    // A failed machine whose end was interrupted is not climbed again: its end comes first.
    const failure = this.current()?.failure ?? null;
    if (failure !== null) throw new MachineFailed(failure);
    // A resumed launch may be later than that.
    this.refusePassedLimit();
    let readiness: ReadinessResult | null = null;
    const steps: Step[] = [
      { id: `rent-${number}`, run: () => this.rent() },
      { id: `limit-${number}`, run: () => this.limit() },
      {
        id: `ready-${number}`,
        run: async () => {
          readiness = await this.ready();
        },
      },
    ];
    await runSteps(this.run, steps);
    const attempt = this.current();
    if (attempt === null || attempt.contractId === null) throw new Error('a machine is ready that was not rented');
    // A resumed run may find the ladder climbed: it looks again, which is quick then.
    readiness ??= await this.ready();
    const plan = withOffer(this.plan, attempt.offer);
    return { contractId: attempt.contractId, plan, readiness, attempts: this.facts.attempts };
  }

  private current(): Attempt | null {
    return livingAttempts(this.facts).at(-1) ?? null;
  }

  private async rent(): Promise<void> {
    const begun = this.current();
    if (begun?.state === 'rented') return;
    if (begun !== null && (await this.adopt(begun))) return;
    await rentNext(this);
  }

  /** What became of a renting call whose answer this computer never saw. */
  private async adopt(attempt: Attempt): Promise<boolean> {
    const found = await lookForLabel(this, this.plan.label);
    if (found === null) await this.settle(attempt, 'lost');
    else await this.rented(attempt, found.id);
    return found !== null;
  }

  /** Before anything else happens on the machine. When it cannot be proved to be there, the machine is ended. */
  private async limit(): Promise<void> {
    const attempt = this.current();
    if (attempt?.contractId === null || attempt === null) return;
    const { limits } = this.plan;
    const sinceMs = Date.parse(attempt.rentedAt ?? '');
    const wish = limitWish(limits, withOffer(this.plan, attempt.offer).price, sinceMs);
    const time = limitTime(wish, { sinceMs, nowMs: this.deps.clock.now() });
    if (time === null) return;
    const words = `${limits.action} it at ${isoMinute(time.atMs)}`;
    const stage = this.deps.reporter.stage('limit', `Having the platform ${words}`);
    try {
      const { action, atMs } = await setLimit(this.deps, attempt.contractId, { ...limits, atMs: time.atMs });
      attempt.limit = { action, atMs };
      await this.save();
      stage.done(`The platform will ${words} (read back)`);
    } catch (error) {
      stage.failed();
      throw error;
    }
  }

  /** A machine that its own limit has ended is not one that has failed: none is tried instead, and none is banned. */
  private refusePassedLimit(): void {
    const limit = this.current()?.limit ?? null;
    if (limit === null || limit.atMs > this.deps.clock.now()) return;
    throw new ForgeError(`The limit of this launch was reached at ${isoMinute(limit.atMs)}.`, {
      code: 'LIMIT_REACHED',
      exit: EXIT.moneyLimit,
      hint: 'Launch anew with --max-lifetime or --max-spend.',
      details: { limit_action: limit.action, limit_at: new Date(limit.atMs).toISOString() },
    });
  }

  private async ready(): Promise<ReadinessResult> {
    const attempt = this.current();
    if (attempt === null || attempt.contractId === null) throw new Error('there is no machine to wait for');
    const meter = new CostMeter();
    meter.usd = attempt.costUsd;
    // No host has a container in less; an earlier look would only spend a call.
    const firstLookMs = Date.parse(attempt.rentedAt ?? '') + FIRST_LOOK_MS;
    await this.deps.clock.sleep(Math.max(0, firstLookMs - this.deps.clock.now()), this.deps.signal);
    try {
      const deps = withScriptBrought(withKeyAttached(watchHostKey(this.deps)), this.scriptToBring());
      const readiness = await awaitReadiness(deps, {
        instanceId: attempt.contractId,
        goal: this.plan.waitFor,
        timeoutMs: this.timeLeftMs(),
        budgetUsd: this.budgetLeft(),
        meter,
      });
      await this.deps.hostKeyProof(readiness.instance);
      return readiness;
    } finally {
      attempt.costUsd = meter.usd;
    }
  }

  private scriptToBring(): string | null {
    return this.plan.provisioningFile?.by === 'ssh' ? (this.deps.provisioningScript ?? null) : null;
  }

  private timeLeftMs(): number {
    return this.startedMs + this.plan.timeoutMs - this.deps.clock.now();
  }

  /** What the machines before have left of it. */
  private budgetLeft(): number | null {
    const { budgetUsd } = this.plan.failOver;
    if (budgetUsd === null) return null;
    const before = this.facts.attempts.filter((attempt) => attempt !== this.current());
    return budgetUsd - before.reduce((sum, { costUsd }) => sum + costUsd, 0);
  }

  private mayTryAgain(): boolean {
    const { attempts, search } = this.plan.failOver;
    const tried = this.facts.attempts.filter(({ state }) => state !== 'lost').length;
    return search !== null && tried < attempts && this.timeLeftMs() > 0 && (this.budgetLeft() ?? 1) > 0;
  }

  /** Logs first, then its end, read back; and it is not rented again for a while. */
  private async giveUp(number: number, error: ForgeError): Promise<void> {
    const attempt = this.current();
    if (attempt === null || attempt.contractId === null) return;
    const { contractId, offer } = attempt;
    const failure = attempt.failure ?? { code: error.code, reason: reasonOf(error) };
    let log: string | null = null;
    if (attempt.failure === null) {
      attempt.failure = failure;
      await this.save();
      await this.deps.banMachine(offer, { reason: failure.reason });
      log = await this.deps.collectLogs(contractId);
    }
    if (this.plan.failOver.keepFailed) return;
    await runSteps(this.run, [{ id: `give-up-${number}`, run: () => destroyAttempt(this, attempt) }]);
    const { code, reason } = failure;
    this.deps.reporter.event('machine_failed', {
      attempt: number,
      instance_id: contractId,
      machine_id: offer.machineId,
      code,
      reason,
      cost_usd: attempt.costUsd,
      log,
    });
    const next = this.mayTryAgain() ? ` Trying another (${number + 1} of ${this.plan.failOver.attempts}).` : '';
    this.deps.reporter.warn(
      `Machine ${offer.machineId} failed: ${reason}. Instance ${contractId} is destroyed; it cost $${attempt.costUsd.toFixed(3)}.${log === null ? '' : ` Its log: ${log}`}${next}`,
    );
  }
}

const FIRST_LOOK_MS = 8_000;

class MachineFailed extends ForgeError {
  constructor({ code, reason }: { code: string; reason: string }) {
    super(`The machine failed: ${reason}.`, { code, exit: EXIT.notReady });
  }
}
