import type { Candidate, LoginAttempt } from './login-attempt.js';
import { connectionLost, mostTelling } from './login-failure.js';

export interface AttemptEvent {
  address: Candidate;
  state: 'trying' | 'failed' | 'won';
  error?: unknown;
}

interface RaceOptions {
  signal?: AbortSignal;
  /** For the first address, when it is likely to be the right one. */
  headStartMs?: number;
  onAttempt?: (event: AttemptEvent) => void;
}

/** Each address gets this head start on the next one. */
const HEAD_START_MS = 300;

/** The first accepted login wins. One that fails at once lets the next start at once. */
export function raceLogins(attempts: readonly LoginAttempt[], options: RaceOptions): Promise<LoginAttempt> {
  return new Promise((resolve, reject) => new Race(attempts, options, resolve, reject).startNext());
}

class Race {
  private readonly attempts: readonly LoginAttempt[];
  private readonly options: RaceOptions;
  private readonly resolve: (winner: LoginAttempt) => void;
  private readonly reject: (error: unknown) => void;
  private readonly failures: { error: unknown; isGuess: boolean }[] = [];
  private started = 0;
  private isOver = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    attempts: readonly LoginAttempt[],
    options: RaceOptions,
    resolve: (winner: LoginAttempt) => void,
    reject: (error: unknown) => void,
  ) {
    this.attempts = attempts;
    this.options = options;
    this.resolve = resolve;
    this.reject = reject;
    options.signal?.addEventListener('abort', this.onAbort, { once: true });
  }

  startNext(): void {
    clearTimeout(this.timer);
    const attempt = this.attempts[this.started];
    if (this.isOver || attempt === undefined) return;
    this.started += 1;
    const { headStartMs = HEAD_START_MS } = this.options;
    this.timer = setTimeout(() => this.startNext(), this.started === 1 ? headStartMs : HEAD_START_MS);
    this.tell(attempt, 'trying');
    attempt.run().then(
      () => this.won(attempt),
      (error: unknown) => this.failed(attempt, error),
    );
  }

  private won(attempt: LoginAttempt): void {
    if (!this.end()) {
      attempt.client.destroy();
      return;
    }
    this.tell(attempt, 'won');
    this.cancelOthers(attempt, connectionLost('another address was faster'));
    this.resolve(attempt);
  }

  private failed(attempt: LoginAttempt, error: unknown): void {
    if (this.isOver) return;
    this.tell(attempt, 'failed', error);
    this.failures.push({ error, isGuess: attempt.candidate.isGuess === true });
    if (this.failures.length < this.attempts.length) this.startNext();
    else if (this.end()) this.reject(mostTelling(this.failures));
  }

  private readonly onAbort = (): void => {
    if (!this.end()) return;
    this.cancelOthers(null, this.options.signal?.reason);
    this.reject(this.options.signal?.reason);
  };

  private cancelOthers(winner: LoginAttempt | null, reason: unknown): void {
    for (const attempt of this.attempts) if (attempt !== winner) attempt.cancel(reason);
  }

  private end(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    clearTimeout(this.timer);
    this.options.signal?.removeEventListener('abort', this.onAbort);
    return true;
  }

  private tell(attempt: LoginAttempt, state: AttemptEvent['state'], error?: unknown): void {
    this.options.onAttempt?.({ address: attempt.candidate, state, ...(error === undefined ? {} : { error }) });
  }
}
