import { keptFor } from './checkout-steps.js';
import { PROCESS_BY_FILE } from './detached-job.js';
import { isIsoTime } from './facts.js';

/**
 * A run that changes a machine holds a lease on it: each of its scripts renews it, and the machine's own watchdog puts
 * everything back when nobody has for too long. Scripts and watchdog take turns by a lock that the kernel drops with its last
 * holder; whoever finds `claimed` in its turn has come too late. What must also work on a full disk is only written over or renamed.
 */

/** Of a script that came too late. */
const CLAIMED_EXIT = 75;
const CLAIMED_WORD = 'forgectl: the machine puts itself back';

/** One that still has the turn when the next has waited so long hangs, and is ended. */
const TURN_S = 60;

/**
 * `hold FD SECONDS` locks an open file for all who have inherited it. `seconds` counts on where the wall clock may jump;
 * after a reboot it may begin anew, which `left` takes for a renewal.
 */
export const LEASE = `${PROCESS_BY_FILE}
hold() {
  if command -v flock >/dev/null 2>&1; then flock -w "$2" "$1"; return; fi
  python3 -c '
import fcntl, sys, time
end = time.time() + float(sys.argv[2])
while True:
    try:
        fcntl.flock(int(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB); break
    except OSError:
        if time.time() >= end: sys.exit(1)
        time.sleep(0.1)' "$1" "$2"
}
seconds() { local up=; { read -r up _ </proc/uptime; } 2>/dev/null; if [ -n "$up" ]; then echo "\${up%%.*}"; else date +%s; fi; }
renew() {
  [ -e "$kept/lease" ] || return 0
  printf '%-12s\\n' "$(($(seconds) + $(cat "$kept/lease-seconds")))" 1<>"$kept/lease"
}
left() {
  local until= most; read -r until <"$kept/lease"; most=$(cat "$kept/lease-seconds")
  until=$((\${until:-0} - $(seconds)))
  [ "$until" -gt "$most" ] && { renew; until=$most; }
  echo "$until"
}
enter() {
  local turn= look
  exec 9>>"$kept/mutex" || return 1
  for ((look = 0; look < $1; look++)); do
    [ -e "$kept/claimed" ] && { exec 9>&-; return ${CLAIMED_EXIT}; }
    hold 9 1 && { turn=1; break; }
  done
  if [ -z "$turn" ]; then
    [ -e "$kept/claimed" ] && return ${CLAIMED_EXIT}
    end_process "$kept/worker"
    hold 9 10 || { echo 'an earlier step of this run is still at work' >&2; return 1; }
  fi
  [ -e "$kept/claimed" ] && { exec 9>&-; return ${CLAIMED_EXIT}; }
  printf '%-40s\\n' "$$ $(cut -d' ' -f22 "/proc/$$/stat" 2>/dev/null)" 1<>"$kept/worker"
  renew
}
`;

/** Work of a run that may hold a lease: in its turn, renewed before and after, and not at all once the machine puts itself back. */
export function underLease(run: string, work: string, turnS = TURN_S): string {
  return `${keptFor(run)}${LEASE}
if [ -e "$kept/lease" ] || [ -e "$kept/claimed" ]; then
  enter ${turnS} || { status=$?; [ $status = ${CLAIMED_EXIT} ] && echo '${CLAIMED_WORD}' >&2; exit $status; }
fi
(
${work}
)
status=$?
renew
exit $status
`;
}

/** Whether a script under a lease came too late. */
export function cameTooLate({ exitCode, stderr }: { exitCode: number; stderr: string }): boolean {
  return exitCode === CLAIMED_EXIT && stderr.includes(CLAIMED_WORD);
}

/** How it stands between a run and the machine's watchdog. */
export interface LeaseState {
  /**
   * free: the run may go on, or go back. working: the machine puts itself back now. back: it has. abandoned: it has begun to, and
   * could not, or was rebooted.
   */
  state: 'free' | 'working' | 'back' | 'abandoned';
  /** ISO time of the end; of `back` only. */
  at: string | null;
  /** Why the machine could not; of `abandoned` only, and not always known. */
  failure: string | null;
}

/** Changes nothing. */
export function lookAtLeaseScript(run: string): string {
  return `${keptFor(run)}${LEASE}
[ -e "$kept/claimed" ] || { echo free; exit 0; }
exec 9>>"$kept/mutex" || exit 1
hold 9 0 || { echo working; exit 0; }
{ read -r word at why <"$kept/outcome"; } 2>/dev/null
if [ "$word" = back ]; then echo "back $at"; else printf 'abandoned %s\n' "$why"; fi
`;
}

/** Gives the run what the machine's watchdog has let go of. Exit 1 when it has not. */
export function takeBackScript(run: string): string {
  return `${keptFor(run)}${LEASE}
exec 9>>"$kept/mutex" && hold 9 0 || exit 1
rm -f "$kept/outcome"
[ ! -e "$kept/claimed" ] || mv "$kept/claimed" "$kept/claim" || exit 1
renew
`;
}

export function parseLeaseState(output: string): LeaseState {
  const [word = '', ...rest] = output.trim().split(' ');
  const words = rest.join(' ').trim();
  const state = STATES.find((known) => known === word) ?? 'free';
  return {
    state,
    at: state === 'back' && isIsoTime(words) ? words : null,
    failure: state === 'abandoned' && words !== '' ? words.replace(/\p{Cc}+/gu, ' ').slice(0, 200) : null,
  };
}

const STATES = ['working', 'back', 'abandoned'] as const;
