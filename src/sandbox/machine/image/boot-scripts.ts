/** Boot as the image does it (instance.md 2): stages in order, their failures ignored, the console told of each. */
export const ENTRYPOINT = `#!/bin/bash
exec "$FORGECTL_ROOT/opt/instance-tools/bin/boot_default.sh" "$@"
`;

export const BOOT_DEFAULT = `#!/bin/bash
root=$FORGECTL_ROOT
pause() { sleep "$(awk -v t="$1" -v s="\${SANDBOX_TIME_SCALE:-1}" 'BEGIN { print t / s }')"; }
# The platform keeps the output of its start script; with the image's own entry point there is none.
say() { printf '%s\\n' "$*"; [ -z "$ONSTART_LOG" ] || printf '%s\\n' "$*" >>"$ONSTART_LOG"; }
supervisor=
# The last to go: when this process has ended, so has everything that it started.
trap 'trap - TERM; [ -n "$supervisor" ] && { kill -TERM "$supervisor" 2>/dev/null; wait "$supervisor"; }; exit 143' TERM
mkdir -p "$root/tmp" "$root/run/ports" "$root/var/log/portal" "\${WORKSPACE%/}"
rm -f "$root"/.provisioning

say "10-prep-env: environment of C.$CONTAINER_ID"
if ! head -n 1 "$root/etc/environment" 2>/dev/null | grep -q "for C.$CONTAINER_ID\\$"; then
  { printf '# Template controlled environment for C.%s\\n' "$CONTAINER_ID"
    while IFS= read -r -d '' pair; do
      name=\${pair%%=*}
      case $name in ONSTART_LOG|HOME|PATH|PWD|SHLVL|_|OLDPWD|SHELL|TERM|USER|LOGNAME|BASH_FUNC*|CONTAINER_CONSOLE) continue;; esac
      printf '%s="%s"\\n' "$name" "\${pair#*=}"
    done < <(env -0); } >"$root/etc/environment"
  chmod 600 "$root/etc/environment"
fi
if [ ! -s "$root/etc/portal.yaml" ] && [ -n "$PORTAL_CONFIG" ]; then
  { echo 'applications:'
    IFS='|' read -ra apps <<<"$PORTAL_CONFIG"
    for app in "\${apps[@]}"; do
      IFS=: read -r host ext int path name <<<"$app"
      printf '  %s:\\n    hostname: %s\\n    external_port: %s\\n    internal_port: %s\\n    open_path: %s\\n    name: %s\\n' "$name" "$host" "$ext" "$int" "$path" "$name"
    done; } >"$root/etc/portal.yaml"
fi
pause 1

say "36-sync-workspace"
for item in "$root/opt/workspace-internal"/*; do
  target="\${WORKSPACE%/}/$(basename "$item")"
  [ -e "$target" ] || { say "Copying $(basename "$item") to the workspace"; cp -R "$item" "$target"; }
done

say "48-venv-backup"
backups="\${WORKSPACE%/}/.venv-backups/$CONTAINER_ID"
mkdir -p "$backups"
freeze="$backups/venv-main-$(date +%Y-%m-%d-%H%M).txt"
# What pip freeze prints, without the second that pip takes to start: machines boot in every test.
( "$root/venv/main/bin/python" -c 'import importlib.metadata as m
print("\\n".join(sorted(("%s==%s" % (d.metadata["Name"], d.version) for d in m.distributions(path=[p for p in __import__("sys").path if p.endswith("site-packages")])), key=str.lower)))' >"$freeze" 2>/dev/null && ln -sfn "$freeze" "$backups/venv-main-latest.txt" ) &

say "65-supervisor-launch"
: >"$root/.provisioning"
: >"$root/.first_boot_complete"
"$SANDBOX_PYTHON" "$root/usr/lib/supervisord.py" &
supervisor=$!
for _ in $(seq 1 100); do [ -S "$root/run/supervisor.sock" ] && break; sleep 0.02; done

say "75-provisioning"
"$root/opt/instance-tools/bin/provisioner"
pause 1
rm -f "$root/.provisioning"
say "95-supervisor-wait"
wait "$supervisor"
`;

export const PROVISIONER = `#!/bin/bash
# Fetches and runs PROVISIONING_SCRIPT: three tries, then a mark, and the boot goes on (instance.md 6).
root=$FORGECTL_ROOT
log="$root/var/log/portal/provisioning.log"
pause() { sleep "$(awk -v t="$1" -v s="\${SANDBOX_TIME_SCALE:-1}" 'BEGIN { print t / s }')"; }
exec > >(exec log-tee "$log") 2>&1
say() { printf '%s [INFO] %s\\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$*"; }
[ -f "$root/.provisioning_complete" ] && { say "Provisioning was done on an earlier start"; exit 0; }
if [ -z "$PROVISIONING_SCRIPT" ]; then
  say "No provisioning script"; : >"$root/.provisioning_complete"; exit 0
fi
. "$root/venv/main/bin/activate" >/dev/null
for try in 1 2 3; do
  say "Fetching \${PROVISIONING_SCRIPT%%\\?*}"
  # A path is the machine's own file, which is run as it is.
  case $PROVISIONING_SCRIPT in
    /*) script="$root$PROVISIONING_SCRIPT"; [ -f "$script" ] ;;
    *) script="$root/provisioning.sh"; curl -fsSL -o "$script" "$PROVISIONING_SCRIPT" ;;
  esac
  if [ "$?" = 0 ] && chmod +x "$script" && "$script"; then
    rm -f "$root/.provisioning_failed"; : >"$root/.provisioning_complete"; exit 0
  fi
  say "Provisioning failed (try $try of 3)"
  [ "$try" = 3 ] || pause 30
done
: >"$root/.provisioning_failed"
`;

/** Stands for the image's tmux, which would outlive a machine that is a directory: when it starts, and what it sets. */
export const TMUX = `if [ -z "$TMUX" ] && [ -n "$SSH_TTY" ] && [ ! -e ~/.no_auto_tmux ]; then
  printf '[tmux: ssh_tmux]\\n'
  TMUX="$FORGECTL_ROOT/tmp/tmux,ssh_tmux" exec bash -i
fi
`;

/** image: the stock guard comes before everything that a user would want (instance.md 4). */
export const BASHRC = `umask 002
case $- in *i*) ;; *) return;; esac
${TMUX}set -a; . "$FORGECTL_ROOT/etc/environment" 2>/dev/null; [ -f "\${WORKSPACE%/}/.env" ] && . "\${WORKSPACE%/}/.env"; set +a
. "$FORGECTL_ROOT/venv/main/bin/activate"
cd "\${WORKSPACE:-$FORGECTL_ROOT/workspace}" 2>/dev/null || true
PS1='(main) root@C.\${CONTAINER_ID}:\\w# '
`;
