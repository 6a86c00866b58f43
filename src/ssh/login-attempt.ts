import type { Client, ConnectConfig } from 'ssh2';
import { offeredAlgorithms } from './algorithms.js';
import { KeyOffers } from './authentication.js';
import type { HostKeys } from './host-keys.js';
import type { Identity } from './identity.js';
import { DEADLINE, describeLoginFailure, type LoginPhase } from './login-failure.js';
import { watchPeer } from './peer-limits.js';

export interface Candidate {
  host: string;
  port: number;
  via: 'direct' | 'proxy';
  /** Another reading of where it listens: a neighbour's machine may answer there. */
  isGuess?: boolean;
}

export interface LoginOptions {
  user: string;
  identities: readonly Identity[];
  hostKeys: HostKeys;
  /** The only host keys to accept, "type base64", as the instance has named them; null when it has not. */
  namedKeys: ReadonlySet<string> | null;
  instanceId: string;
  timeoutMs: number;
}

/** A dead peer is noticed after 15 s x 4. */
const KEEPALIVE = { keepaliveInterval: 15_000, keepaliveCountMax: 4 };

/** One login at one address, from the name to the accepted key. */
export class LoginAttempt {
  readonly candidate: Candidate;
  readonly client: Client;
  private readonly options: LoginOptions;
  private readonly keys: KeyOffers;
  private phase: LoginPhase = 'connecting';
  private hostKey: Buffer | null = null;
  private hostKeyError: unknown = null;
  private finish: ((error: unknown) => void) | null = null;
  private deadline: NodeJS.Timeout | null = null;

  constructor(client: Client, candidate: Candidate, options: LoginOptions) {
    this.client = client;
    this.candidate = candidate;
    this.options = options;
    this.keys = new KeyOffers(options.user, options.identities, (answer) => this.withoutDeadline(answer));
    // From the first moment to the last: an error of a closed client must not end the process.
    client.on('error', () => {});
  }

  /** Resolves when the key was accepted and the host key is pinned. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.finish = (error) => {
        this.finish = null;
        if (this.deadline !== null) clearTimeout(this.deadline);
        if (error === null) resolve();
        else {
          this.client.destroy();
          reject(error);
        }
      };
      this.client.on('connect', () => {
        this.phase = 'handshake';
      });
      this.client.on('handshake', () => {
        this.phase = 'login';
      });
      this.client.on('error', (error: Error & { level?: string }) => {
        // ssh2 goes on with the next key after it.
        if (error.level !== 'agent') this.fail(error);
      });
      this.client.once('close', () => this.fail({ code: 'ECLOSED' }));
      this.client.once('ready', () => this.accept());
      this.startDeadline();
      this.connect();
    });
  }

  cancel(reason: unknown): void {
    this.finish?.(reason);
    this.client.destroy();
  }

  private connect(): void {
    const { user, hostKeys, instanceId } = this.options;
    const { host, port } = this.candidate;
    try {
      const config: ConnectConfig = {
        host,
        port,
        username: user,
        // The deadline is ours: it stands still while the user types a passphrase.
        readyTimeout: 0,
        ...KEEPALIVE,
        algorithms: offeredAlgorithms(hostKeys.pinnedType(instanceId)),
        hostVerifier: (key: Buffer) => this.checkHostKey(key),
        authHandler: (methodsLeft, _partial, callback) => {
          // Who says "refused" when it is over would make us ask for passphrases.
          if (this.finish === null) return undefined as never;
          this.keys.next(methodsLeft as string[] | null).then(
            (method) => this.finish !== null && callback(method as never),
            (error: unknown) => this.fail(error as Error),
          );
          return undefined as never;
        },
      };
      this.client.connect(config);
      watchPeer(this.client);
    } catch (error) {
      this.finish?.(error);
    }
  }

  private checkHostKey(key: Buffer): boolean {
    try {
      const { hostKeys, instanceId, namedKeys } = this.options;
      hostKeys.assertTrusted(instanceId, key, { named: namedKeys, isGuess: this.candidate.isGuess === true });
      this.hostKey = key;
      return true;
    } catch (error) {
      this.hostKeyError = error;
      return false;
    }
  }

  /** The key is pinned only now: a stranger at a recycled port refuses our key, and must not become "known". */
  private accept(): void {
    try {
      const { hostKeys, instanceId, namedKeys } = this.options;
      if (this.hostKey !== null) hostKeys.verify(instanceId, this.hostKey);
      if (namedKeys !== null) hostKeys.confirm(instanceId);
      this.finish?.(null);
    } catch (error) {
      this.finish?.(error);
    }
  }

  private fail(raw: { code?: string; level?: string; message?: string }): void {
    const { phase, candidate } = this;
    const at = { phase, offered: this.keys.offered, instanceId: this.options.instanceId };
    this.finish?.(this.hostKeyError ?? describeLoginFailure(candidate, raw, at));
  }

  private startDeadline(): void {
    this.deadline = setTimeout(() => this.fail({ code: DEADLINE }), this.options.timeoutMs);
  }

  private async withoutDeadline<T>(answer: Promise<T>): Promise<T> {
    if (this.deadline !== null) clearTimeout(this.deadline);
    try {
      return await answer;
    } finally {
      if (this.finish !== null) this.startDeadline();
    }
  }
}
