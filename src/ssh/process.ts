import type { ClientChannel } from 'ssh2';
import type { Connection } from './connection.js';
import { sweepOldBuffers } from './garbage.js';
import { type LargeWindow, receiveDirectly, type Sink, WindowCredit } from './large-window.js';
import { connectionLost } from './login-failure.js';
import { prepareForWays } from './packet-pieces.js';

export interface ProcessOptions {
  signal?: AbortSignal;
  /** A peer that takes nothing for so long, or gives nothing where it should, counts as gone. Wall time. */
  stallMs: number;
  /** To the machine and back, as it is known now; null for not yet. */
  roundTripMs?: () => number | null;
  /** What it prints goes over another connection, which holds as much again and is seldom faster. */
  isPassedOn?: boolean;
}

export interface ProcessEnd {
  /** Null when a signal ended it. */
  exitCode: number | null;
  /** Its first 64 KiB. */
  stderr: string;
}

/** Where ssh2 receives for us. */
const QUEUE_BYTES = 1024 * 1024;
/** Several channels flow at once, each into a queue: what is beyond this only waits in it, where the way is short. */
const NEAR_WINDOW_BYTES = 256 * 1024;
const FAR_WINDOW_BYTES = 2 * 1024 * 1024;
const NEAR_MS = 20;
const STDERR_BYTES = 64 * 1024;
/** Of all connections together, and a third of what one may have otherwise: several channels make up for it. */
const CREDIT = new WindowCredit();
CREDIT.take(32 * 1024 * 1024);
const CREDIT_TO_PASS_ON = new WindowCredit();
CREDIT_TO_PASS_ON.take(44 * 1024 * 1024);

/** A remote command whose input and output flow, with back-pressure both ways. */
export class RemoteProcess implements Sink {
  /** Resolves when it has ended by itself; rejects (SSH_LOST, SSH_STALLED, or the signal's reason) when it was cut. */
  readonly ended: Promise<ProcessEnd>;
  private readonly channel: ClientChannel;
  private readonly connection: Connection;
  private readonly window: LargeWindow | null;
  private readonly queue: Buffer[] = [];
  private queuedBytes = 0;
  private stderr = '';
  private exit: { code: number | null } | null = null;
  private state: 'running' | 'ended' | 'cut' = 'running';
  private outputIsOver = false;
  private outputIsWhole = false;
  /** Since when the one and the other wait for the peer. */
  private readerWaitsMs: number | null = null;
  private writerWaitsMs: number | null = null;
  private wakeReader: (() => void) | null = null;
  private wakeWriter: (() => void) | null = null;
  private resolveEnd!: (end: ProcessEnd) => void;
  private rejectEnd!: (error: unknown) => void;
  private readonly stopWatching: () => void;

  private constructor(channel: ClientChannel, connection: Connection, options: ProcessOptions) {
    const { signal, stallMs, roundTripMs = () => null, isPassedOn = false } = options;
    this.channel = channel;
    this.connection = connection;
    this.ended = new Promise((resolve, reject) => {
      this.resolveEnd = resolve;
      this.rejectEnd = reject;
    });
    // Whoever reads or writes learns of it in any case.
    this.ended.catch(() => {});
    const isNear = (roundTripMs() ?? NEAR_MS) < NEAR_MS;
    const leastBytes = isNear ? NEAR_WINDOW_BYTES : FAR_WINDOW_BYTES;
    const credit = isPassedOn ? CREDIT_TO_PASS_ON : CREDIT;
    this.window = receiveDirectly(channel, this, credit, { leastBytes, roundTripMs });
    if (this.window === null) {
      channel.on('data', (chunk: Buffer) => this.data(chunk));
      channel.on('end', () => this.end(connection.isOpen()));
    }
    channel.stderr.on('data', (chunk: Buffer) => {
      if (this.stderr.length < STDERR_BYTES) this.stderr += chunk.toString('utf8', 0, STDERR_BYTES);
    });
    channel.stderr.on('error', () => {});
    channel.on('error', (error: Error) => this.cut(connection.lost(error.message)));
    channel.on('exit', (code: number | null) => {
      this.exit = { code };
    });
    channel.on('close', () => this.close());
    const onAbort = (): void => this.cut(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = setInterval(() => this.checkStall(stallMs), Math.max(50, stallMs / 10));
    this.stopWatching = () => {
      clearInterval(timer);
      signal?.removeEventListener('abort', onAbort);
    };
  }

  /** `command` shows in the machine's process list: no secrets in it. */
  static async start(connection: Connection, command: string, options: ProcessOptions): Promise<RemoteProcess> {
    return connection.openChannel(
      'the session',
      (client, done) => {
        prepareForWays(client);
        client.exec(command, done);
      },
      (channel: ClientChannel) => new RemoteProcess(channel, connection, options),
      options.signal === undefined ? {} : { signal: options.signal },
    );
  }

  /**
   * Its output as it comes. Ends early when the process was cut: `ended` says so. A command that thinks before it speaks
   * may pause; a dead peer is then noticed by the connection's own keepalive.
   */
  async *output({ mayPause = false } = {}): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.queue.shift();
      if (chunk !== undefined) {
        this.queuedBytes -= chunk.length;
        if (this.window !== null) this.window.drained();
        else if (this.queuedBytes < QUEUE_BYTES / 2) this.channel.resume();
        yield chunk;
      } else if (this.outputIsOver || this.state !== 'running') {
        return;
      } else {
        if (!mayPause) this.readerWaitsMs = performance.now();
        await new Promise<void>((wake) => {
          this.wakeReader = wake;
        });
        this.readerWaitsMs = null;
      }
    }
  }

  /** Resolves when there is room for more; false when nobody reads any more, whose reason `ended` has. */
  async write(chunk: Buffer | string): Promise<boolean> {
    if (this.state !== 'running') return false;
    this.writerWaitsMs = performance.now();
    await new Promise<void>((wake) => {
      this.wakeWriter = wake;
      const write = (): void => {
        if (this.state === 'running') this.channel.write(chunk, () => wake());
      };
      const sent = this.connection.whenSent();
      if (sent === null) write();
      else void sent.then(write);
    });
    this.writerWaitsMs = null;
    return this.state === 'running';
  }

  endInput(): void {
    if (this.state === 'running') this.channel.end();
  }

  /** Ends it, whatever it does. */
  cut(reason: unknown): void {
    if (this.state !== 'running') return;
    this.settle('cut');
    this.rejectEnd(reason);
    try {
      this.channel.signal('TERM');
      this.channel.close();
    } catch {
      // The connection is gone, and the command's input with it.
    }
    this.channel.resume();
    this.channel.stderr.resume();
  }

  data(chunk: Buffer): void {
    if (this.state === 'cut') return;
    this.queue.push(chunk);
    sweepOldBuffers(chunk.length);
    this.queuedBytes += chunk.length;
    if (this.window === null && this.queuedBytes >= QUEUE_BYTES) this.channel.pause();
    this.wakeReader?.();
  }

  pending(): number {
    return this.queuedBytes;
  }

  end(isWhole: boolean): void {
    this.outputIsOver = true;
    this.outputIsWhole = isWhole;
    this.wakeReader?.();
  }

  /**
   * Every command ends with a status or a signal; a channel that ends without was cut. So was one whose status has come
   * and whose output has not ended: servers send the status as soon as they know it, past output that still waits.
   */
  private close(): void {
    if (this.state !== 'running') return;
    if (this.exit === null || !this.outputIsWhole) {
      this.cut(this.connection.lost('it was cut while a remote command ran'));
      return;
    }
    this.settle('ended');
    this.resolveEnd({ exitCode: this.exit.code, stderr: this.stderr });
  }

  private settle(state: 'ended' | 'cut'): void {
    this.state = state;
    this.stopWatching();
    this.wakeReader?.();
    this.wakeWriter?.();
  }

  private checkStall(stallMs: number): void {
    const sinceMs = Math.min(
      this.readerWaitsMs ?? Number.POSITIVE_INFINITY,
      this.writerWaitsMs ?? Number.POSITIVE_INFINITY,
    );
    if (performance.now() - sinceMs < stallMs) return;
    this.cut(connectionLost(`nothing moved for ${Math.round(stallMs / 100) / 10} s`, 'SSH_STALLED'));
  }
}
