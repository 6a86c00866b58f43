import { REMOTE } from './layout.js';
import { isRunId, RUNS_PLACE } from './provisioning-state.js';
import { quote } from './remote-command.js';
import { unreadable } from './unreadable.js';

/** What is run: a text that comes along, or an address that the machine fetches. */
export interface ProvisioningWork {
  id: string;
  kind: 'script' | 'manifest';
  source: { text: string } | { url: string };
  /** For people; never a secret. */
  name: string;
}

/**
 * Puts the text on the machine, root's own. Harmless twice. 9: something else provisions it now; 3: no provisioner for a
 * manifest.
 */
export function placeProvisioningScript({ id, kind, source, name }: ProvisioningWork): string {
  const run = placeOf(id);
  const text = 'text' in source ? source.text : '';
  return `umask 077
run="${run}"
[ -e "$run/source" ] && exit 0
[ -e "${REMOTE.provisioning}" ] && exit 9
${kind === 'manifest' ? 'command -v provisioner >/dev/null 2>&1 || exit 3' : ''}
for other in "${RUNS_PLACE}"/*/; do
  job="$ROOT/var/lib/forgectl/jobs/$(basename "$other")"
  [ -f "$job/process" ] && [ ! -f "$job/status" ] || continue
  pid= began=; read -r pid began <"$job/process"
  kill -0 "$pid" 2>/dev/null && [ "$(cut -d' ' -f22 "/proc/$pid/stat" 2>/dev/null)" = "$began" ] && exit 9
done
mkdir -p "$run" || exit 1
base64 -d >"$run/work" <<'FORGECTL_PROVISION' || exit 1
${inLines(text)}
FORGECTL_PROVISION
base64 -d >"$run/source.new" <<'FORGECTL_PROVISION' || exit 1
${inLines(name)}
FORGECTL_PROVISION
mv "$run/source.new" "$run/source"
`;
}

/**
 * Work for a detached job: runs it as the boot does, with its output in the log of provisioning as well, until it has ended;
 * a service that it leaves behind holds the log open and nobody up.
 */
export function provisioningWork({ id, kind, source }: ProvisioningWork): string {
  return `run="${placeOf(id)}"
umask 022
export DATA_DIRECTORY="\${DATA_DIRECTORY:-$WORKSPACE/}"
cd "$WORKSPACE" 2>/dev/null || cd /
mkdir -p "${REMOTE.logs}"
log="${REMOTE.logs}/provisioning.log"
if command -v log-tee >/dev/null 2>&1; then exec 4> >(exec log-tee "$log")
else exec 4> >(exec tee -a "$log"); fi
tee=$!
exec 3>&1 >&4 2>&4 4>&-
work() {
  ${'url' in source ? fetch(source.url) : ':'}
  tr -d '\\r' <"$run/work" >"$run/script" && chmod 700 "$run/script" || return 1
  [ -s "$run/script" ] || { echo "There is nothing in it." >&2; return 1; }
  ${kind === 'manifest' ? 'env -u PROVISIONING_SCRIPT provisioner "$run/script"' : EXECUTE}
}
work 3>&- </dev/null
code=$?
exec >&3 2>&3 3>&-
for wait in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 "$tee" 2>/dev/null || break; sleep 0.1; done
exit "$code"
`;
}

/** As the image executes it; a text without a first line that says by what is bash's. */
const EXECUTE = `case $(head -c 2 "$run/script") in '#!') "$run/script" ;; *) bash "$run/script" ;; esac`;

function fetch(url: string): string {
  const address = quote([url]);
  return `for try in 1 2 3; do
    curl -fsSL -o "$run/work" ${address} && break
    [ "$try" = 3 ] && { echo "It could not be fetched." >&2; return 1; }
    sleep 2
  done`;
}

/** Where a script of a launch lies: the image takes a path as well as an address, and fetches nothing that is there. */
export const LOCAL_SCRIPT = '/provisioning.sh';

function placeOf(id: string): string {
  if (!isRunId(id)) throw unreadable('what it named as a run is none');
  return `${RUNS_PLACE}/${id}`;
}

function inLines(text: string): string {
  return Buffer.from(text, 'utf8')
    .toString('base64')
    .replace(/.{1,76}/gu, '$&\n')
    .trimEnd();
}

/** After it was ended from outside: it has a result, as if the signal had been the machine's. */
export function markEndedScript(id: string): string {
  placeOf(id);
  return `job="$ROOT/var/lib/forgectl/jobs/${id}"
[ -f "$job/status" ] || printf 143 >"$job/status"
`;
}
