/** The wrappers that supervisor runs, as the image has them (instance.md 7 and 8): environment, portal check, log, work. */
const UTILS: Record<string, string> = {
  'environment.sh': `set -a
. "$FORGECTL_ROOT/etc/environment" 2>/dev/null || true
[ -f "\${WORKSPACE%/}/.env" ] && . "\${WORKSPACE%/}/.env"
set +a
pause() { sleep "$(awk -v t="$1" -v s="\${SANDBOX_TIME_SCALE:-1}" 'BEGIN { print t / s }')"; }
`,
  // Older images have tee, newer ones log-tee; here Forge, whose log is the one to look at, has the newer.
  'logging.sh': `log_dir="$FORGECTL_ROOT/var/log/portal"; mkdir -p "$log_dir"
for log in "$log_dir/$PROC_NAME.log" "$FORGECTL_ROOT/var/log/$PROC_NAME.log"; do [ -f "$log" ] && mv "$log" "$log.old"; done
tee="tee -a"; [ "$PROC_NAME" = forge ] && tee=log-tee
exec > >(exec $tee "$log_dir/$PROC_NAME.log") 2>&1
`,
  'exit_portal.sh': `# Programs that are not in portal.yaml are not wanted: mark, wait, leave with 0.
for _ in $(seq 1 60); do [ -s "$FORGECTL_ROOT/etc/portal.yaml" ] && break; pause 2; done
if [ "\${SERVERLESS:-false}" != true ] && ! grep -qiE "^[^#].*$1" "$FORGECTL_ROOT/etc/portal.yaml" 2>/dev/null; then
  mkdir -p "$FORGECTL_ROOT/tmp/supervisor-skip"; : >"$FORGECTL_ROOT/tmp/supervisor-skip/$PROC_NAME"
  echo "Skipping startup of $PROC_NAME (not in /etc/portal.yaml)"; pause 6; exit 0
fi
rm -f "$FORGECTL_ROOT/tmp/supervisor-skip/$PROC_NAME"
`,
};

const HEAD = `#!/bin/bash
utils="$FORGECTL_ROOT/opt/supervisor-scripts/utils"
. "$utils/environment.sh"
. "$utils/logging.sh"
`;

const gate = (term: string): string => `. "$utils/exit_portal.sh" "${term}"\n`;
const idle = 'exec sleep 2147483647\n';

const SCRIPTS: Record<string, string> = {
  forge: `${HEAD}${gate('Forge')}
while [ -f "$FORGECTL_ROOT/.provisioning" ]; do echo "Waiting for provisioning to complete"; pause 5; done
. "$FORGECTL_ROOT/venv/main/bin/activate" >/dev/null
cd "\${WORKSPACE%/}/stable-diffusion-webui-forge" || exit 1
echo "Starting Stable Diffusion WebUI Forge"
eval "exec python launch.py \${FORGE_ARGS:---port 17860}"
`,
  instance_portal: `${HEAD}${gate('instance portal')}exec "$FORGECTL_ROOT/venv/main/bin/python" "$FORGECTL_ROOT/opt/portal-aio/portal.py"\n`,
  tunnel_manager: `${HEAD}${gate('instance portal')}echo "Tunnel manager: no internet here, no tunnels"\n${idle}`,
  caddy: `${HEAD}echo "Caddy serves the published ports"\n${idle}`,
  jupyter: `${HEAD}${gate('jupyter')}[ -f "$FORGECTL_ROOT/.launch" ] && grep -q jupyter "$FORGECTL_ROOT/.launch" && { echo "Jupyter is run by the platform"; pause 6; exit 0; }
exec "$FORGECTL_ROOT/venv/main/bin/python" -m http.server 18080 --bind 127.0.0.1 --directory "$WORKSPACE"\n`,
  syncthing: `${HEAD}${gate('syncthing')}exec "$FORGECTL_ROOT/venv/main/bin/python" -m http.server 18384 --bind 127.0.0.1 --directory "$FORGECTL_ROOT/opt/syncthing"\n`,
  tensorboard: `${HEAD}${gate('tensorboard')}exec "$FORGECTL_ROOT/venv/main/bin/python" -m http.server 16006 --bind 127.0.0.1 --directory "$WORKSPACE"\n`,
  cron: `${HEAD}echo "cron runs"\n${idle}`,
};

/** Path below the root -> text. */
export function serviceScripts(): Record<string, string> {
  return {
    ...Object.fromEntries(Object.entries(UTILS).map(([name, text]) => [`opt/supervisor-scripts/utils/${name}`, text])),
    ...Object.fromEntries(Object.entries(SCRIPTS).map(([name, text]) => [`opt/supervisor-scripts/${name}.sh`, text])),
  };
}
