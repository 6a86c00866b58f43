import type { Clock } from '../clock.js';
import { EXIT, ForgeError } from '../errors.js';
import { cleanLines } from '../instance/clean-log.js';
import {
  endJobScript,
  type JobLook,
  lookAtJobScript,
  parseJobLook,
  removeJobScript,
  startJobScript,
} from '../instance/detached-job.js';
import { quote } from '../instance/remote-command.js';
import { quoted, rememberVariables } from '../secrets/sent.js';
import type { MachineSession } from './machine-session.js';

export interface DetachedJob {
  /** Of the run and the step, so that a resumed run finds it. */
  id: string;
  /** bash, with the environment and the python that services have. */
  work: string;
  /** Variables for it, also secret ones: they are on no disk and in no command line. */
  env?: Readonly<Record<string, string>>;
  /** For messages: "the installation of the requirements". */
  what: string;
  /** Wall time. */
  limitMs: number;
  /** The new lines of its log, uncleaned. */
  onLog?: (text: string) => void;
}

export interface JobEnd {
  exitCode: number;
  /** The last 64 KiB of what it printed. */
  tail: string;
}

const POLL_MS = 1000;
const TAIL_BYTES = 64 * 1024;

/**
 * Long work on the machine, which goes on while nobody is connected. Started once: a job of this id that runs already is
 * waited for. Throws when it ended without a status, or took too long (it is ended then).
 */
export async function runDetached(session: MachineSession, clock: Clock, job: DetachedJob): Promise<JobEnd> {
  const untilMs = clock.now() + job.limitMs;
  await startDetached(session, job);
  let tail = Buffer.alloc(0);
  let readBytes = 0;
  for (;;) {
    const look = await lookAt(session, job.id, readBytes);
    readBytes += look.log.length;
    tail = Buffer.concat([tail, look.log]).subarray(-TAIL_BYTES);
    if (look.log.length > 0) job.onLog?.(look.log.toString('utf8'));
    const isRead = readBytes >= look.logSize;
    if (look.state === 'done' && isRead) return { exitCode: look.exitCode ?? 1, tail: tail.toString('utf8') };
    if (look.state === 'lost' || look.state === 'absent') throw lost(job, tail.toString('utf8'));
    if (clock.now() > untilMs) {
      await session.run(endJobScript(job.id));
      throw late(job, tail.toString('utf8'));
    }
    if (isRead) await clock.sleep(POLL_MS, session.signal);
  }
}

/** Ends it if it runs, and takes its traces away. */
export async function endDetached(session: MachineSession, id: string): Promise<void> {
  await session.run(`(${endJobScript(id)}) || exit 1\n${removeJobScript(id)}`);
}

async function lookAt(session: MachineSession, id: string, fromByte: number): Promise<JobLook> {
  const { output } = await session.run(lookAtJobScript(id, fromByte));
  return parseJobLook(output);
}

/** Only that: it goes on by itself. */
export async function startDetached(session: MachineSession, job: DetachedJob): Promise<void> {
  rememberVariables(Object.entries(job.env ?? {}));
  const variables = Object.entries(job.env ?? {}).map(([name, value]) => `export ${quote([`${name}=${value}`])}\n`);
  const { exitCode, stderr } = await session.run(`${variables.join('')}${startJobScript(job.id, job.work)}`);
  if (exitCode === 0) return;
  throw new ForgeError(`${capital(job.what)} could not be started: ${lastLine(stderr) || 'the machine refused'}.`, {
    code: 'REMOTE_JOB_NOT_STARTED',
    exit: EXIT.notReady,
    hint: `Is the disk full? forgectl exec ${session.id} -- df -h /`,
    details: { instance_id: session.id },
  });
}

function lost(job: DetachedJob, log: string): ForgeError {
  return new ForgeError(`${capital(job.what)} ended without a result; the machine may have been restarted.`, {
    code: 'REMOTE_JOB_LOST',
    exit: EXIT.notReady,
    hint: lastLine(log) || null,
    details: { log_tail: cleanLines(log).slice(-10) },
  });
}

function late(job: DetachedJob, log: string): ForgeError {
  return new ForgeError(
    `${capital(job.what)} took longer than ${Math.round(job.limitMs / 60_000)} min; it was ended.`,
    {
      code: 'REMOTE_JOB_TIMEOUT',
      exit: EXIT.timedOut,
      hint: lastLine(log) || null,
      details: { log_tail: cleanLines(log).slice(-10) },
    },
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function lastLine(text: string): string {
  const line = text
    .trim()
    .split(/[\r\n]+/u)
    .at(-1)
    ?.slice(0, 4096)
    .replace(/\p{Cc}+/gu, ' ');
  return quoted(line ?? '').slice(0, 200);
}
