import { Facts, SAY_FACTS } from '../facts.js';
import { quote } from '../remote-command.js';
import { type Program, parseStatus, supervisorCommand } from '../supervisor.js';

export type ServiceAction = 'start' | 'stop' | 'restart';

export interface ActionAnswer {
  /** What supervisorctl said, one line. */
  said: string;
  /** The program as it reads back afterwards; null when supervisor does not know it. */
  after: Program | null;
}

/** Some need stopwaitsecs, 10 s, a group kill and startsecs, 5 s (instance.md 7). */
const LIMIT_S = 60;

/**
 * One program. Sent twice it acts once: a restart is asked for only while the pid that was seen before is there, and to
 * start what runs, or to stop what does not, is nothing.
 */
export function serviceActionScript(action: ServiceAction, program: string, pidBefore: number | null): string {
  const name = quote([program]);
  const act = `said=$(limit ${LIMIT_S} ${quote(supervisorCommand(action, program))} 2>&1)`;
  return `${SAY_FACTS}
limit() { if command -v timeout >/dev/null 2>&1; then timeout "$@"; else shift; "$@"; fi; }
${
  action === 'restart'
    ? `pid=$(supervisorctl status ${name} 2>/dev/null | sed -n 's/.* pid \\([0-9]*\\),.*/\\1/p')
[ "$pid" = '${pidBefore ?? ''}' ] && ${act}`
    : act
}${action === 'stop' ? stopAgain(name, act) : ''}
put said "$said"
supervisorctl status ${name} 2>/dev/null | emit status
exit 0
`;
}

/** Between a crash and the restart after it supervisor has nothing to stop, and then it starts it all the same. */
function stopAgain(name: string, act: string): string {
  return `
for look in 1 2 3; do
  case $said in *'not running'*) ;; *) break ;; esac
  supervisorctl status ${name} 2>/dev/null | grep -qE '^[^ ]+ +(EXITED|STARTING|BACKOFF|RUNNING)' || break
  sleep 1
  ${act}
done`;
}

export function parseActionAnswer(output: string): ActionAnswer {
  const facts = new Facts(output);
  const [after] = parseStatus(facts.raw('status') ?? '').programs;
  return { said: facts.lines('said').join('; '), after: after ?? null };
}

/** Whether what was asked for is so; what supervisorctl said does not count. */
export function hasHappened(action: ServiceAction, after: Program | null, pidBefore: number | null): boolean {
  if (after === null) return false;
  if (action === 'stop') return after.pid === null && ['STOPPED', 'EXITED', 'FATAL'].includes(after.state);
  const isUp = after.state === 'RUNNING' || after.state === 'STARTING';
  return isUp && (action === 'start' || after.pid === null || after.pid !== pidBefore);
}

/** What a changed configuration would do, and what it did. */
export interface ConfigChange {
  program: string;
  change: 'added' | 'changed' | 'removed';
}

export function rereadScript(): string {
  return `${SAY_FACTS}\nsupervisorctl reread 2>&1 | emit reread\nsupervisorctl status 2>/dev/null | emit status\nexit 0`;
}

export function updateScript(): string {
  return `${SAY_FACTS}\nsupervisorctl update 2>&1 | emit update\nsupervisorctl status 2>/dev/null | emit status\nexit 0`;
}

/** Restarts supervisord itself and every program, and waits until it answers again. */
export function reloadAllScript(): string {
  return `${SAY_FACTS}
supervisorctl reload 2>&1 | emit reload
for look in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  sleep 1
  status=$(supervisorctl status 2>/dev/null); code=$?
  { [ "$code" = 0 ] || [ "$code" = 3 ]; } && break
done
put exit "$code"
put status "$status"
exit 0`;
}

const REREAD_WORDS: Record<string, ConfigChange['change']> = {
  available: 'added',
  changed: 'changed',
  disappeared: 'removed',
};

/** Supervisor 4: "name: available", "name: changed", "name: disappeared". Null when the configuration cannot be read. */
export function parseReread(output: string): { changes: ConfigChange[]; problem: string | null } {
  const lines = new Facts(output).lines('reread');
  const changes: ConfigChange[] = [];
  for (const line of lines) {
    const [, program = '', word = ''] = /^(\S+): (\w+)$/u.exec(line.trim()) ?? [];
    const change = REREAD_WORDS[word];
    if (change !== undefined) changes.push({ program, change });
  }
  const problem = lines.find((line) => /^ERROR|error:|refused|no such file/iu.test(line)) ?? null;
  return { changes, problem };
}

const UPDATE_WORDS: [RegExp, ConfigChange['change']][] = [
  [/^(\S+): added process group$/u, 'added'],
  [/^(\S+): updated process group$/u, 'changed'],
  [/^(\S+): removed process group$/u, 'removed'],
];

export function parseUpdate(output: string): { changes: ConfigChange[]; problem: string | null; after: Program[] } {
  const facts = new Facts(output);
  const lines = facts.lines('update');
  const changes = lines.flatMap((line) =>
    UPDATE_WORDS.flatMap(([pattern, change]) => {
      const program = pattern.exec(line.trim())?.[1];
      return program === undefined ? [] : [{ program, change }];
    }),
  );
  const problem = lines.find((line) => /ERROR|error:|refused|no such file/iu.test(line)) ?? null;
  return { changes, problem, after: parseStatus(facts.raw('status') ?? '').programs };
}

export function parseReloadAll(output: string): { isUp: boolean; after: Program[] } {
  const facts = new Facts(output);
  return { isUp: [0, 3].includes(facts.number('exit') ?? -1), after: parseStatus(facts.raw('status') ?? '').programs };
}
