/** Supervisor 4: process states. */
const STATES = ['STOPPED', 'STARTING', 'RUNNING', 'BACKOFF', 'STOPPING', 'EXITED', 'FATAL', 'UNKNOWN'] as const;
type ProgramState = (typeof STATES)[number];

export interface Program {
  name: string;
  /** Null for a program that is its own group. */
  group: string | null;
  state: ProgramState;
  /** What stands behind the state, as it was printed. */
  detail: string;
  pid: number | null;
  uptimeSeconds: number | null;
}

export interface SupervisorStatus {
  programs: Program[];
  /** Lines that are no program: errors, warnings of python. */
  oddLines: string[];
}

/** Words for `quote`. `restart` returns when the process is spawned, which does not mean that it is usable. */
export function supervisorCommand(
  action: 'start' | 'stop' | 'restart' | 'status' | 'reread' | 'update',
  ...programs: string[]
): string[] {
  return ['supervisorctl', action, ...programs];
}

/** Supervisor 4: `status` leaves with 3 when some program does not run, and 4 when there is no supervisor to ask. */
export function describeStatusExit(exitCode: number | null): 'all run' | 'some do not run' | 'not up' {
  if (exitCode === 0) return 'all run';
  return exitCode === 3 ? 'some do not run' : 'not up';
}

export function parseStatus(text: string): SupervisorStatus {
  const programs: Program[] = [];
  const oddLines: string[] = [];
  for (const line of text.split(/\r?\n/u)) {
    const program = parseLine(line);
    if (program !== null) programs.push(program);
    else if (line.trim() !== '') oddLines.push(line.trim());
  }
  return { programs, oddLines };
}

const LINE = new RegExp(`^(?:([^\\s:]+):)?([^\\s:]+)\\s+(${STATES.join('|')})(?:\\s+(.*))?$`, 'u');

function parseLine(line: string): Program | null {
  const match = LINE.exec(line.trimEnd());
  if (match === null) return null;
  const [, group = null, name = '', state, detail = ''] = match;
  const pid = /\bpid (\d{1,10})\b/u.exec(detail)?.[1];
  return {
    name,
    group: group === name ? null : group,
    state: state as ProgramState,
    detail: detail.trim(),
    pid: pid === undefined ? null : Number(pid),
    uptimeSeconds: parseUptime(detail),
  };
}

/** "uptime 0:00:05", "uptime 1 day, 2:03:04", "uptime 12 days, 0:00:00" */
function parseUptime(detail: string): number | null {
  const match = /uptime (?:(\d{1,6}) days?, )?(\d{1,6}):(\d\d):(\d\d)/u.exec(detail);
  if (match === null) return null;
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((part) => Number(part ?? 0));
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
}

/** A program that autorestarts shows RUNNING while it crashes again and again: only its pid tells (instance.md 7). */
export function isCrashLooping(looks: readonly { pid: number | null }[], restarts = 3): boolean {
  const pids = looks.map(({ pid }) => pid).filter((pid) => pid !== null);
  return pids.filter((pid, index) => index > 0 && pid !== pids[index - 1]).length >= restarts;
}
