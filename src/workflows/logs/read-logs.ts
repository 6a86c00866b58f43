import { EXIT, ForgeError } from '../../errors.js';
import type { Catalog } from '../../instance/log-reader/frames.js';
import { LogStream, type LogWish, type StreamEvents } from '../../instance/log-reader/log-stream.js';
import type { Connection } from '../../ssh/connection.js';
import type { Instance } from '../../vast/model.js';
import { type ConnectDependencies, connectInstance, type Link } from '../connect-instance.js';
import { converse } from './log-session.js';

export interface ReadLogsDependencies extends ConnectDependencies {
  /** 0..1; full jitter of the back-off. */
  random(): number;
}

export interface ReadLogsRequest {
  /** A row read a moment ago. */
  instance: Instance;
  /** Goes on until it is interrupted, or until the instance is stopped; over reboots, new addresses, cut networks. */
  follow: boolean;
  /** What to read of what is there. Throws when a name is not there. */
  choose(catalog: Catalog): LogWish;
  events: StreamEvents;
  /** Resolves when the lines so far have gone out. */
  onProgress(): Promise<void> | void;
  /** Once an outage: it cannot be reached, or no longer. `wasConnected` is false before the first connection. */
  onLost(error: ForgeError, wasConnected: boolean): void;
  onConnected(link: Link, wasLost: boolean): void;
}

/** Without `follow`: how long an outage may last, ms. */
const PATIENCE_MS = 45_000;
/** A machine that reboots, or whose host is away for a moment, is waited for. One that is stopped is not. */
const NOT_RUNNING_PATIENCE_MS = 120_000;
const FIRST_BACK_OFF_MS = 1_000;
const LONGEST_BACK_OFF_MS = 30_000;
/** A reader that ends by itself so often, and each time soon, will do so again. */
const READER_TRIES = 3;
const SOON_MS = 30_000;

export async function readLogs(deps: ReadLogsDependencies, request: ReadLogsRequest): Promise<void> {
  const reading = new Reading(deps, request);
  await reading.run();
}

class Reading {
  private readonly deps: ReadLogsDependencies;
  private readonly request: ReadLogsRequest;
  private instance: Instance;
  private isFresh = true;
  private stream: LogStream | null = null;
  private wasConnected = false;
  /** Failures since something was last read, and how much had been read then. */
  private failures = 0;
  private receivedBytes = 0;
  private readerFailures = 0;
  private lostMs: number | null = null;
  private notRunningMs: number | null = null;

  constructor(deps: ReadLogsDependencies, request: ReadLogsRequest) {
    this.deps = deps;
    this.request = request;
    this.instance = request.instance;
  }

  /** In whatever way it ends, lines that never were completed are given too. */
  async run(): Promise<void> {
    try {
      while (!(await this.readOn()));
    } finally {
      this.stream?.finish();
    }
  }

  /** False when it is to be tried again. */
  private async readOn(): Promise<boolean> {
    const { clock, signal } = this.deps;
    signal.throwIfAborted();
    const startedMs = clock.now();
    try {
      const { connection } = await this.reach();
      await this.converse(connection).finally(() => connection.close());
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (clock.now() - startedMs > SOON_MS) this.readerFailures = 0;
      await this.waitAfter(error);
      return false;
    }
  }

  private async reach(): Promise<Link> {
    const known = this.isFresh ? this.instance : await this.currentRow();
    this.isFresh = false;
    this.instance = known;
    // One try: how long to go on is decided here.
    return connectInstance(this.deps, { instanceId: known.id, known, patienceMs: 0 });
  }

  /** While the API is down the last known address is as good as any. */
  private async currentRow(): Promise<Instance> {
    try {
      const row = await this.deps.readInstance(this.instance.id);
      if (row !== null) return row;
    } catch (error) {
      if (!(error instanceof ForgeError) || error.exit !== EXIT.apiFailed) throw error;
      return this.instance;
    }
    throw new ForgeError(`Instance ${this.instance.id} no longer exists.`, {
      code: 'INSTANCE_VANISHED',
      exit: this.wasConnected ? EXIT.notReady : EXIT.notFound,
      hint: 'forgectl ls shows what is there.',
      details: { instance_id: this.instance.id },
    });
  }

  private async converse(connection: Connection): Promise<void> {
    await converse(connection, {
      streamFor: (catalog) => {
        this.request.onConnected({ instance: this.instance, connection }, this.lostMs !== null);
        this.wasConnected = true;
        this.lostMs = null;
        this.notRunningMs = null;
        this.stream ??= new LogStream(this.request.choose(catalog), this.request.events);
        return this.stream;
      },
      onProgress: () => {
        const receivedBytes = this.stream?.receivedBytes ?? 0;
        if (receivedBytes > this.receivedBytes) this.failures = 0;
        this.receivedBytes = receivedBytes;
        return this.request.onProgress();
      },
      clock: this.deps.clock,
      signal: this.deps.signal,
    });
  }

  /** Throws what is not to be waited for. */
  private async waitAfter(error: unknown): Promise<void> {
    const { clock, signal, random } = this.deps;
    this.failures += 1;
    if (!(error instanceof ForgeError) || !this.mayPass(error)) throw error;
    if (this.lostMs === null) {
      this.lostMs = clock.now();
      this.request.onLost(error, this.wasConnected);
    }
    const backOffMs = Math.min(FIRST_BACK_OFF_MS * 2 ** Math.min(this.failures - 1, 10), LONGEST_BACK_OFF_MS);
    const waitMs = random() * backOffMs;
    if (clock.now() + waitMs > this.hopeUntilMs(error)) throw error;
    await clock.sleep(waitMs, signal);
  }

  private hopeUntilMs(error: ForgeError): number {
    const nowMs = this.deps.clock.now();
    if (!this.request.follow) return (this.lostMs ?? nowMs) + PATIENCE_MS;
    if (!PASSING_STATES.has(error.code)) return Number.POSITIVE_INFINITY;
    this.notRunningMs ??= nowMs;
    return this.notRunningMs + NOT_RUNNING_PATIENCE_MS;
  }

  private mayPass(error: ForgeError): boolean {
    if (error.code === 'LOG_READER_FAILED') {
      this.readerFailures += 1;
      return this.readerFailures < READER_TRIES;
    }
    if (error.code.startsWith('SSH_')) return !FINAL.has(error.code);
    return this.request.follow && PASSING_STATES.has(error.code) && this.instance.intendedStatus !== 'stopped';
  }
}

/** Refused for a reason that time does not change. SSH_AUTH has been repaired and tried again before it comes here. */
const FINAL = new Set([
  'SSH_HOST_KEY_CHANGED',
  'SSH_HOST_KEY_UNREADABLE',
  'SSH_HOST_KEY_MISMATCH',
  'SSH_KEY',
  'SSH_AUTH',
  'SSH_PROTOCOL',
]);
/** What the row may say of a machine that runs again in a moment. */
const PASSING_STATES = new Set(['INSTANCE_EXITED', 'INSTANCE_OFFLINE']);
