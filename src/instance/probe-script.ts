import { SAY_FACTS } from './facts.js';
import { FETCH } from './http-script.js';
import { FORGE_DIRECTORY, INTERNAL_PORTS, REMOTE } from './layout.js';

export const PROBED_TOOLS = ['uv', 'git', 'rsync', 'supervisorctl', 'curl', 'python3'] as const;

/** Values that are worth a look and hold no secret; of all other variables only the names leave the machine. */
export const SHOWN_VARIABLES = [
  'WORKSPACE',
  'DATA_DIRECTORY',
  'CONTAINER_ID',
  'VAST_CONTAINERLABEL',
  'PUBLIC_IPADDR',
  'OPEN_BUTTON_PORT',
  'PORTAL_CONFIG',
  'ENABLE_AUTH',
  'ENABLE_HTTPS',
  'AUTH_EXCLUDE',
  'FORGE_ARGS',
  'PROVISIONING_SCRIPT',
  'PROVISIONING_MANIFEST',
  'PROVISIONER_FAILURE_ACTION',
  'SERVERLESS',
  'GPU_COUNT',
] as const;

/** instance.md 16 in one round trip. Every fact is a line `key=base64`; what is not there has no line. */
export function probeScript(): string {
  return `${FETCH}${SAY_FACTS}has() { [ -e "$2" ] && put "$1" 1; }
id -un | emit user
for name in ${SHOWN_VARIABLES.join(' ')}; do [ -n "\${!name+x}" ] && put "variable.$name" "\${!name}"; done
compgen -e | emit variable_names
has provisioning "${REMOTE.provisioning}"
has provisioning_complete "${REMOTE.provisioningComplete}"
has provisioning_failed "${REMOTE.provisioningFailed}"
has provisioner_stopped "${REMOTE.provisionerStopped}"
has launch "${REMOTE.launch}"
grep -q jupyter "${REMOTE.launch}" 2>/dev/null && put launch_jupyter 1
for tool in ${PROBED_TOOLS.join(' ')}; do command -v "$tool" >/dev/null 2>&1 && put "tool.$tool" "$(command -v "$tool")"; done
[ -x "${REMOTE.python}" ] && put python "$(limit 10 "${REMOTE.python}" -V 2>&1)"
if command -v supervisorctl >/dev/null 2>&1; then
  status=$(limit 10 supervisorctl status 2>/dev/null); put supervisor_exit "$?"; put supervisor "$status"
fi
ls -1 "${REMOTE.skipped}" 2>/dev/null | emit skipped
forge="$WORKSPACE/${FORGE_DIRECTORY}"
if [ -d "$forge" ]; then
  put forge "$forge"
  safe=$(mktemp); printf '[safe]\\n\\tdirectory = *\\n' >"$safe"
  ask() { GIT_CONFIG_GLOBAL=$safe GIT_OPTIONAL_LOCKS=0 limit 20 git -C "$forge" "$@" 2>/dev/null; }
  if ask rev-parse --git-dir >/dev/null; then
    put git_remote "$(ask remote get-url origin)"
    put git_head "$(ask rev-parse HEAD)"
    put git_branch "$(ask symbolic-ref -q --short HEAD)"
    ask status --porcelain --untracked-files=no | emit git_changes
  fi
  rm -f "$safe"
  for file in requirements_versions.txt requirements-versions.txt requirements.txt; do
    [ -f "$forge/$file" ] && { put requirements "$file"; break; }
  done
fi
for info in "$ROOT"/venv/main/lib/python*/site-packages/torch-*.dist-info; do
  [ -d "$info" ] || continue
  version=\${info##*/torch-}; put torch "\${version%.dist-info}"; break
done
[ -f "${REMOTE.portalConfig}" ] && emit portal_yaml <"${REMOTE.portalConfig}"
df -Pk "$WORKSPACE" 2>/dev/null | tail -n 1 | emit disk
used=$(limit 20 du -sk "$WORKSPACE" 2>/dev/null) && put workspace_used "$used"
for backup in "$WORKSPACE"/.venv-backups/*/*; do [ -e "$backup" ] && printf '%s\\n' "\${backup#"$WORKSPACE"/.venv-backups/}"; done | emit venv_backups
page=$(mktemp)
put portal_http "$(fetch http://127.0.0.1:${INTERNAL_PORTS.portal}/openapi.json "$page")"
head -c 200000 "$page" | emit portal_openapi
put forge_http "$(fetch http://127.0.0.1:${INTERNAL_PORTS.forge}/ "$page")"
put forge_api_http "$(fetch http://127.0.0.1:${INTERNAL_PORTS.forge}/sdapi/v1/cmd-flags "$page")"
rm -f "$page"
true
`;
}
