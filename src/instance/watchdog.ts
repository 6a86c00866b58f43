import { DROP_BALLAST, keptFor } from './checkout-steps.js';
import { endJobScript, inLines } from './detached-job.js';
import { FETCH, IS_FORGE_PAGE } from './http-script.js';
import { FORGE_INTERNAL_PORT, PROGRAMS, REMOTE } from './layout.js';
import { LEASE } from './lease.js';
import { holdsLockScript, type MachineLock, releaseLockScript } from './machine-lock.js';
import { SERVICE_ENVIRONMENT } from './remote-script.js';
import { restartForgeScript } from './supervisor-scripts.js';
import { enterHistoryNowScript, type UpgradeEntry } from './upgrade-history.js';

/** All that a machine needs to put itself back without anybody: the very scripts of the run's own way back. Times are wall seconds. */
export interface WayBack {
  run: string;
  lock: MachineLock;
  /** So long after the run's last sign of life. */
  leaseS: number;
  /** Detached work that is ended first. */
  jobs: string[];
  /** In order; each harmless twice. `failure`: in words, when it fails. */
  steps: { script: string; failure: string }[];
  /** Null when Forge goes on untouched. */
  forge: { hasAnswered: boolean; limitS: number; staysS: number; pollS: number } | null;
  history: Omit<UpgradeEntry, 'at'> | null;
}

const TRIES = 3;
/** As long as the longest script of a run may take: one that takes longer hangs. */
const TURN_S = 600;
/** How late it sees that nobody needs it any more, at most. */
const LOOK_S = 5;

/** So that a machine that is rebooted in the middle has its watchdog again (instance.md 7: supervisor reads it at its start). */
const PROGRAM_FILE = `${REMOTE.programs}/forgectl_put_back.conf`;

/** Only the run's own: another may have taken the machine. */
function forgetProgram(run: string): string {
  return `grep -qs '${run}' "${PROGRAM_FILE}" && rm -f "${PROGRAM_FILE}"`;
}

/** Starts the watchdog, or renews the lease of one that is there. Exit 1 when it does not live then. */
export function armScript(wayBack: WayBack): string {
  const { run, leaseS } = wayBack;
  return `umask 077
${keptFor(run)}${LEASE}
dir="$kept/watchdog"
mkdir -p "$dir" || exit 1
[ -s "$dir/run" ] || { base64 -d >"$dir/run.new" && mv "$dir/run.new" "$dir/run"; } <<'FORGECTL_WATCHDOG' || exit 1
${inLines(Buffer.from(watchdogScript(wayBack)).toString('base64'))}
FORGECTL_WATCHDOG
# What is there stays: on a disk that is full by now it could not be written again.
room() { [ -s "$kept/$1" ] || { printf "$2\\n" "$3" >"$kept/$1.new" && mv "$kept/$1.new" "$kept/$1"; } || exit 1; }
[ -e "$kept/claimed" ] || : >>"$kept/claim" || exit 1
: >>"$kept/mutex" || exit 1
room end %512s ''; room worker %-40s ''; room lease-seconds %s ${leaseS}; room lease %-12s "$(($(seconds) + ${leaseS}))"
renew
[ ! -d "${REMOTE.programs}" ] || grep -qs '${run}' "${PROGRAM_FILE}" || cat >"${PROGRAM_FILE}" <<PROGRAM
; forgectl: puts back what was left half done by ${run}. It goes away at the end of the run.
[program:forgectl_put_back]
command=/bin/bash --noprofile --norc "\${dir//%/%%}/run"
autostart=true
autorestart=unexpected
exitcodes=0
startsecs=0
stopasgroup=true
killasgroup=true
stdout_logfile=NONE
redirect_stderr=true
PROGRAM
is_alive "$dir/process" || { setsid bash --noprofile --norc "$dir/run" </dev/null >/dev/null 2>&1 8>&- 9>&- & }
for look in {1..100}; do is_alive "$dir/process" && exit 0; sleep 0.1; done
rm -f "$kept/lease"
${forgetProgram(run)}
exit 1
`;
}

/** The run has come to its end, whichever: nothing is to be put back any more. */
export function disarmScript(run: string): string {
  return `${keptFor(run)}${LEASE}
rm -f "$kept/lease"
${forgetProgram(run)}
end_process "$kept/watchdog/process"
`;
}

/** Read whole before it runs: nothing may change what a running bash still has to read. */
function watchdogScript(wayBack: WayBack): string {
  const { run, lock, history } = wayBack;
  return `{
${SERVICE_ENVIRONMENT}
${keptFor(run)}${LEASE}${FETCH}${IS_FORGE_PAGE}
umask 077
dir="$kept/watchdog"
exec >>"$dir/log" 2>&1
exec 8>>"$dir/lock" || exit 1
hold 8 0 || exit 0
printf '%s %s' "$$" "$(cut -d' ' -f22 "/proc/$$/stat" 2>/dev/null)" >"$dir/process"
say() { printf '%s %s\\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1"; }
forget_program() { ${forgetProgram(run)}; }
stand_down() { rm -f "$kept/lease"; forget_program; exit 0; }
finish() {
  ${DROP_BALLAST}
  ${releaseLockScript(lock)}
  stand_down
}
${WAIT_FOR_TURN(lock)}
say 'nobody was heard of: putting it back'
${putBackFunction(wayBack)}
for ((try = 1; try <= ${TRIES}; try++)); do
  put_back && break
  say "$why"
  sleep ${Math.max(1, wayBack.forge?.pollS ?? 1)}
done
end() { printf '%s %s %s\\n' "$1" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$2" 1<>"$kept/end" && mv "$kept/end" "$kept/outcome"; }
if [ -z "$why" ]; then
  ${history === null ? '' : `(${enterHistoryNowScript(history)})`}
  end back ''; say 'it is as it was'; finish
fi
end failed "$why"
forget_program
exit 0
}
`;
}

/** Ends when it is this one's turn to put things back; or leaves, when nobody needs it. */
const WAIT_FOR_TURN = (lock: MachineLock): string => `
while :; do
  if [ -s "$kept/outcome" ]; then
    read -r word _ <"$kept/outcome"
    [ "$word" = back ] && finish
    forget_program; exit 0
  fi
  if [ ! -e "$kept/claimed" ]; then
    [ -e "$kept/lease" ] || stand_down
    rest=$(left)
    if [ "$rest" -gt 0 ]; then sleep $((rest < ${LOOK_S} ? rest : ${LOOK_S})); continue; fi
  fi
  exec 9>>"$kept/mutex"
  hold 9 ${TURN_S} || { end_process "$kept/worker"; hold 9 10; } || { exec 9>&-; sleep ${LOOK_S}; continue; }
  [ -e "$kept/claimed" ] && break
  if [ -e "$kept/lease" ] && [ "$(left)" -le 0 ]; then
    # Somebody has taken the machine from this run: what is there now is theirs.
    ${holdsLockScript(lock)} || stand_down
    mv "$kept/claim" "$kept/claimed" && break
  fi
  exec 9>&-
  sleep 1
done`;

function putBackFunction({ jobs, steps, forge }: WayBack): string {
  const parts = [
    ...jobs.map((id) => ({ script: endJobScript(id), failure: 'what was at work there does not end' })),
    ...steps,
    ...(forge === null ? [] : [{ script: restartForgeScript(), failure: 'Forge could not be restarted' }]),
  ];
  const lines = parts.map(({ script, failure }) => `(\n${script}\n) || { why='${failure}'; return 1; }`);
  const { limitS = 0, staysS = 0, pollS = 1, hasAnswered = false } = forge ?? {};
  return `
await_forge() {
  local page end pid= seen= since=0
  page=$(mktemp) || return 1
  end=$(($(seconds) + ${limitS}))
  while [ "$(seconds)" -le "$end" ]; do
    pid=$(limit 10 supervisorctl status ${PROGRAMS.forge} 2>/dev/null | sed -n 's/.*pid \\([0-9]*\\).*/\\1/p')
    if [ -n "$pid" ] && [ "$(fetch 'http://127.0.0.1:${FORGE_INTERNAL_PORT}/' "$page")" = 200 ] && is_forge_page "$page"; then
      [ "$pid" = "$seen" ] || { seen=$pid; since=$(seconds); }
      [ $(($(seconds) - since)) -ge ${staysS} ] && { rm -f "$page"; return 0; }
    else seen=; fi
    sleep ${pollS}
  done
  rm -f "$page"
  return 1
}
put_back() {
why=
${lines.join('\n')}
${hasAnswered ? `await_forge || { why='Forge does not answer'; return 1; }` : ''}
return 0
}`;
}
