import { withoutEnd } from '../text-ends.js';
import { cleanLines } from './clean-log.js';
import { FETCH, IS_FORGE_PAGE } from './http-script.js';
import { FORGE_INTERNAL_PORT, PROGRAMS, REMOTE } from './layout.js';
import { cutOff, newMarker, readMarked, wrapScript } from './remote-script.js';
import { type Program, parseStatus } from './supervisor.js';

/** What one look inside the machine told. */
export interface ReadinessSnapshot {
  /** supervisorctl status: 0 all run, 3 some do not, 4 no supervisor yet; null when there is no such program. */
  supervisorExit: number | null;
  supervisorStatus: string;
  programs: Program[];
  /** Forge's own entry, for its pid and uptime from look to look. */
  forge: Program | null;
  /** The image found no "Forge" in portal.yaml, so its wrapper leaves again and again. */
  forgeSkipped: boolean;
  provisioning: boolean;
  provisioningFailed: boolean;
  provisioningComplete: boolean;
  /** 0 when nothing listens. */
  forgeHttpStatus: number;
  /** The page is Forge's own, not a placeholder of the image's proxy. */
  isForgePage: boolean;
  /** Of the REST API, which needs --api (404 without); null when Forge did not answer at all. */
  apiHttpStatus: number | null;
  /** Last lines of provisioning.log while it provisions, else of forge.log; cleaned and redacted. */
  logTail: string[];
  /** The newest line of each log; null when there is none. */
  lastLine: { provisioning: string | null; forge: string | null };
}

/** One for the life of the process: a log of the machine cannot know it. */
const MARKER = newMarker();
/** Of each log; the line that this cuts is dropped, because a secret cut in two is not known as one. */
const LOG_BYTES = 4000;

/**
 * One round trip for all rungs above SSH (instance.md 14). The status alone is no proof, because the image's proxy
 * answers 200 for applications that are down (traps 24).
 */
export function readinessScript(): string {
  const url = `http://127.0.0.1:${FORGE_INTERNAL_PORT}`;
  const work = `${FETCH}${IS_FORGE_PAGE}
say() { printf '%s=%s\\n' "$1" "$2"; }
if command -v supervisorctl >/dev/null 2>&1; then
  status=$(limit 10 supervisorctl status 2>/dev/null); say supervisor_exit "$?"
  printf '%s\\n' "$status" | sed 's/^/supervisor=/'
fi
[ -e "${REMOTE.skipped}/${PROGRAMS.forge}" ] && say forge_skipped 1
[ -e "${REMOTE.provisioning}" ] && say provisioning 1
[ -e "${REMOTE.provisioningFailed}" ] && say provisioning_failed 1
[ -e "${REMOTE.provisioningComplete}" ] && say provisioning_complete 1
page=$(mktemp 2>/dev/null || echo /tmp/.forgectl-page.$$)
code=$(fetch '${url}/' "$page"); say http "$code"
if is_forge_page "$page"; then say forge_page 1; fi
[ "$code" = 200 ] && say api_http "$(fetch '${url}/sdapi/v1/cmd-flags' "$page")"
rm -f "$page"
for log in provisioning forge; do
  file="${REMOTE.logs}/$log.log"
  [ -f "$file" ] || continue
  [ "$(wc -c <"$file")" -gt ${LOG_BYTES} ] && say cut "$log"
  tail -c ${LOG_BYTES} "$file" | tail -n 6 | sed "s/^/log.$log=/"
  echo
done
`;
  return wrapScript(work, MARKER);
}

/** Throws (SSH_LOST) when the output was cut off: a half answer must not count as "not there". */
export function parseReadiness(stdout: string): ReadinessSnapshot {
  const marked = readMarked(stdout, MARKER);
  if (marked === null || marked.exitCode === null) throw cutOff();
  const lines = marked.output.split('\n').map((line) => {
    const at = line.indexOf('=');
    return { key: line.slice(0, at), value: line.slice(at + 1) };
  });
  const all = (key: string): string[] => lines.filter((line) => line.key === key).map((line) => line.value);
  const value = (key: string): string | null => all(key)[0] ?? null;
  const tailOf = (log: string): string[] => cleanTail(all(`log.${log}`), all('cut').includes(log));
  const supervisorStatus = all('supervisor').join('\n');
  const { programs } = parseStatus(supervisorStatus);
  const [provisioningTail, forgeTail] = [tailOf('provisioning'), tailOf('forge')];
  const provisioning = value('provisioning') !== null;
  return {
    supervisorExit: numberOf(value('supervisor_exit')),
    supervisorStatus,
    programs,
    forge: programs.find(({ name }) => name === PROGRAMS.forge) ?? null,
    forgeSkipped: value('forge_skipped') !== null,
    provisioning,
    provisioningFailed: value('provisioning_failed') !== null,
    provisioningComplete: value('provisioning_complete') !== null,
    forgeHttpStatus: numberOf(value('http')) ?? 0,
    isForgePage: value('forge_page') !== null,
    apiHttpStatus: numberOf(value('api_http')),
    logTail: provisioning ? provisioningTail : forgeTail,
    lastLine: { provisioning: provisioningTail.at(-1) ?? null, forge: forgeTail.at(-1) ?? null },
  };
}

function numberOf(text: string | null): number | null {
  if (text === null || text === '') return null;
  return /^\d{1,5}$/u.test(text) ? Number(text) : 0;
}

/** A progress bar's line may be cut: what is shown of it stands behind its last carriage return. */
function cleanTail(lines: readonly string[], isCut: boolean): string[] {
  const whole = isCut && !withoutEnd(lines[0] ?? '', '\r').includes('\r') ? lines.slice(1) : lines;
  return cleanLines(whole.join('\n'));
}

/** The highest rung that the look proves, and what stands in the way of the next. */
export function reachedRung(snapshot: ReadinessSnapshot): {
  rung: 'ssh' | 'boot' | 'provisioning' | 'forge';
  reason: string;
} {
  const { supervisorExit, provisioning, forgeHttpStatus, isForgePage, forgeSkipped, logTail } = snapshot;
  const last = logTail.at(-1) ?? '';
  if (supervisorExit !== 0 && supervisorExit !== 3) return { rung: 'ssh', reason: 'the supervisor is not up yet' };
  // Absent before the supervisor starts, too; with the supervisor up, absent means over, on images that leave no
  // /.provisioning_complete as well (instance.md 2 and 6).
  if (provisioning) return { rung: 'boot', reason: last };
  if (forgeHttpStatus !== 200) {
    if (forgeSkipped)
      return { rung: 'provisioning', reason: 'supervisor skips Forge: /etc/portal.yaml does not name it' };
    return { rung: 'provisioning', reason: last || forgeState(snapshot) };
  }
  if (!isForgePage)
    return { rung: 'provisioning', reason: 'something answers on the port of Forge, but it is not Forge' };
  return { rung: 'forge', reason: 'HTTP 200' };
}

/** RUNNING proves nothing for Forge, but FATAL or EXITED does (instance.md 7). */
function forgeState({ forge }: ReadinessSnapshot): string {
  if (forge === null) return 'supervisor does not know Forge';
  return [forge.name, forge.state, forge.detail.replace(/\s+/gu, ' ')].filter(Boolean).join(' ');
}
