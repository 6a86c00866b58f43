import { EXIT, ForgeError } from '../errors.js';
import type { Connection } from '../ssh/connection.js';
import { openSession } from '../ssh/session.js';
import type { Instance } from '../vast/model.js';
import type { ForgeContext } from './context.js';
import { openLink } from './instance-link.js';
import { LocalTerminal } from './local-terminal.js';
import { asNoConnection } from './remote-command.js';
import {
  exitStatus,
  type Outcome,
  passSignals,
  ReaderGone,
  RunningCommand,
  terminated,
  timedOut,
} from './running-command.js';
import { nameOf } from './select-instances.js';
import { whenReaderGone } from './streams.js';

export interface RemoteRun {
  /** What sshd is asked to run; null is the login shell. */
  line: string | null;
  wantsTerminal: boolean;
  withStdin: boolean;
  timeoutMs: number | null;
  sshKey: string | null;
}

/** Runs one command on one machine, with our streams as its own. Returns the status to end with. */
export async function runOnOne(context: ForgeContext, instance: Instance, run: RemoteRun): Promise<number> {
  try {
    const { connection } = await openLink(context, instance, { sshKey: run.sshKey });
    const { via, host, port } = connection.address;
    if (run.line === null || run.wantsTerminal)
      context.reporter.info(`Connected to ${nameOf(instance)}, ${via} ${host}:${port}.`);
    const { signal } = context.interruption;
    context.interruption.lastWords.push(`The command may go on there: forgectl ssh ${instance.id}`);
    try {
      return run.wantsTerminal
        ? await runInTerminal(connection, run, signal)
        : await runWithStreams(connection, run, signal);
    } finally {
      connection.close();
      process.stdin.destroy();
    }
  } catch (error) {
    if (error instanceof ReaderGone) return EXIT.done;
    throw asNoConnection(namedLoss(error, instance, run));
  }
}

async function runWithStreams(connection: Connection, run: RemoteRun, signal: AbortSignal): Promise<number> {
  const session = await openSession(connection, { command: run.line, terminal: null, signal });
  const { stdout, stderr, stdin } = process;
  const running = new RunningCommand(session, { stdin: run.withStdin ? stdin : null, stdout, stderr });
  let hasReader = true;
  const onGone = (): void => {
    hasReader = false;
    running.loseReader();
  };
  const outcome = await guard(running.finish(run.timeoutMs), (name) => running.passOn(name), onGone);
  return hasReader ? statusOf(outcome) : EXIT.done;
}

async function runInTerminal(connection: Connection, run: RemoteRun, signal: AbortSignal): Promise<number> {
  const terminal = { ...LocalTerminal.size(), type: LocalTerminal.type() };
  const session = await openSession(connection, { command: run.line, terminal, signal });
  const local = new LocalTerminal(() => running.leave(disconnected()));
  const running = new RunningCommand(session, { stdin: local.input, stdout: local.output, stderr: process.stderr });
  let isClean = false;
  local.take((size) => session.resize(size));
  // sshd hangs up what runs in a terminal whose channel is closed, so leaving is all that an end needs.
  const onSignal = (name: string): void => (ENDING.has(name) ? running.leave(terminated()) : running.passOn(name));
  try {
    const onGone = (): void => running.leave(new ReaderGone());
    const outcome = await guard(running.finish(run.timeoutMs), onSignal, onGone);
    isClean = true;
    return statusOf(outcome);
  } finally {
    local.giveBack(isClean);
    session.close();
  }
}

const ENDING = new Set(['TERM', 'HUP']);

/** While it runs, signals are its own, and a reader that goes away ends it. */
async function guard(
  finished: Promise<Outcome>,
  onSignal: (name: string) => void,
  onGone: () => void,
): Promise<Outcome> {
  const takeBack = [passSignals(onSignal), whenReaderGone(onGone)];
  try {
    return await finished;
  } finally {
    for (const back of takeBack) back();
  }
}

function statusOf(outcome: Outcome): number {
  if (outcome.timedOut) throw timedOut();
  return exitStatus(outcome);
}

function disconnected(): ForgeError {
  return new ForgeError('Disconnected.', { code: 'DISCONNECTED', exit: EXIT.noConnection });
}

/** Which machine was lost, and how to be there again. */
function namedLoss(error: unknown, instance: Instance, { line }: RemoteRun): unknown {
  if (!(error instanceof ForgeError) || error.code !== 'SSH_LOST') return error;
  const { code, exit, details, cause } = error;
  const what = line === null ? 'What ran in tmux there goes on' : 'The command may go on there';
  const hint = `${what}: forgectl ssh ${instance.id}`;
  return new ForgeError(`The connection to ${nameOf(instance)} was lost.`, { code, exit, hint, details, cause });
}
