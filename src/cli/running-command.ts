import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { EXIT, ForgeError } from '../errors.js';
import type { Session, SessionEnd } from '../ssh/session.js';

export interface Streams {
  /** Null: the command reads an empty stdin. */
  stdin: Readable | null;
  stdout: Writable;
  stderr: Writable;
}

export interface Outcome extends SessionEnd {
  timedOut: boolean;
}

/** Signals that are passed on. Another one is not missed; SIGKILL and SIGSTOP nobody can hear. */
const PASSED_ON = ['INT', 'TERM', 'HUP', 'QUIT', 'USR2'] as const;
/** What a command gets to end in order. */
const GRACE_MS = 5000;

/** One command on one machine, between its streams and ours. */
export class RunningCommand {
  private readonly session: Session;
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly abandoned: Promise<never>;
  private abandon: (reason: unknown) => void = () => {};
  private timedOut = false;

  constructor(session: Session, { stdin, stdout, stderr }: Streams) {
    this.session = session;
    this.abandoned = new Promise((_resolve, reject) => {
      this.abandon = reject;
    });
    this.abandoned.catch(() => {});
    session.stdin.on('error', () => {});
    session.stdout.pipe(stdout, { end: false });
    session.stderr.pipe(stderr, { end: false });
    if (stdin === null) session.stdin.end();
    else stdin.pipe(session.stdin);
  }

  /** Resolves when it has ended and all that it printed was handed on. */
  async finish(timeoutMs: number | null): Promise<Outcome> {
    if (timeoutMs !== null) this.after(timeoutMs, () => this.endInTime());
    try {
      return { ...(await Promise.race([this.session.ended, this.abandoned])), timedOut: this.timedOut };
    } finally {
      for (const timer of this.timers.splice(0)) clearTimeout(timer);
    }
  }

  /** What asks for an end gets one: a command that does not heed TERM or HUP is left alone after a while. */
  passOn(name: string): void {
    this.send(name);
    if (name === 'TERM' || name === 'HUP') this.after(GRACE_MS, () => this.abandon(terminated()));
  }

  /** Nobody reads any more: the command gets what a local one would get, and is asked to end when it does not mind that. */
  loseReader(): void {
    const { stdout, stderr } = this.session;
    for (const stream of [stdout, stderr]) {
      stream.unpipe();
      stream.resume();
    }
    this.send('PIPE');
    this.after(1000, () => this.send('TERM'));
    this.after(3000, () => this.abandon(new ReaderGone()));
  }

  /** Stops waiting for its end. */
  leave(reason: unknown): void {
    this.abandon(reason);
  }

  private endInTime(): void {
    this.timedOut = true;
    this.send('TERM');
    this.after(GRACE_MS, () => this.send('KILL'));
    this.after(GRACE_MS + 3000, () => this.abandon(timedOut()));
  }

  private send(name: string): void {
    // Fails only with the connection, and that is told where the command's end is awaited.
    this.session.sendSignal(name).catch(() => {});
  }

  private after(ms: number, act: () => void): void {
    this.timers.push(setTimeout(act, ms));
  }
}

/** Thrown when the reader of our output has gone and the command did not end: not an error of anybody. */
export class ReaderGone extends Error {}

export function terminated(): ForgeError {
  return new ForgeError('Terminated.', { code: 'TERMINATED', exit: EXIT.terminated });
}

export function timedOut(): ForgeError {
  return new ForgeError('The remote command took longer than it may; it was ended.', {
    code: 'COMMAND_TIMEOUT',
    exit: EXIT.timedOut,
    hint: 'Give it more time with --timeout, or leave it out.',
  });
}

/** Hands on each signal that reaches this process, until taken back. The interruption handler ends the process at the second. */
export function passSignals(to: (name: string) => void): () => void {
  const handlers = PASSED_ON.map((name) => [`SIG${name}` as NodeJS.Signals, () => to(name)] as const);
  for (const [name, handler] of handlers) process.on(name, handler);
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}

/** As a shell has it: the command's own number, or 128 and the signal's. */
export function exitStatus({ exitCode, signal }: SessionEnd): number {
  if (exitCode !== null) return exitCode;
  return 128 + ((constants.signals as Record<string, number>)[`SIG${signal}`] ?? 0);
}
