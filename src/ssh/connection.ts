import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Client, ClientChannel, SFTPWrapper } from 'ssh2';
import { EXIT, ForgeError } from '../errors.js';
import { type ExecOptions, type ExecResult, readChannel } from './channel.js';
import type { HostKeys } from './host-keys.js';
import type { Identity } from './identity.js';
import { type Candidate, LoginAttempt } from './login-attempt.js';
import { brokenProtocol, connectionLost } from './login-failure.js';
import { type AttemptEvent, raceLogins } from './login-race.js';
import { violationIn, watchChannel } from './peer-limits.js';
import { endMarked, newRunMark } from './run-mark.js';
import { PLAIN_BASH, type Shell, type ShellOptions, type ShellResult } from './shell.js';

export interface ConnectOptions {
  /** Best first. */
  candidates: readonly Candidate[];
  /** Whose host key it must be, e.g. the contract's id. */
  instanceId: string;
  /** Offered first. */
  identity: Identity;
  /** Offered in this order when the first is refused. */
  otherIdentities?: readonly Identity[];
  hostKeys: HostKeys;
  /** The only host keys to accept, as the instance has named them; null or absent when it has not. */
  namedKeys?: ReadonlySet<string> | null;
  /** Wall time for the login at each address. */
  timeoutMs: number;
  user?: string;
  signal?: AbortSignal;
  /** How long the first address is tried alone, when it has proved itself before. */
  headStartMs?: number;
  onAttempt?: (event: AttemptEvent) => void;
}

/** How long one session, tunnel or file channel may take to open. */
const OPEN_LIMIT_MS = 15_000;
/** The system holds as much again, and more where the way is long. */
const MOST_UNSENT_BYTES = 1024 * 1024;
/** Of at most 32 KiB. */
const MOST_QUEUED_PACKETS = 64;
const CLOSE_LIMIT_MS = 500;

/** The parts of ssh2 1.17 behind its documentation that are used here. */
interface ClientParts {
  _sock?: Socket;
  _protocol?: { _queue?: readonly unknown[] };
}

/** One SSH connection to one instance, shared by everything that needs it. */
export class Connection implements Shell {
  readonly via: 'direct' | 'proxy';
  readonly address: Candidate;
  private readonly client: Client;
  private open: boolean;
  private files: Promise<SFTPWrapper> | null = null;
  private sent: Promise<void> | null = null;

  constructor(client: Client, address: Candidate) {
    this.client = client;
    this.via = address.via;
    this.address = address;
    // It may have ended between the login and here.
    this.open = this.socket?.destroyed !== true;
    client.on('close', () => {
      this.open = false;
    });
    client.on('error', () => {
      this.open = false;
      // ssh2 only ends its half, and whoever caused the error need not end the other: its end would never come.
      setTimeout(() => this.socket?.destroy(), CLOSE_LIMIT_MS).unref();
    });
  }

  isOpen(): boolean {
    return this.open;
  }

  /** Null unless the peer broke the protocol, which will not pass. */
  get brokenBy(): ForgeError | null {
    const why = violationIn(this.client);
    return why === null ? null : brokenProtocol(why);
  }

  /** Why something on it has failed: the peer's violation of the protocol, or else `why`. */
  lost(why: string): ForgeError {
    return this.brokenBy ?? connectionLost(why);
  }

  /** Calls back once, when the connection has ended in whatever way; the answer takes the wish back. */
  onClose(listener: () => void): () => void {
    if (!this.open) {
      const soon = setImmediate(listener);
      return () => clearImmediate(soon);
    }
    this.client.once('close', listener);
    return () => this.client.off('close', listener);
  }

  /**
   * For whoever sends much: null when there is room, else resolves when the network has taken what was sent, or is gone.
   * ssh2 keeps whatever a peer's window allows, and that is megabytes for each channel.
   */
  whenSent(): Promise<void> | null {
    const { socket, client } = this;
    if (socket === undefined || socket.destroyed || !(isFull(socket) || this.queuesMuch())) return null;
    this.sent ??= new Promise((resolve) => {
      const done = (): void => {
        if (!socket.destroyed && (isFull(socket) || this.queuesMuch())) return;
        socket.off('drain', done).off('close', done);
        client.off('handshake', done);
        this.sent = null;
        resolve();
      };
      socket.on('drain', done).on('close', done);
      client.on('handshake', done);
    });
    return this.sent;
  }

  /** What is written to the channel waits for the network as well: a peer may grant windows without end and read nothing. */
  pace(channel: ClientChannel): void {
    watchChannel(this.client, channel);
    const write = channel._write.bind(channel);
    channel._write = (chunk, encoding, taken) => {
      write(chunk, encoding, (error) => {
        const sent = this.whenSent();
        if (sent === null) taken(error);
        else void sent.then(() => taken(error));
      });
    };
  }

  async run(script: string, options: ShellOptions): Promise<ShellResult> {
    const mark = newRunMark();
    try {
      const { stdout, stderr, exitCode } = await this.exec(`${PLAIN_BASH} ${mark}`, { ...options, stdin: script });
      return { stdout: stdout.toString('utf8'), stderr: stderr.toString('utf8'), exitCode };
    } catch (error) {
      if (this.open) void endMarked(this, mark);
      throw error;
    }
  }

  /** `command` shows in the machine's process list: secrets go to stdin. */
  async exec(command: string, options: ExecOptions): Promise<ExecResult> {
    const { signal, timeoutMs } = options;
    return this.openChannel(
      'the session',
      (client, done) => client.exec(command, done),
      (channel: ClientChannel) => readChannel(channel, options, this),
      { timeoutMs: Math.min(timeoutMs, OPEN_LIMIT_MS), ...(signal === undefined ? {} : { signal }) },
    );
  }

  /** A stream to an address as the machine sees it, e.g. 127.0.0.1 and Forge's port. */
  async openForward(host: string, port: number, timeoutMs = OPEN_LIMIT_MS): Promise<Duplex> {
    return this.openChannel(
      `the way to ${host}:${port}`,
      (client, done) => client.forwardOut('127.0.0.1', 0, host, port, done),
      // Until its user listens: one broken stream must not end the process.
      (channel: ClientChannel) => channel.on('error', () => {}),
      { timeoutMs },
    );
  }

  /** Opened at the first call and shared; opened anew when it has ended. */
  sftp(timeoutMs = OPEN_LIMIT_MS): Promise<SFTPWrapper> {
    this.files ??= this.openFiles(timeoutMs).catch((error: unknown) => {
      this.files = null;
      throw error;
    });
    return this.files;
  }

  close(): void {
    this.open = false;
    // A peer that never closes its half, or is not there any more, must not keep the process alive. The client's own
    // destroy() does nothing once its end() was called.
    const { socket } = this;
    this.client.end();
    setTimeout(() => socket?.destroy(), CLOSE_LIMIT_MS).unref();
  }

  private get socket(): Socket | undefined {
    return (this.client as unknown as ClientParts)._sock;
  }

  /** While keys are exchanged ssh2 keeps all packets, and a peer may never come to an end of that. */
  private queuesMuch(): boolean {
    const { _protocol: protocol } = this.client as unknown as ClientParts;
    return (protocol?._queue?.length ?? 0) > MOST_QUEUED_PACKETS;
  }

  private async openFiles(timeoutMs: number): Promise<SFTPWrapper> {
    const gone = (): void => {
      this.files = null;
    };
    return this.openChannel(
      'the file channel',
      (client, done) => client.sftp(done),
      (files: SFTPWrapper) => files.on('close', gone).on('error', gone),
      { timeoutMs },
    );
  }

  /**
   * Opens whatever ssh2's client opens, in time or not at all. `what` is how a failure calls it: "the session". `use` is
   * called at once and not behind a promise: what comes first, and even the end, may lie in the packet that opened it.
   */
  openChannel<T extends { end(): unknown; destroy?(): unknown }, R>(
    what: string,
    open: (client: Client, done: (error: Error | undefined, channel: T) => void) => void,
    use: (channel: T) => R | Promise<R>,
    { timeoutMs = OPEN_LIMIT_MS, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<R> {
    signal?.throwIfAborted();
    if (!this.open) return Promise.reject(this.lost('it is closed'));
    return new Promise((resolve, reject) => {
      let isWaiting = true;
      const settle = (act: () => void): void => {
        if (!isWaiting) return;
        isWaiting = false;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.client.off('close', onLost);
        act();
      };
      const timer = setTimeout(() => settle(() => reject(this.lost(`${what} did not open in time`))), timeoutMs);
      const onAbort = (): void => settle(() => reject(signal?.reason));
      const onLost = (): void => settle(() => reject(this.lost('it was cut')));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.client.once('close', onLost);
      const onOpened = (error: Error | undefined, channel: T): void => {
        if (error) settle(() => reject(this.brokenBy ?? channelRefused(what, error)));
        else if (isWaiting) {
          if ('_write' in channel && 'stderr' in channel) this.pace(channel as unknown as ClientChannel);
          settle(() => resolve(use(channel)));
        }
        // Too late: nobody waits for it any more.
        else if (channel.destroy === undefined) channel.end();
        else channel.destroy();
      };
      try {
        open(this.client, onOpened);
      } catch (error) {
        settle(() => reject(this.lost((error as Error).message)));
      }
    });
  }
}

function channelRefused(what: string, { message }: Error): ForgeError {
  return connectionLost(`${what} was refused: ${message}`, 'SSH_CHANNEL_REFUSED');
}

function isFull(socket: Socket): boolean {
  return socket.writableLength >= MOST_UNSENT_BYTES;
}

/** Races the addresses; the first accepted login wins and the others are closed. Rejects with the most telling failure. */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { candidates, signal, headStartMs, onAttempt, user = 'root' } = options;
  if (candidates.length === 0) {
    throw new ForgeError('The instance has no SSH address yet.', {
      code: 'SSH_NO_ADDRESS',
      exit: EXIT.sshFailed,
      hint: 'forgectl wait --for ssh',
    });
  }
  signal?.throwIfAborted();
  const { default: ssh2 } = await import('ssh2');
  const { hostKeys, instanceId, timeoutMs, namedKeys = null } = options;
  const identities = [options.identity, ...(options.otherIdentities ?? [])];
  const login = { user, identities, hostKeys, namedKeys, instanceId, timeoutMs };
  const attempts = candidates.map((candidate) => new LoginAttempt(new ssh2.Client(), candidate, login));
  const winner = await raceLogins(attempts, {
    ...(signal && { signal }),
    ...(headStartMs && { headStartMs }),
    ...(onAttempt && { onAttempt }),
  });
  return new Connection(winner.client, winner.candidate);
}
