import type { Client, ClientChannel, ConnectConfig } from 'ssh2';
import { EXIT, ForgeError } from '../errors.js';
import type { HostKeys } from './host-keys.js';
import type { Identity } from './identity.js';

interface Candidate {
  host: string;
  port: number;
  via: 'direct' | 'proxy';
}

export interface ConnectOptions {
  candidates: readonly Candidate[];
  /** Whose host key it must be, e.g. the contract's id. */
  instanceId: string;
  identity: Identity;
  hostKeys: HostKeys;
  /** Wall time for the whole race. */
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface RunOptions {
  timeoutMs: number;
  signal?: AbortSignal;
  maxOutputBytes?: number;
}

export interface RunResult {
  stdout: string;
  stderr: string;
  exitCode: number | null;
}

/** Direct gets this head start before the proxy is tried as well. */
const HEAD_START_MS = 300;
/** How long one session may take to open. */
const OPEN_LIMIT_MS = 15_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

/** One SSH connection to one instance. */
export class Connection {
  readonly via: 'direct' | 'proxy';
  private readonly client: Client;
  private open = true;

  constructor(client: Client, via: 'direct' | 'proxy') {
    this.client = client;
    this.via = via;
    client.on('close', () => {
      this.open = false;
    });
    client.on('error', () => {
      this.open = false;
    });
  }

  isOpen(): boolean {
    return this.open;
  }

  /** Sends the script on stdin to a plain bash: nothing shows in `ps`, and no quoting limits its text. */
  async run(script: string, options: RunOptions): Promise<RunResult> {
    const channel = await this.openSession('bash --noprofile --norc -s', options);
    return readChannel(channel, script, options);
  }

  close(): void {
    this.open = false;
    this.client.end();
    // A peer that never closes its half must not keep the process alive.
    setTimeout(() => this.client.destroy(), 500).unref();
  }

  private openSession(command: string, { signal }: RunOptions): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(lost('the session did not open in time')), OPEN_LIMIT_MS);
      const onAbort = (): void => reject(signal?.reason);
      signal?.addEventListener('abort', onAbort, { once: true });
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      if (!this.open) {
        settle();
        reject(lost('the connection is closed'));
        return;
      }
      this.client.exec(command, (error, channel) => {
        settle();
        if (error) reject(lost(error.message));
        else resolve(channel);
      });
    });
  }
}

function lost(why: string): ForgeError {
  return new ForgeError(`The SSH connection failed: ${why}.`, {
    code: 'SSH_LOST',
    exit: EXIT.sshFailed,
    hint: 'Try again.',
  });
}

function readChannel(channel: ClientChannel, input: string, options: RunOptions): Promise<RunResult> {
  const { timeoutMs, signal, maxOutputBytes = MAX_OUTPUT_BYTES } = options;
  return new Promise((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let bytes = 0;
    let exitCode: number | null = null;
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      channel.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => fail(lost(`the remote command took longer than ${Math.round(timeoutMs / 1000)} s`)),
      timeoutMs,
    );
    const onAbort = (): void => fail(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const keep = (into: Buffer[]) => (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxOutputBytes) fail(lost(`the remote command printed more than ${maxOutputBytes} bytes`));
      else into.push(chunk);
    };
    channel.on('data', keep(stdout));
    channel.stderr.on('data', keep(stderr));
    channel.on('exit', (code: number | null) => {
      exitCode = code;
    });
    channel.on('error', fail);
    channel.on('close', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolve({
        stdout: Buffer.concat(stdout).toString('utf8'),
        stderr: Buffer.concat(stderr).toString('utf8'),
        exitCode,
      });
    });
    channel.end(input);
  });
}

/** Races the addresses; the first accepted login wins and the others are closed. Rejects with the most telling failure. */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { candidates, signal } = options;
  if (candidates.length === 0) {
    throw new ForgeError('The instance has no SSH address yet.', {
      code: 'SSH_NO_ADDRESS',
      exit: EXIT.sshFailed,
      hint: 'forgectl wait --for ssh',
    });
  }
  signal?.throwIfAborted();
  const { default: ssh2 } = await import('ssh2');
  const attempts = candidates.map(
    (candidate, index) => new Attempt(new ssh2.Client(), candidate, options, index * HEAD_START_MS),
  );
  const onAbort = (): void => {
    for (const attempt of attempts) attempt.cancel(signal?.reason);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const winner = await Promise.any(attempts.map((attempt) => attempt.done));
    for (const attempt of attempts) if (attempt !== winner) attempt.cancel(lost('another address was faster'));
    return winner.connection();
  } catch (error) {
    signal?.throwIfAborted();
    throw mostTelling(error instanceof AggregateError ? error.errors : [error]);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** A changed host key outranks everything; then "you may not", which means that the address was right. */
function mostTelling(errors: unknown[]): unknown {
  const order = ['SSH_HOST_KEY_CHANGED', 'SSH_AUTH', 'SSH_HANDSHAKE', 'SSH_TIMEOUT', 'SSH_REFUSED'];
  const rank = (error: unknown): number => {
    const at = error instanceof ForgeError ? order.indexOf(error.code) : -1;
    return at === -1 ? order.length : at;
  };
  return [...errors].sort((one, other) => rank(one) - rank(other))[0];
}

class Attempt {
  readonly done: Promise<Attempt>;
  private readonly client: Client;
  private readonly candidate: Candidate;
  private hostKeyError: unknown = null;
  private reject: (error: unknown) => void = () => {};
  private settled = false;

  constructor(client: Client, candidate: Candidate, options: ConnectOptions, delayMs: number) {
    this.client = client;
    this.candidate = candidate;
    this.done = new Promise((resolve, reject) => {
      this.reject = reject;
      const deadline = setTimeout(() => this.cancel(this.failure({ code: 'ETIMEDOUT' })), options.timeoutMs);
      const start = setTimeout(() => this.start(options), delayMs);
      const settle = (): void => {
        this.settled = true;
        clearTimeout(deadline);
        clearTimeout(start);
      };
      this.client.once('ready', () => {
        settle();
        resolve(this);
      });
      this.reject = (error) => {
        settle();
        reject(error);
      };
      this.client.on('error', (error: Error & { level?: string }) =>
        this.reject(this.hostKeyError ?? this.failure(error)),
      );
      this.client.once('close', () => this.reject(this.hostKeyError ?? this.failure({ code: 'ECLOSED' })));
    });
    // The race may be over before a slower attempt fails.
    this.done.catch(() => {});
  }

  connection(): Connection {
    return new Connection(this.client, this.candidate.via);
  }

  cancel(reason: unknown): void {
    if (!this.settled) this.reject(reason);
    this.client.destroy();
  }

  private start({ identity, hostKeys, instanceId, timeoutMs }: ConnectOptions): void {
    const { host, port } = this.candidate;
    const config: ConnectConfig = {
      host,
      port,
      username: 'root',
      readyTimeout: timeoutMs,
      keepaliveInterval: 15_000,
      keepaliveCountMax: 4,
      hostVerifier: (key: Buffer) => {
        try {
          hostKeys.verify(instanceId, key);
          return true;
        } catch (error) {
          this.hostKeyError = error;
          return false;
        }
      },
      ...(identity.agentSocket === null ? {} : { agent: identity.agentSocket }),
      ...(identity.privateKey === null ? {} : { privateKey: identity.privateKey }),
      ...(identity.passphrase === null ? {} : { passphrase: identity.passphrase }),
    };
    this.client.connect(config);
  }

  /** Which of name, network, handshake and user key failed, and what to do. */
  private failure(error: { code?: string; level?: string; message?: string }): ForgeError {
    const where = `${this.candidate.host}:${this.candidate.port}`;
    const kind = kindOf(error);
    const texts: Record<string, [string, string]> = {
      SSH_NAME: [`the name ${this.candidate.host} is not known`, 'Check the network.'],
      SSH_REFUSED: [`${where} refused the connection`, 'Right after a start this passes within a minute.'],
      SSH_TIMEOUT: [`${where} did not answer in time`, 'A firewall may be in the way, or the host is overloaded.'],
      SSH_AUTH: [
        `${where} refused the key`,
        'forgectl attaches it again by itself; a new key can take a minute to arrive.',
      ],
      SSH_HANDSHAKE: [`${where} broke off the handshake`, 'Right after a start this passes within a minute.'],
    };
    const [message, hint] = texts[kind] ?? ['', ''];
    return new ForgeError(`SSH login failed: ${message}.`, {
      code: kind,
      exit: EXIT.sshFailed,
      hint,
      cause: error,
      details: { address: where },
    });
  }
}

function kindOf(error: { code?: string; level?: string }): string {
  if (error.level === 'client-authentication') return 'SSH_AUTH';
  if (error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') return 'SSH_NAME';
  if (error.code === 'ECONNREFUSED') return 'SSH_REFUSED';
  if (error.code === 'ETIMEDOUT' || error.level === 'client-timeout' || error.code === 'EHOSTUNREACH')
    return 'SSH_TIMEOUT';
  return 'SSH_HANDSHAKE';
}
