import { unreadable } from './unreadable.js';

/** What a look at a job shows. */
export interface JobLook {
  /** absent: never started, or removed. lost: it ended without a word, as after a reboot or on a full disk. */
  state: 'absent' | 'running' | 'done' | 'lost';
  /** Only when it is done. */
  exitCode: number | null;
  /** What its log holds from the asked byte on, at most LOG_PIECE_BYTES. */
  log: Buffer;
  logSize: number;
}

const LOG_PIECE_BYTES = 64 * 1024;

/** Root's own, on the machine's disk: survives a reboot, and a recycle starts anew. */
const JOBS = '$ROOT/var/lib/forgectl/jobs';

const RECORDS_KEPT = 20;
const RECORD_DAYS = 30;

/** Records of work that has ended, when there are newer ones enough, or they are old. The work that is about to start is the newest. */
const DROP_OLD_RECORDS = `ls -1dt "${JOBS}"/*/ 2>/dev/null | { number=0; while IFS= read -r old; do
  number=$((number + 1))
  [ "$number" -gt ${RECORDS_KEPT} ] || [ -n "$(find "$old" -prune -mtime +${RECORD_DAYS} 2>/dev/null)" ] || continue
  is_alive "\${old}process" || rm -rf "$old"
done; }`;

/** Starts work that goes on without the connection. Harmless twice: a job that is there is not started again. */
export function startJobScript(id: string, work: string): string {
  const script = ['ROOT="$' + '{FORGECTL_ROOT-}"', work, ''].join('\n');
  return `umask 077
dir="${JOBS}/${checkId(id)}"
mkdir -p "${JOBS}" || exit 1
mkdir "$dir" 2>/dev/null || { [ -d "$dir" ]; exit; }
${PROCESS_BY_FILE}
${DROP_OLD_RECORDS}
base64 -d >"$dir/work" <<'FORGECTL_JOB' || { rm -rf "$dir"; exit 1; }
${inLines(Buffer.from(script).toString('base64'))}
FORGECTL_JOB
: >"$dir/log"
# Written over later: that takes no more room, so that the status fits on a disk which the work has filled.
printf '%512s\\n' '' >"$dir/status.new"
setsid bash -c '
  printf "%s %s" "$$" "$(cut -d" " -f22 "/proc/$$/stat" 2>/dev/null)" >"$1/process"
  bash --noprofile --norc "$1/work" >>"$1/log" 2>&1
  printf "%d\\n" "$?" 1<>"$1/status.new" && mv "$1/status.new" "$1/status"
' forgectl-job "$dir" </dev/null >/dev/null 2>&1 9>&- &
for wait in 1 2 3 4 5 6 7 8 9 10; do [ -s "$dir/process" ] && exit 0; sleep 0.1; done
exit 0
`;
}

export function lookAtJobScript(id: string, fromByte: number): string {
  return `dir="${JOBS}/${checkId(id)}"
${PROCESS_BY_FILE}
[ -d "$dir" ] || { echo state=absent; exit 0; }
state=lost
is_alive "$dir/process" && state=running
[ -f "$dir/status" ] && state=done
echo "state=$state"
[ "$state" = done ] && echo "exit=$(head -n 1 "$dir/status")"
echo "size=$(wc -c <"$dir/log" 2>/dev/null || echo 0)"
echo "log=$(tail -c +${fromByte + 1} "$dir/log" 2>/dev/null | head -c ${LOG_PIECE_BYTES} | base64 | tr -d '\\n')"
`;
}

/** Ends the job with everything that it has started, and waits until it is gone. Harmless when it has ended. */
export function endJobScript(id: string): string {
  return `dir="${JOBS}/${checkId(id)}"
${PROCESS_BY_FILE}
end_process "$dir/process"
`;
}

/** Takes the job's traces away. */
export function removeJobScript(id: string): string {
  return `rm -rf "${JOBS}/${checkId(id)}"`;
}

/** Throws when the answer is not one. */
export function parseJobLook(output: string): JobLook {
  const facts = new Map(
    output.split('\n').flatMap((line): [string, string][] => {
      const at = line.indexOf('=');
      return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );
  const state = facts.get('state') ?? '';
  if (!isState(state)) throw unreadable('it says nothing of its work');
  return {
    state,
    exitCode: state === 'done' ? countOf(facts.get('exit'), 3) : null,
    log: Buffer.from(facts.get('log') ?? '', 'base64'),
    logSize: countOf(facts.get('size'), 15) ?? 0,
  };
}

/**
 * `is_alive FILE` and `end_process FILE` (with its group; waits until it is gone) for the process that a file names as "pid
 * start". A number alone may be another process by now: its start time tells. Without /proc the number must do.
 */
export const PROCESS_BY_FILE = `is_alive() {
  local pid= began=
  { read -r pid began <"$1"; } 2>/dev/null || [ -n "$pid" ] || return 1
  kill -0 "$pid" 2>/dev/null || return 1
  [ -z "$began" ] && return 0
  [ "$(cut -d" " -f22 "/proc/$pid/stat" 2>/dev/null)" = "$began" ] || return 1
  case $(cut -d" " -f3 "/proc/$pid/stat" 2>/dev/null) in Z|X) return 1 ;; esac
}
end_process() {
  local pid= signal wait
  for signal in TERM TERM TERM KILL KILL KILL; do
    is_alive "$1" || return 0
    { read -r pid _ <"$1"; } 2>/dev/null
    kill -s "$signal" -- "-$pid" 2>/dev/null || kill -s "$signal" "$pid" 2>/dev/null
    for wait in 1 2 3 4 5 6 7 8 9 10; do is_alive "$1" || return 0; sleep 0.1; done
  done
  return 1
}`;

/** Null for what is no count. */
function countOf(text: string | undefined, digits: number): number | null {
  const found = text?.trim() ?? '';
  return /^\d+$/u.test(found) && found.length <= digits ? Number(found) : null;
}

function isState(text: string): text is JobLook['state'] {
  return ['absent', 'running', 'done', 'lost'].includes(text);
}

/** Ids are made by forgectl: a run and a step. */
function checkId(id: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,80}$/u.test(id)) throw unreadable('what it named as a job is none');
  return id;
}

export function inLines(base64: string): string {
  return base64.replace(/.{1,76}/gu, '$&\n').trimEnd();
}
