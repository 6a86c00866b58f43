import { Facts, SAY_FACTS } from '../facts.js';
import { progressScript, readProgress } from '../forge-progress.js';
import { FETCH } from '../http-script.js';
import { REMOTE } from '../layout.js';
import { parseLockAnswer, readLockScript } from '../machine-lock.js';
import { SCRATCH } from '../scratch.js';
import { describeStatusExit, type Program, parseStatus } from '../supervisor.js';
import { forge } from './forge.js';
import { portal } from './portal.js';
import type { ServiceDeclaration } from './service.js';

/** One look at the programs of a machine. */
export interface ServiceLook {
  programs: Program[];
  /** False when there is no supervisor to ask. */
  isUp: boolean;
  /** Programs that the image has marked: portal.yaml does not name them. */
  skipped: ReadonlySet<string>;
  /** Programs that died and were started again during the look. */
  restarting: ReadonlySet<string>;
  /** By service name: the HTTP status of its port, 0 when nothing answers. */
  httpStatus: ReadonlyMap<string, number>;
  isForgePage: boolean;
  /** Forge draws something; null when it does not say. */
  isDrawing: boolean | null;
  isProvisioning: boolean;
  /** What the portal will not stop (PORTAL_UNSTOPPABLE), by itself or by the variable. */
  unstoppable: ReadonlySet<string>;
  /** Programs whose wrapper reads the user's .env. */
  readsEnvironment: ReadonlySet<string>;
  /** Why another run holds the machine, in words; null when none does. */
  heldBy: string | null;
}

/** How long a young program that does not answer is watched, s: a wrapper that gives up does so in five or six. */
const WATCH_SECONDS = 7;

export interface LookDepth {
  /** Asks every port; without it only supervisor's word and what Forge is doing. */
  answers: boolean;
  /** Watches what is young and silent. */
  watch: boolean;
}

/**
 * One round trip. A program that autorestarts shows RUNNING while it dies again and again, so one that does not answer
 * is watched (instance.md 7); a look that need not tell that apart does without.
 */
export function serviceLookScript(services: readonly ServiceDeclaration[], { answers, watch }: LookDepth): string {
  const probed = answers ? services : [];
  const probes = probed.map(
    ({ name, program, scheme, internalPort }) =>
      `{ is_skipped ${program} || probe ${name} '${scheme}://127.0.0.1:${internalPort}/'; } &`,
  );
  const names = services.map(({ name, program }) => `'${program} ${name}'`).join(' ');
  return `${FETCH}${SAY_FACTS}
${SCRATCH}
probe() {
  case $2 in
    https:*) curl -sk -m 5 -o "$scratch/page.$1" -w '%{http_code}' "$2" >"$scratch/code.$1" 2>/dev/null ;;
    *) fetch "$2" "$scratch/page.$1" >"$scratch/code.$1" ;;
  esac
}
# A mark may be older than the service that runs by now.
is_skipped() {
  [ -e "${REMOTE.skipped}/$1" ] || return 1
  ! printf '%s\\n' "$status" | grep -qE "^([^ :]+:)?$1 +RUNNING"
}
command -v supervisorctl >/dev/null 2>&1 || { put exit 127; exit 0; }
status=$(limit 20 supervisorctl status 2>/dev/null); put exit $?
put status.0 "$status"
${probes.join('\n')}
wait
for file in "$scratch"/code.*; do
  [ -f "$file" ] && put "http.$(basename "$file" | cut -c6-)" "$(head -c 3 "$file")"
done
head -c 65536 "$scratch/page.${forge.name}" 2>/dev/null | grep -qiE 'gradio|stable diffusion|forge' && put forge_page 1
${progressScript()}
fetch 'http://127.0.0.1:${portal.internalPort}/supervisor/processes' "$scratch/processes" >/dev/null
head -c 65536 "$scratch/processes" 2>/dev/null | emit processes
put unstoppable "$PORTAL_UNSTOPPABLE"
[ -e "${REMOTE.provisioning}" ] && put provisioning 1
for mark in "${REMOTE.skipped}"/*; do [ -e "$mark" ] && basename "$mark"; done | emit skipped
for script in "${REMOTE.wrappers}"/*.sh; do
  grep -q 'environment\\.sh' "$script" 2>/dev/null && basename "$script" .sh
done | emit readers
${readLockScript()} | emit lock
${watch ? watchScript(names) : ''}exit 0
`;
}

/** Looks again, second by second, as long as something young is in doubt. */
function watchScript(names: string): string {
  return `first=$status
pid_of() { printf '%s\\n' "$1" | sed -n "s/^\\([^ :]*:\\)\\{0,1\\}$2 .* pid \\([0-9]*\\),.*/\\2/p"; }
doubtful() {
  printf '%s\\n' "$status" | grep -qE '^[^ ]+ +RUNNING .*uptime 0:0[0-4]:' || return 1
  for pair in ${names}; do
    printf '%s\\n' "$status" | grep -qE "^([^ :]+:)?\${pair% *} +RUNNING .*uptime 0:0[0-4]:" || continue
    [ -e "${REMOTE.skipped}/\${pair% *}" ] && continue
    [ "$(pid_of "$first" "\${pair% *}")" = "$(pid_of "$status" "\${pair% *}")" ] || continue
    case $(cat "$scratch/code.\${pair#* }" 2>/dev/null) in [1-9]??) ;; *) return 0 ;; esac
  done
  return 1
}
look=0
while [ "$look" -lt ${WATCH_SECONDS} ] && doubtful; do
  sleep 1
  look=$((look + 1))
  status=$(limit 20 supervisorctl status 2>/dev/null)
  put "status.$look" "$status"
done
`;
}

export function parseServiceLook(output: string): ServiceLook {
  const facts = new Facts(output);
  const looks = facts.groups('status').map((at) => parseStatus(facts.raw(`status.${at}`) ?? '').programs);
  return {
    programs: looks[0] ?? [],
    isUp: describeStatusExit(facts.number('exit')) !== 'not up',
    skipped: new Set(facts.lines('skipped')),
    restarting: new Set((looks[0] ?? []).map(({ name }) => name).filter((name) => isRestarting(name, looks))),
    httpStatus: new Map(facts.groups('http').map((name) => [name, facts.number(`http.${name}`) ?? 0])),
    isForgePage: facts.has('forge_page'),
    isDrawing: readProgress(facts.raw('progress')),
    isProvisioning: facts.has('provisioning'),
    unstoppable: new Set([...unstoppableOf(facts.raw('processes')), ...wordsOf(facts.text('unstoppable'))]),
    readsEnvironment: new Set(facts.lines('readers')),
    heldBy: holderOf(facts.text('lock')),
  };
}

/** Another pid for the same name within the look. */
function isRestarting(name: string, looks: readonly (readonly Program[])[]): boolean {
  const pids = looks.map((programs) => programs.find((program) => program.name === name)?.pid ?? null);
  return new Set(pids.filter((pid) => pid !== null)).size > 1;
}

/** Newer portals say it of each program (portal-aio: GET /supervisor/processes). */
function unstoppableOf(json: string | null): string[] {
  try {
    const found: unknown = JSON.parse(json ?? '[]');
    return Array.isArray(found)
      ? found.flatMap((one: { name?: unknown; unstoppable?: unknown } | null) =>
          one?.unstoppable === true && typeof one.name === 'string' ? [one.name] : [],
        )
      : [];
  } catch {
    return [];
  }
}

function wordsOf(text: string | null): string[] {
  return (text ?? '').split(/[\s,;]+/u).filter(Boolean);
}

function holderOf(text: string | null): string | null {
  if (text === null) return null;
  const holder = parseLockAnswer(`held\n${text}`);
  return holder === null ? null : `${holder.why}, by ${holder.who} since ${holder.since}`;
}
