import { EXIT, type ForgeError } from '../../errors.js';
import { Carrier } from '../../ssh/carrier.js';
import type { Instance } from '../../vast/model.js';
import type { ConnectDependencies, Link } from '../connect-instance.js';
import { watchForAlarms } from './alarms.js';
import { backoffMs } from './backoff.js';
import { Dialer } from './dialer.js';
import type { TellTunnel } from './events.js';
import { mayPass } from './passing-errors.js';

export interface LineDependencies extends ConnectDependencies {
  random(): number;
  networkFingerprint(): string;
}

/** Wall time, ms. */
export interface LineTimings {
  /** Between two questions to the machine's sshd. */
  pingEveryMs: number;
  /** Without an answer for so long, a second connection is tried beside the first. */
  pingLimitMs: number;
  /** The same when there is a reason for doubt. */
  alarmLimitMs: number;
  tickMs: number;
  /** How long the first connection may fail while the machine runs. */
  firstPatienceMs: number;
  /** A row that comes later is taken at the next try. */
  apiPatienceMs: number;
  /** A connection that lived so long has proved itself: the next failure is the first. */
  provenMs: number;
}

export const TIMINGS: LineTimings = {
  pingEveryMs: 15_000,
  pingLimitMs: 10_000,
  alarmLimitMs: 3000,
  tickMs: 1000,
  firstPatienceMs: 60_000,
  apiPatienceMs: 3000,
  provenMs: 10_000,
};

const STOPPED_FACTOR = 4;

interface LineOptions {
  instance: Instance;
  tell: TellTunnel;
  timings: LineTimings;
}

/**
 * The connection of a tunnel, again and again: the address is read anew at each try, failures that may pass are tried
 * again after a jittered pause, and one that has gone silent is replaced before it is given up.
 */
export class Line {
  /** What new sockets may use now; null while there is none, or while it does not answer. */
  carrier: Carrier | null = null;
  roundTripMs: number | null = null;
  lastError: ForgeError | null = null;
  private readonly deps: LineDependencies;
  private readonly tell: TellTunnel;
  private readonly timings: LineTimings;
  private readonly waiting = new Set<(carrier: Carrier) => void>();
  private readonly onUp: (carrier: Carrier) => Promise<void>;
  private wasUp = false;
  private readonly dialer: Dialer;
  private alarm: ((reason: string) => void) | null = null;

  constructor(
    deps: LineDependencies,
    { instance, tell, timings }: LineOptions,
    onUp: (carrier: Carrier) => Promise<void>,
  ) {
    this.deps = deps;
    this.tell = tell;
    this.timings = timings;
    this.dialer = new Dialer(deps, instance, timings.apiPatienceMs);
    this.onUp = onUp;
  }

  get instance(): Instance {
    return this.dialer.instance;
  }

  /** Lives until something final happens, and throws it. */
  async run(): Promise<never> {
    const { clock, signal } = this.deps;
    const ended = new AbortController();
    void watchForAlarms(
      { clock, networkFingerprint: this.deps.networkFingerprint, tickMs: this.timings.tickMs },
      AbortSignal.any([signal, ended.signal]),
      (reason) => this.alarm?.(reason),
    );
    try {
      let failures = 0;
      let lostMs: number | null = null;
      let next: Link | null = null;
      for (;;) {
        const link: Link = next ?? (await this.dialUntilUp(failures, signal));
        const upMs = clock.now();
        const carrier = new Carrier(link.connection);
        next = await this.live(carrier, lostMs);
        lostMs = clock.now();
        const isProven = carrier.hasCarried || lostMs - upMs >= this.timings.provenMs;
        failures = isProven ? 0 : failures + 1;
        if (next === null && failures > 0) await this.nextQuestion(backoffMs(failures, this.deps.random), signal);
      }
    } finally {
      ended.abort();
      this.carrier?.connection.close();
      this.carrier = null;
    }
  }

  /** What carries sockets, at once or as soon as there is something; null when the time is over. `broken` has just failed. */
  async whenUp(limitMs: number, signal: AbortSignal, broken: Carrier | null): Promise<Carrier | null> {
    if (this.carrier !== broken && this.carrier?.connection.isOpen()) return this.carrier;
    const over = new AbortController();
    return new Promise((resolve) => {
      const settle = (carrier: Carrier | null): void => {
        this.waiting.delete(settle);
        over.abort();
        resolve(carrier);
      };
      this.waiting.add(settle);
      this.deps.clock.sleep(limitMs, AbortSignal.any([signal, over.signal])).then(
        () => settle(null),
        () => settle(null),
      );
    });
  }

  private offer(carrier: Carrier): void {
    this.carrier = carrier;
    for (const settle of [...this.waiting]) settle(carrier);
  }

  /** From the login to the loss; gives the connection that replaces it, if there is one already. */
  private async live(carrier: Carrier, lostMs: number | null): Promise<Link | null> {
    const { connection } = carrier;
    try {
      await untilAborted(this.begin(carrier), this.deps.signal);
      this.wasUp ||= connection.isOpen();
      this.lastError = null;
      if (connection.isOpen()) this.offer(carrier);
      const { via, host, port } = connection.address;
      const at = { via, address: `${host}:${port}`, roundTripMs: this.roundTripMs };
      if (lostMs === null) this.tell({ event: 'connected', ...at });
      else this.tell({ event: 'reconnected', ...at, afterMs: this.deps.clock.now() - lostMs });
      const { reason, next } = await this.watch(carrier);
      this.carrier = null;
      this.tell({ event: 'lost', reason });
      return next;
    } finally {
      this.carrier = null;
      connection.close();
    }
  }

  private async begin(carrier: Carrier): Promise<void> {
    this.roundTripMs = await carrier.measureRoundTrip(this.timings.pingLimitMs).catch(() => null);
    void this.measureCalmly(carrier);
    await this.onUp(carrier);
  }

  private async watch(carrier: Carrier): Promise<{ reason: string; next: Link | null }> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.deps.signal, over.signal]);
    let forget = (): void => {};
    const closed = new Promise<{ reason: string; next: null }>((resolve, reject) => {
      const { connection } = carrier;
      forget = connection.onClose(() => {
        if (connection.brokenBy !== null) reject(connection.brokenBy);
        else resolve({ reason: 'the connection was cut', next: null });
      });
      this.deps.signal.addEventListener('abort', () => reject(this.deps.signal.reason), {
        once: true,
        signal: over.signal,
      });
    });
    try {
      this.deps.signal.throwIfAborted();
      return await Promise.race([closed, this.untilReplaced(carrier, signal)]);
    } finally {
      over.abort();
      forget();
    }
  }

  /** Asks from time to time, and at once when there is a reason for doubt. */
  private async untilReplaced(carrier: Carrier, signal: AbortSignal): Promise<{ reason: string; next: Link }> {
    const { pingEveryMs, pingLimitMs, alarmLimitMs } = this.timings;
    for (;;) {
      const doubt = await this.nextQuestion(pingEveryMs, signal);
      if (await this.asks(carrier, doubt === null ? pingLimitMs : alarmLimitMs)) continue;
      // Its end comes from `closed`.
      if (!carrier.connection.isOpen()) return new Promise(() => {});
      const reason = doubt === null ? 'the connection does not answer' : `${doubt}, and the connection does not answer`;
      this.tell({ event: 'stalled', reason });
      const next = await this.replace(carrier, signal);
      if (next !== null) return { reason, next };
      this.tell({ event: 'recovered' });
    }
  }

  /** Waits, but not through an alarm: whoever wakes up asks at once. Null when it was time, else the reason for doubt. */
  private async nextQuestion(everyMs: number, signal: AbortSignal): Promise<string | null> {
    const over = new AbortController();
    let ask: ((reason: string) => void) | null = null;
    try {
      return await new Promise<string | null>((resolve, reject) => {
        ask = resolve;
        this.alarm = ask;
        this.deps.clock.sleep(everyMs, AbortSignal.any([signal, over.signal])).then(() => resolve(null), reject);
      });
    } finally {
      // Whoever waits by now has taken its place.
      if (this.alarm === ask) this.alarm = null;
      over.abort();
    }
  }

  /** The first answers come from two programs that are busy with the login. */
  private async measureCalmly(carrier: Carrier): Promise<void> {
    for (let nth = 0; nth < 4 && (await this.asks(carrier, this.timings.pingLimitMs)); nth += 1);
  }

  private async asks(carrier: Carrier, limitMs: number): Promise<boolean> {
    try {
      this.roundTripMs = await carrier.measureRoundTrip(limitMs);
      return true;
    } catch {
      return false;
    }
  }

  /** Whoever comes first: the old connection, which then goes on, or a new one. Nobody's socket is cut before that. */
  private async replace(carrier: Carrier, signal: AbortSignal): Promise<Link | null> {
    this.carrier = null;
    const over = new AbortController();
    const dialing = this.dialUntilUp(0, AbortSignal.any([signal, over.signal]));
    const answered = (async (): Promise<null> => {
      while (!signal.aborted && !(await this.asks(carrier, this.timings.pingLimitMs))) {
        // The end of the connection is somebody else's to tell.
        if (!carrier.connection.isOpen()) await new Promise(() => {});
      }
      return null;
    })();
    let winner: Link | null = null;
    try {
      winner = await Promise.race([dialing, answered]);
      if (winner === null) this.offer(carrier);
      return winner;
    } finally {
      over.abort();
      dialing.then(
        (link) => link !== winner && link.connection.close(),
        () => {},
      );
    }
  }

  private async dialUntilUp(failures: number, signal: AbortSignal): Promise<Link> {
    const { clock, random } = this.deps;
    const startedMs = clock.now();
    for (let attempt = failures; ; attempt += 1) {
      this.tell({ event: 'connecting', attempt: attempt + 1 });
      try {
        return await (attempt === 0 && this.wasUp ? this.dialer.redial(signal) : this.dialer.dial(signal));
      } catch (error) {
        signal.throwIfAborted();
        const { wasUp, instance } = this;
        const elapsedMs = clock.now() - startedMs;
        if (!mayPass(error, { wasUp, instance, elapsedMs, firstPatienceMs: this.timings.firstPatienceMs })) throw error;
        this.lastError = error;
        // A machine that is stopped does not start again within seconds.
        const inMs = backoffMs(attempt, random) * (error.exit === EXIT.notReady ? STOPPED_FACTOR : 1);
        this.tell({ event: 'retrying', attempt: attempt + 1, inMs, error });
        await this.nextQuestion(inMs, signal);
      }
    }
  }
}

/** Rejects with the signal's reason as soon as it is aborted: a machine may take as long as it likes to answer. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const over = new AbortController();
  const aborted = new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: over.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    over.abort();
    work.catch(() => {});
  }
}
