import type { ClientChannel } from 'ssh2';
import type { Connection } from './connection.js';

export interface StreamOptions {
  /** How long the session may take to open, ms. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** The end of a remote program's words on stderr that is kept for a failure. */
const STDERR_BYTES = 4096;

/** A remote command that goes on talking: its output as it comes, read no faster than it is asked for. */
export class CommandStream {
  private readonly channel: ClientChannel;
  private readonly release: () => void;
  private errorText = '';
  private exit: { code: number | null } | null = null;
  private isOver = false;
  private wake: () => void = () => {};

  constructor(channel: ClientChannel, connection: Connection, signal: AbortSignal | undefined) {
    this.channel = channel;
    const over = (): void => {
      this.isOver = true;
      this.wake();
    };
    channel.on('readable', () => this.wake());
    channel.on('error', over);
    channel.on('close', over);
    channel.on('exit', (code: number | null) => {
      this.exit = { code };
    });
    channel.stderr.on('error', () => {});
    channel.stderr.on('data', (chunk: Buffer) => {
      this.errorText = (this.errorText + chunk.toString('utf8')).slice(-STDERR_BYTES);
    });
    const stop = (): void => this.close();
    const forget = connection.onClose(over);
    signal?.addEventListener('abort', stop, { once: true });
    this.release = () => {
      forget();
      signal?.removeEventListener('abort', stop);
    };
  }

  /** What the command printed on stderr last, for when it has ended by itself. Null when it was cut off. */
  get lastWords(): string | null {
    return this.exit === null ? null : this.errorText;
  }

  write(text: string): void {
    if (!this.channel.destroyed) this.channel.write(text);
  }

  /** Ends with the command or with the connection; which of them, `lastWords` tells. */
  async *chunks(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const chunk = this.channel.read() as Buffer | null;
        if (chunk !== null) yield chunk;
        else if (this.isOver) return;
        else
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
      }
    } finally {
      this.close();
    }
  }

  /** The command's stdin ends with the channel; a command without a terminal would not notice anything else. */
  close(): void {
    this.release();
    this.isOver = true;
    this.wake();
    try {
      this.channel.close();
    } catch {
      // The connection is gone, and the channel with it.
    }
    this.channel.removeAllListeners('readable');
    this.channel.resume();
    this.channel.stderr.resume();
  }
}

export async function openStream(
  connection: Connection,
  command: string,
  options: StreamOptions = {},
): Promise<CommandStream> {
  return connection.openChannel(
    'the session',
    (client, done) => client.exec(command, done),
    (channel: ClientChannel) => new CommandStream(channel, connection, options.signal),
    options,
  );
}
