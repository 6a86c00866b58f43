import { ForgeError } from '../../errors.js';
import { deskCommand, type FileScript, startCommand } from '../../instance/files/file-scripts.js';
import { newMarker } from '../../instance/remote-script.js';
import { unreadable } from '../../instance/unreadable.js';
import { connectionLost } from '../../ssh/login-failure.js';
import { type ProcessEnd, RemoteProcess } from '../../ssh/process.js';
import type { ConnectionPool } from './connection-pool.js';
import { type OnOutput, RemoteDesk, type Said } from './remote-desk.js';

export interface Running {
  write(chunk: Buffer | string): Promise<boolean>;
  endInput(): void;
  /** What the command prints, without what the login printed before. */
  output: AsyncGenerator<Buffer>;
  ended: Promise<ProcessEnd>;
  cut(reason: unknown): void;
}

export interface Answer extends Said {
  output: Buffer;
}

/** A banner of a login, at most. */
const MOST_NOISE_BYTES = 256 * 1024;
/** An answer that is held as a whole: more than any question here is worth. */
const MOST_ANSWER_BYTES = 4 * 1024 * 1024;
const TRIES = 4;
/** What the machine itself takes for the quickest answer. */
const SHELL_MS = 8;

/** Runs file commands on one machine over whatever connection there is. */
export class RemoteRunner {
  /** Whether what is read goes to another machine. */
  isPassedOn = false;
  /** The shortest time that a question and its answer took; null before the first. */
  private quickestMs: number | null = null;
  private readonly pool: ConnectionPool;
  private readonly stallMs: number;
  private signal: AbortSignal;
  private desk: Promise<RemoteDesk> | null = null;

  constructor(pool: ConnectionPool, options: { stallMs: number; signal: AbortSignal }) {
    this.pool = pool;
    this.stallMs = options.stallMs;
    this.signal = options.signal;
  }

  /** To the machine and back, in the best case seen; null before the first question. */
  get roundTripMs(): number | null {
    return this.quickestMs === null ? null : Math.max(0, this.quickestMs - SHELL_MS);
  }

  /** After everything was stopped: a last word over the connection that stands, if one does. False when none does. */
  relent(limitMs: number): boolean {
    this.signal = AbortSignal.timeout(limitMs);
    return this.pool.hasOpen();
  }

  /** A process of its own, for what flows. */
  start(script: FileScript, { mayPause = false } = {}): Promise<Running> {
    const marker = newMarker();
    return this.run(startCommand(script, marker), { marker, mayPause });
  }

  /** One question, asked again on a new connection when the answer was lost: only for what may be done twice. */
  async ask(script: FileScript, input: Buffer = Buffer.alloc(0), mostBytes = MOST_ANSWER_BYTES): Promise<Answer> {
    let parts: Buffer[] = [];
    const said = await this.askFor(script, input, () => {
      parts = [];
      let bytes = 0;
      return (chunk) => {
        bytes += chunk.length;
        if (bytes > mostBytes) throw answerTooLong();
        parts.push(chunk);
      };
    });
    return { ...said, output: Buffer.concat(parts) };
  }

  /** The same for an answer that is too long to be held: `begin` is called at each try, and what it gives takes the output. */
  async askFor(script: FileScript, input: Buffer, begin: () => OnOutput): Promise<Said> {
    for (let tries = 1; ; tries += 1) {
      try {
        const desk = await this.openDesk();
        const askedMs = performance.now();
        const said = await desk.ask(script, input, begin());
        const tookMs = performance.now() - askedMs;
        this.quickestMs = Math.min(tookMs, this.quickestMs ?? tookMs);
        return said;
      } catch (error) {
        if (!isLost(error) || tries >= TRIES) throw error;
      }
    }
  }

  private async openDesk(): Promise<RemoteDesk> {
    if (this.desk !== null) {
      const desk = await this.desk.catch(() => null);
      if (desk?.isOpen) return desk;
    }
    const marker = newMarker();
    this.desk = this.run(deskCommand(marker), { marker, mayPause: true }).then(
      (running) => new RemoteDesk(running, marker),
    );
    return this.desk;
  }

  private async run(command: string, { marker, mayPause }: { marker: string; mayPause: boolean }): Promise<Running> {
    const { connection, release } = await this.pool.lease();
    try {
      const process = await RemoteProcess.start(connection, command, {
        signal: this.signal,
        stallMs: this.stallMs,
        roundTripMs: () => this.roundTripMs,
        isPassedOn: this.isPassedOn,
      });
      const ended = process.ended.finally(release);
      ended.catch((error: unknown) => {
        // What is stuck in one channel is stuck in its neighbours.
        if (error instanceof ForgeError && error.code === 'SSH_STALLED') connection.close();
      });
      return {
        write: (chunk) => process.write(chunk),
        endInput: () => process.endInput(),
        output: afterMarker(process, marker, mayPause),
        ended,
        cut: (reason) => process.cut(reason),
      };
    } catch (error) {
      release();
      throw error;
    }
  }
}

/** The connection failed, or the channel; another try may go through. */
export function isLost(error: unknown): error is ForgeError {
  return error instanceof ForgeError && error.code.startsWith('SSH_');
}

export function answerTooLong(): ForgeError {
  return unreadable('more came than was asked for');
}

/** The output of a process, as a whole. Throws (REMOTE_ANSWER_UNREADABLE) when it is longer than what was asked for can be. */
export async function collectOutput({ output, cut }: Running, mostBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of output) {
    bytes += chunk.length;
    if (bytes > mostBytes) {
      const error = answerTooLong();
      cut(error);
      throw error;
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

/** Gives all of it and closes the input; stops when nobody reads any more. */
export async function feed(running: Running, chunks: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of chunks) if (chunk.length > 0 && !(await running.write(chunk))) return;
  running.endInput();
}

async function* afterMarker(process: RemoteProcess, marker: string, mayPause: boolean): AsyncGenerator<Buffer> {
  const line = Buffer.from(`\n${marker}\n`);
  let seen = Buffer.from('\n');
  let isFound = false;
  for await (const chunk of process.output({ mayPause })) {
    if (isFound) {
      yield chunk;
      continue;
    }
    seen = Buffer.concat([seen, chunk]);
    const at = seen.indexOf(line);
    isFound = at !== -1;
    if (!isFound && seen.length > MOST_NOISE_BYTES) process.cut(connectionLost('the login printed too much'));
    if (isFound && at + line.length < seen.length) yield seen.subarray(at + line.length);
  }
  if (isFound) return;
  await process.ended;
  throw connectionLost('the remote command never began');
}
