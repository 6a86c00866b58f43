import type { Readable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { connectionLost } from './login-failure.js';
import { signalName } from './remote-signal.js';
import { tellHeld } from './small-pieces.js';

export interface ExecOptions {
  timeoutMs: number;
  stdin?: string | Buffer | Readable;
  signal?: AbortSignal;
  maxOutputBytes?: number;
}

export interface ExecResult {
  stdout: Buffer;
  stderr: Buffer;
  /** Null when a signal ended it. */
  exitCode: number | null;
  /** "KILL", "TERM"…, or null. */
  signal: string | null;
}

const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

/** The connection that the channel belongs to. */
interface Below {
  isOpen(): boolean;
  lost(why: string): Error;
}

/** Reads one command to its end. Whatever goes wrong closes this channel and nothing else. */
export function readChannel(channel: ClientChannel, options: ExecOptions, connection: Below): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const reading = new Reading(channel, options, { resolve, reject, connection });
    reading.start();
  });
}

interface Outcome {
  resolve: (result: ExecResult) => void;
  reject: (error: unknown) => void;
  connection: Below;
}

class Reading {
  private readonly channel: ClientChannel;
  private readonly options: ExecOptions;
  private readonly outcome: Outcome;
  private readonly output: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
  private bytes = 0;
  private ended: { exitCode: number | null; signal: string | null } | null = null;
  /** The output has ended while the connection stood. */
  private isWhole = false;
  private timer: NodeJS.Timeout | null = null;
  private isOver = false;

  constructor(channel: ClientChannel, options: ExecOptions, outcome: Outcome) {
    this.channel = channel;
    this.options = options;
    this.outcome = outcome;
  }

  start(): void {
    const { channel } = this;
    const { timeoutMs, signal } = this.options;
    this.timer = setTimeout(() => {
      const text = `the remote command took longer than ${Math.round(timeoutMs / 100) / 10} s`;
      this.fail(connectionLost(text, 'SSH_COMMAND_TIMEOUT'));
    }, timeoutMs);
    signal?.addEventListener('abort', this.onAbort, { once: true });
    tellHeld(channel, () => this.bytes);
    channel.on('data', (chunk: Buffer) => this.keep('stdout', chunk));
    channel.stderr.on('data', (chunk: Buffer) => this.keep('stderr', chunk));
    channel.on('exit', (code: number | null, name?: string) => {
      this.ended = { exitCode: code, signal: signalName(name) };
    });
    channel.on('error', (error: Error) => this.fail(this.outcome.connection.lost(error.message)));
    channel.stderr.on('error', () => {});
    // ssh2 ends the streams of a connection that is lost as if they had ended in order.
    channel.on('end', () => {
      this.isWhole = this.outcome.connection.isOpen();
    });
    channel.on('close', () => this.close());
    this.send();
  }

  private send(): void {
    const { stdin } = this.options;
    if (stdin === undefined || typeof stdin === 'string' || Buffer.isBuffer(stdin)) {
      this.channel.end(stdin ?? '');
      return;
    }
    stdin.on('error', (error) => this.fail(error));
    stdin.pipe(this.channel);
  }

  private keep(into: 'stdout' | 'stderr', chunk: Buffer): void {
    if (this.isOver) return;
    const { maxOutputBytes = MAX_OUTPUT_BYTES } = this.options;
    this.bytes += chunk.length;
    if (this.bytes > maxOutputBytes)
      this.fail(connectionLost(`the remote command printed more than ${maxOutputBytes} bytes`, 'SSH_OUTPUT_LIMIT'));
    else this.output[into].push(chunk);
  }

  private readonly onAbort = (): void => this.fail(this.options.signal?.reason);

  /**
   * Every command ends with a status or a signal; a channel that ends without was cut, and its output is half. So was one
   * whose status has come and whose output has not ended: servers send the status past output that still waits.
   */
  private close(): void {
    if (this.ended === null || !this.isWhole) {
      this.fail(this.outcome.connection.lost('it was cut while a remote command ran'));
      return;
    }
    if (!this.settle()) return;
    const { stdout, stderr } = this.output;
    this.outcome.resolve({ stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), ...this.ended });
  }

  private fail(error: unknown): void {
    if (!this.settle()) return;
    this.stop();
    this.outcome.reject(error);
  }

  /** OpenSSH refuses that signal to root: what ends a script there is `run-mark.ts`. */
  private stop(): void {
    const { channel } = this;
    try {
      channel.signal('TERM');
      channel.close();
    } catch {
      // The connection is gone, and the command's input with it.
    }
    channel.resume();
    channel.stderr.resume();
  }

  private settle(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.options.signal?.removeEventListener('abort', this.onAbort);
    return true;
  }
}
