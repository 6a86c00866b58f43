import { Facts, SAY_FACTS } from '../facts.js';
import { progressScript, readProgress } from '../forge-progress.js';
import { FETCH } from '../http-script.js';
import { PROGRAMS, REMOTE } from '../layout.js';
import { type MachineLock, parseLockAnswer, readLockScript } from '../machine-lock.js';
import { SCRATCH } from '../scratch.js';
import { describeStatusExit, parseStatus } from '../supervisor.js';

/** What a migration has to know of one machine before it touches anything. */
export interface MachineLook {
  /** The hash of the image's python environment (image: /.env_hash); null where the image has none. */
  envHash: string | null;
  pythonVersion: string | null;
  isProvisioning: boolean;
  hasSupervisor: boolean;
  /** Null when supervisor does not know Forge. */
  forgeRuns: boolean | null;
  /** Null when Forge does not say. */
  isDrawing: boolean | null;
  /** Names in the workspace that are file systems of their own, which no rename moves. */
  mounts: string[];
  /** What the direct way needs. */
  hasSsh: boolean;
  hasPython: boolean;
  /** Another with every boot; null while supervisor is not up. */
  bootMark: string | null;
  lock: MachineLock | null;
}

const BOOT_MARK = `
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
boot_mark() {
  local pid
  pid=$(supervisorctl pid 2>/dev/null)
  case $pid in ''|*[!0-9]*) return 0 ;; esac
  printf '%s.%s.%s' "$(started 1)" "$pid" "$(started "$pid")"
}`;

/** A container's boot id is its host's, so the first process and supervisor must tell. */
export function bootMarkScript(): string {
  return `${SAY_FACTS}${BOOT_MARK}\nput boot "$(boot_mark)"`;
}

export function parseBootMark(output: string): string | null {
  return new Facts(output).text('boot');
}

/** One round trip; changes nothing. */
export function machineLookScript(): string {
  return `${FETCH}${SAY_FACTS}${BOOT_MARK}
${SCRATCH}
put env_hash "$(head -c 200 "$ROOT/.env_hash" 2>/dev/null)"
put python "$("${REMOTE.python}" -V 2>&1 | head -n 1)"
[ -e "${REMOTE.provisioning}" ] && put provisioning 1
status=$(supervisorctl status 2>/dev/null); put supervisor_exit "$?"
put supervisor "$status"
put boot "$(boot_mark)"
command -v ssh >/dev/null && command -v ssh-keygen >/dev/null && put ssh 1
{ [ -x /usr/bin/python3 ] || command -v python3 >/dev/null; } && put python3 1
device=$(stat -L -c %d "$WORKSPACE")
find "$WORKSPACE/" -mindepth 1 -maxdepth 1 -printf '%D %f\\n' 2>/dev/null | grep -v "^$device " | cut -d' ' -f2- | emit mounts
${progressScript()}
held=$(${readLockScript()})
[ -n "$held" ] && put lock "held
$held"
true
`;
}

export function parseMachineLook(output: string): MachineLook | null {
  const facts = new Facts(output);
  const exit = facts.number('supervisor_exit');
  if (exit === null) return null;
  const { programs } = parseStatus(facts.raw('supervisor') ?? '');
  const forge = programs.find(({ name }) => name === PROGRAMS.forge);
  const lock = facts.raw('lock');
  return {
    envHash: facts.text('env_hash'),
    pythonVersion: /Python (\S+)/u.exec(facts.text('python') ?? '')?.[1] ?? null,
    isProvisioning: facts.has('provisioning'),
    hasSupervisor: describeStatusExit(exit) !== 'not up',
    forgeRuns: forge === undefined ? null : ['RUNNING', 'STARTING', 'BACKOFF'].includes(forge.state),
    isDrawing: readProgress(facts.raw('progress')),
    mounts: facts.lines('mounts'),
    hasSsh: facts.has('ssh'),
    hasPython: facts.has('python3'),
    bootMark: facts.text('boot'),
    lock: lock === null ? null : parseLockAnswer(lock),
  };
}
