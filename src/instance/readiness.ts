import { EXIT, ForgeError } from '../errors.js';
import { cleanRemoteLine } from './clean-log.js';
import { FORGE_INTERNAL_PORT } from './forge-args.js';
import { betweenMarkers, wrapScript } from './remote-script.js';

/** What one look inside the machine told. */
export interface ReadinessSnapshot {
  /** supervisorctl status: 0 all run, 3 some do not, 4 no supervisor yet; null when there is no such program. */
  supervisorExit: number | null;
  supervisorStatus: string;
  provisioning: boolean;
  provisioningFailed: boolean;
  provisioningComplete: boolean;
  /** 0 when nothing listens. */
  forgeHttpStatus: number;
  /** The page is Forge's own, not a placeholder of the image's proxy. */
  isForgePage: boolean;
  /** Last lines of provisioning.log while it provisions, else of forge.log; cleaned and redacted. */
  logTail: string[];
}

const MARKER = '__forgectl_readiness_7d1f__';

/**
 * One round trip for all rungs above SSH (instance.md 14). curl, else python3, asks for the page: the status alone is
 * no proof, because the image's proxy answers 200 for applications that are down (traps 24).
 */
export function readinessScript(): string {
  const work = `
say() { printf '%s=%s\\n' "$1" "$2"; }
if command -v supervisorctl >/dev/null 2>&1; then
  status=$(supervisorctl status 2>/dev/null); say supervisor_exit "$?"
  printf '%s\\n' "$status" | sed 's/^/supervisor=/'
fi
for mark in provisioning provisioning_failed provisioning_complete; do
  [ -e "$ROOT/.$mark" ] && say "$mark" 1
done
url=http://127.0.0.1:${FORGE_INTERNAL_PORT}/
page=$(mktemp 2>/dev/null || echo /tmp/.forgectl-page.$$)
if command -v curl >/dev/null 2>&1; then
  say http "$(curl -s -m 5 -o "$page" -w '%{http_code}' "$url")"
else
  say http "$(python3 -c '
import sys, urllib.request, urllib.error
try:
    r = urllib.request.urlopen(sys.argv[1], timeout=5); code = r.status; body = r.read(65536)
except urllib.error.HTTPError as e:
    code = e.code; body = b""
except Exception:
    code = 0; body = b""
open(sys.argv[2], "wb").write(body); print(code)' "$url" "$page")"
fi
if head -c 65536 "$page" 2>/dev/null | grep -qiE 'gradio|stable diffusion|forge'; then say forge_page 1; fi
rm -f "$page"
log=forge; [ -e "$ROOT/.provisioning" ] && log=provisioning
tail -c 4000 "$ROOT/var/log/portal/$log.log" 2>/dev/null | tail -n 6 | sed 's/^/log=/'
`;
  return wrapScript(work, MARKER);
}

/** Throws (SSH_LOST) when the output was cut off: a half answer must not count as "not there". */
export function parseReadiness(stdout: string): ReadinessSnapshot {
  const inside = betweenMarkers(stdout, MARKER);
  if (inside === null) {
    throw new ForgeError('The look inside the machine was cut off.', {
      code: 'SSH_LOST',
      exit: EXIT.sshFailed,
      hint: 'Try again.',
    });
  }
  const lines = inside.split('\n').map((line) => {
    const at = line.indexOf('=');
    return { key: line.slice(0, at), value: line.slice(at + 1) };
  });
  const value = (key: string): string | null => lines.find((line) => line.key === key)?.value ?? null;
  const all = (key: string): string[] => lines.filter((line) => line.key === key).map((line) => line.value);
  const exit = value('supervisor_exit');
  return {
    supervisorExit: exit === null ? null : Number(exit),
    supervisorStatus: all('supervisor').join('\n'),
    provisioning: value('provisioning') !== null,
    provisioningFailed: value('provisioning_failed') !== null,
    provisioningComplete: value('provisioning_complete') !== null,
    forgeHttpStatus: Number(value('http') ?? 0) || 0,
    isForgePage: value('forge_page') !== null,
    logTail: all('log')
      .map(cleanRemoteLine)
      .filter((line) => line !== ''),
  };
}

/** The highest rung that the look proves, and what stands in the way of the next. */
export function reachedRung(snapshot: ReadinessSnapshot): {
  rung: 'ssh' | 'boot' | 'provisioning' | 'forge';
  reason: string;
} {
  const { supervisorExit, provisioning, forgeHttpStatus, isForgePage, logTail } = snapshot;
  const last = logTail.at(-1) ?? '';
  if (supervisorExit !== 0 && supervisorExit !== 3) return { rung: 'ssh', reason: 'the supervisor is not up yet' };
  // Absent before the supervisor starts, too; with the supervisor up, absent means over (instance.md 2 and 6).
  if (provisioning) return { rung: 'boot', reason: last };
  if (forgeHttpStatus !== 200) return { rung: 'provisioning', reason: last || forgeState(snapshot) };
  if (!isForgePage)
    return { rung: 'provisioning', reason: 'something answers on the port of Forge, but it is not Forge' };
  return { rung: 'forge', reason: 'HTTP 200' };
}

/** RUNNING proves nothing for Forge, but FATAL or EXITED does (instance.md 7). */
function forgeState({ supervisorStatus }: ReadinessSnapshot): string {
  const line = supervisorStatus.split('\n').find((candidate) => /^forge\s/u.test(candidate));
  return line === undefined ? 'supervisor does not know Forge' : line.replace(/\s+/gu, ' ').trim();
}
