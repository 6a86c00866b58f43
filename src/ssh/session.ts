import type { Readable, Writable } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import type { Connection } from './connection.js';
import { signalName, signalSession } from './remote-signal.js';

export interface WindowSize {
  columns: number;
  rows: number;
}

export interface SessionRequest {
  /** As sshd gives it to the login shell; null starts the login shell itself. Shows in the machine's process list. */
  command: string | null;
  /** Null: no terminal there. With one, stdout and stderr are one stream. */
  terminal: (WindowSize & { type: string }) | null;
  /** Until it has started. */
  signal?: AbortSignal;
}

export interface SessionEnd {
  /** Null when a signal ended it. */
  exitCode: number | null;
  /** "KILL", "TERM"…, or null. */
  signal: string | null;
}

/** Starts a command or a shell whose streams go on as they come, with back-pressure; nothing is collected. */
export async function openSession(connection: Connection, request: SessionRequest): Promise<Session> {
  const { signal } = request;
  const use = (channel: ClientChannel): Session => new Session(connection, channel);
  return connection.openChannel('the session', starter(request), use, signal === undefined ? {} : { signal });
}

function starter({ command, terminal }: SessionRequest) {
  const window =
    terminal === null
      ? null
      : { term: terminal.type, cols: terminal.columns, rows: terminal.rows, width: 0, height: 0 };
  return (client: Client, done: (error: Error | undefined, channel: ClientChannel) => void): void => {
    if (command === null) client.shell(window ?? false, done);
    else client.exec(command, window === null ? {} : { pty: window }, done);
  };
}

/** One running command. A connection that runs one has no other session: signals go to all that it has. */
export class Session {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** After the last byte of both streams was read. Rejects when the connection was cut before it had ended. */
  readonly ended: Promise<SessionEnd>;
  private readonly connection: Connection;
  private readonly channel: ClientChannel;

  constructor(connection: Connection, channel: ClientChannel) {
    this.connection = connection;
    this.channel = channel;
    this.stdin = channel;
    this.stdout = channel;
    this.stderr = channel.stderr;
    this.ended = untilEnd(connection, channel);
    this.ended.catch(() => {});
  }

  resize({ columns, rows }: WindowSize): void {
    this.channel.setWindow(rows, columns, 0, 0);
  }

  /** To the command and what it has started in its process group. */
  async sendSignal(name: string): Promise<void> {
    if (await signalSession(this.connection, name)) return;
    // No Linux, or the command has hidden itself: what SSH itself has for it, which some servers heed.
    this.channel.signal(name);
  }

  /** Closes the streams. What runs there without a terminal notices when it reads or writes. */
  close(): void {
    this.channel.close();
    this.channel.resume();
    this.channel.stderr.resume();
  }
}

function untilEnd(connection: Connection, channel: ClientChannel): Promise<SessionEnd> {
  return new Promise((resolve, reject) => {
    let end: SessionEnd | null = null;
    channel.on('exit', (code: number | null, name?: string) => {
      end = { exitCode: code, signal: signalName(name) };
    });
    channel.on('error', (error: Error) => reject(connection.lost(error.message)));
    channel.stderr.on('error', () => {});
    channel.on('close', () => {
      if (end === null) reject(connection.lost('it was cut'));
      else resolve(end);
    });
  });
}
