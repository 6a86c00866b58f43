import type { Clock } from '../../clock.js';
import { EXIT, ForgeError } from '../../errors.js';
import { cleanLines } from '../../instance/clean-log.js';
import { REMOTE } from '../../instance/layout.js';
import { parseReadiness, type ReadinessSnapshot, reachedRung, readinessScript } from '../../instance/readiness.js';
import type { Connection } from '../../ssh/connection.js';
import type { MachineSession } from '../machine-session.js';

export interface HealthDependencies {
  clock: Clock;
  /** What is seen, look by look. */
  onLook(text: string): void;
  /** The clock's time; when it runs out that is exit 7. Without it there is a limit all the same, and reaching it is exit 8. */
  deadlineMs?: number;
}

export interface Health {
  /** From the call to the first answer, the clock's time. */
  answeredAfterMs: number;
  snapshot: ReadinessSnapshot;
}

/** A first start after an upgrade may fetch more; a minute of nothing new in the log and no pid that stays is a crash. */
export const FORGE_DEADLINE_MS = 15 * 60_000;
export const FORGE_POLL_MS = 3000;
/** Some die only when the first page was served. */
export const FORGE_STAYS_MS = 30_000;
const RESTARTS_AT_MOST = 3;
const LOOK_LIMIT_MS = 30_000;

/** Waits until Forge's own page answers from a process that stays. Throws (exit 8) with the end of its log. */
export async function awaitForge(session: MachineSession, deps: HealthDependencies): Promise<Health> {
  const { clock } = deps;
  const startedMs = clock.now();
  let answered: { pid: number | null; atMs: number } | null = null;
  let restarts = 0;
  let lastPid: number | null = null;
  for (;;) {
    // A look is no script of a run's: it renews no lease by itself.
    if (session.guard !== null) await session.run(':');
    const snapshot = await look(session);
    const { rung, reason } = reachedRung(snapshot);
    const pid = snapshot.forge?.pid ?? null;
    if (pid !== null && lastPid !== null && pid !== lastPid) {
      restarts += 1;
      answered = null;
    }
    lastPid = pid ?? lastPid;
    const now = clock.now();
    if (rung === 'forge') answered ??= { pid, atMs: now };
    else if (answered !== null) throw await died(session, 'Forge answered, and then stopped answering');
    if (answered !== null && now - answered.atMs >= FORGE_STAYS_MS)
      return { answeredAfterMs: answered.atMs - startedMs, snapshot };
    deps.onLook(answered === null ? reason : 'HTTP 200, watching whether it stays');
    if (restarts >= RESTARTS_AT_MOST) throw await died(session, 'Forge starts and dies again and again');
    if (snapshot.forge?.state === 'FATAL') throw await died(session, 'Forge does not start');
    if (now - startedMs > (deps.deadlineMs ?? FORGE_DEADLINE_MS)) {
      const late = await died(session, 'Forge did not answer in time');
      throw deps.deadlineMs === undefined ? late : timedOut(late);
    }
    await clock.sleep(FORGE_POLL_MS, session.signal);
  }
}

/** One look now; false for whatever is not Forge's own page. */
export async function forgeAnswers(session: MachineSession): Promise<boolean> {
  return reachedRung(await look(session)).rung === 'forge';
}

async function look(session: MachineSession): Promise<ReadinessSnapshot> {
  for (let cuts = 0; ; cuts += 1) {
    const connection: Connection = await session.connection();
    try {
      const { stdout } = await connection.run(readinessScript(), { timeoutMs: LOOK_LIMIT_MS, signal: session.signal });
      return parseReadiness(stdout);
    } catch (error) {
      if (!(error instanceof ForgeError) || error.exit !== EXIT.sshFailed || cuts >= 5) throw error;
      connection.close();
    }
  }
}

function timedOut({ message, hint, details }: ForgeError): ForgeError {
  return new ForgeError(message, { code: 'FORGE_TIMEOUT', exit: EXIT.timedOut, hint, details });
}

/** Each start begins a new log, so a crash's last words are in the one before as often as not. */
const LAST_WORDS = `for log in forge.log.old forge.log; do tail -n 8 "${REMOTE.logs}/$log" 2>/dev/null; done; true`;

async function died(session: MachineSession, message: string): Promise<ForgeError> {
  const { id } = session;
  const logTail = cleanLines((await session.run(LAST_WORDS)).output).slice(-10);
  return new ForgeError(`${message}.`, {
    code: 'FORGE_UNHEALTHY',
    exit: EXIT.notReady,
    hint: [...logTail, `forgectl logs ${id} forge   shows more`].join('\n'),
    details: { instance_id: id, log_tail: logTail },
  });
}
