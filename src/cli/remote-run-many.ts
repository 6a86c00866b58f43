import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { EXIT, ForgeError } from '../errors.js';
import type { Candidate } from '../ssh/login-attempt.js';
import { openSession, type Session } from '../ssh/session.js';
import type { Instance } from '../vast/model.js';
import { type ConnectDependencies, connectInstance } from '../workflows/connect-instance.js';
import { inPool } from '../workflows/in-pool.js';
import type { ForgeContext } from './context.js';
import { connectDependencies, PATIENCE_MS } from './instance-link.js';
import { asNoConnection } from './remote-command.js';
import type { RemoteRun } from './remote-run.js';
import { type Outcome, passSignals, ReaderGone, RunningCommand, timedOut } from './running-command.js';
import { nameOf } from './select-instances.js';
import { SharedInput } from './shared-input.js';
import { whenReaderGone } from './streams.js';

export interface ManyRun extends Omit<RemoteRun, 'wantsTerminal'> {
  parallel: number;
  /** Where a machine's output goes while it comes; ended with the command. */
  outputOf: (instance: Instance) => { stdout: Writable; stderr: Writable };
}

export interface RunResult {
  instance: Instance;
  address: Candidate | null;
  outcome: Outcome | null;
  elapsedMs: number;
  error: ForgeError | null;
}

/**
 * Runs one command on several machines, a few at a time. A failure on one does not stop the others. Throws ReaderGone when
 * nobody wants to know any more.
 */
export async function runOnMany(
  context: ForgeContext,
  instances: readonly Instance[],
  run: ManyRun,
): Promise<RunResult[]> {
  const fleet = new Fleet(context, await connectDependencies(context, run.sshKey), { ...run, count: instances.length });
  const takeBack = [passSignals((name) => fleet.passOn(name)), whenReaderGone(() => fleet.loseReader())];
  context.interruption.lastWords.push('The command may go on on the instances.');
  try {
    const results = await inPool(instances, run.parallel, (instance) => fleet.runOn(instance));
    if (!fleet.hasReader) throw new ReaderGone();
    return results;
  } finally {
    for (const back of takeBack) back();
    fleet.close();
  }
}

class Fleet {
  private readonly context: ForgeContext;
  private readonly deps: ConnectDependencies;
  private readonly run: ManyRun;
  private readonly running = new Set<RunningCommand>();
  /** Null: the commands read an empty stdin. */
  private readonly input: { reader(): Readable; close(): void } | null;
  hasReader = true;

  constructor(context: ForgeContext, deps: ConnectDependencies, run: ManyRun & { count: number }) {
    this.context = context;
    this.deps = deps;
    this.run = run;
    if (!run.withStdin) this.input = null;
    else if (run.count === 1) this.input = { reader: () => process.stdin, close: () => {} };
    // Nobody types for several machines at once.
    else this.input = process.stdin.isTTY === true ? null : new SharedInput(process.stdin);
  }

  async runOn(instance: Instance): Promise<RunResult> {
    const startedMs = Date.now();
    const result: RunResult = { instance, address: null, outcome: null, elapsedMs: 0, error: null };
    try {
      await this.tryOn(instance, result);
    } catch (error) {
      if (!(error instanceof ForgeError)) throw error;
      result.error = asNoConnection(error) as ForgeError;
    }
    return { ...result, elapsedMs: Date.now() - startedMs };
  }

  passOn(name: string): void {
    for (const command of this.running) command.passOn(name);
  }

  loseReader(): void {
    this.hasReader = false;
    for (const command of this.running) command.loseReader();
  }

  close(): void {
    this.input?.close();
    process.stdin.destroy();
  }

  private async tryOn(instance: Instance, result: RunResult): Promise<void> {
    if (!this.hasReader) throw notStarted();
    const { connection } = await connectInstance(this.deps, {
      instanceId: instance.id,
      known: instance,
      patienceMs: PATIENCE_MS,
      onRetry: (error) => this.context.reporter.info(`${nameOf(instance)}: ${error.message} Trying again …`),
    });
    result.address = connection.address;
    try {
      const { signal } = this.context.interruption;
      const session = await openSession(connection, { command: this.run.line, terminal: null, signal });
      result.outcome = await this.follow(session, instance);
      if (result.outcome.timedOut) result.error = timedOut();
    } finally {
      connection.close();
    }
  }

  private async follow(session: Session, instance: Instance): Promise<Outcome> {
    const { stdout, stderr } = this.run.outputOf(instance);
    const stdin = this.input?.reader() ?? null;
    const command = new RunningCommand(session, { stdin, stdout, stderr });
    this.running.add(command);
    try {
      return await command.finish(this.run.timeoutMs);
    } finally {
      this.running.delete(command);
      stdin?.destroy();
      stdout.end();
      stderr.end();
      await Promise.all([finished(stdout), finished(stderr)]).catch(() => {});
    }
  }
}

function notStarted(): ForgeError {
  return new ForgeError('It was not started: nobody reads the output any more.', {
    code: 'NOT_STARTED',
    exit: EXIT.interrupted,
  });
}
