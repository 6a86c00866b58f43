/**
 * The variables that services see (base-image: utils/environment.sh), loaded so that no broken line can run anything or
 * end the script: the image writes NAME="value" without escaping, so the file is read as data (instance.md 3). The user's
 * .env is shell, and is run as the services do, but apart: only what it set comes back.
 */
export const LOAD_ENVIRONMENT = `
forgectl_set() {
  [[ $1 =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || return 0
  case $1 in
    ROOT|FORGECTL_ROOT|forgectl_*|_|BASH*|SHELLOPTS|POSIXLY_CORRECT|IFS|PS4|PROMPT_COMMAND|TMOUT|UID|EUID|PPID) return 0 ;;
    GROUPS|FUNCNAME|DIRSTACK|PIPESTATUS|SHLVL|PWD|OLDPWD) return 0 ;;
  esac
  export "$1=$2" 2>/dev/null
}
forgectl_keep() {
  [ -n "$forgectl_name" ] || return 0
  case $forgectl_value in
    '"'*'"') forgectl_value=\${forgectl_value#?}; forgectl_value=\${forgectl_value%?} ;;
    '"'*) forgectl_value=\${forgectl_first#?} ;;
  esac
  forgectl_set "$forgectl_name" "$forgectl_value"
  forgectl_name=
}
forgectl_load() {
  local forgectl_name= forgectl_value= forgectl_first= forgectl_line=
  while IFS= read -r forgectl_line || [ -n "$forgectl_line" ]; do
    if [[ $forgectl_line =~ ^[A-Za-z_][A-Za-z0-9_]*= ]]; then
      forgectl_keep
      forgectl_name=\${forgectl_line%%=*}
      forgectl_value=\${forgectl_line#*=}
      forgectl_first=$forgectl_value
    else
      case $forgectl_value in
        '"'?*'"') ;;
        '"'*) forgectl_value=$forgectl_value$'\\n'$forgectl_line ;;
      esac
    fi
  done <"$1"
  forgectl_keep
}
forgectl_source() {
  local forgectl_pair
  while IFS= read -r -d '' forgectl_pair; do
    forgectl_set "\${forgectl_pair%%=*}" "\${forgectl_pair#*=}"
  done < <(
    exec 3>&1 >/dev/null 2>&1 </dev/null
    trap '/usr/bin/env -0 >&3' EXIT
    set -a
    . "$1"
  )
}
[ -r "$ROOT/etc/environment" ] && forgectl_load "$ROOT/etc/environment"
WORKSPACE=\${WORKSPACE:-$ROOT/workspace}
[ -r "\${WORKSPACE%/}/.env" ] && forgectl_source "\${WORKSPACE%/}/.env"
WORKSPACE=\${WORKSPACE%/}
export WORKSPACE
`;

export const EXTEND_PATH =
  'export PATH="$ROOT/opt/instance-tools/bin:$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"';

/** Activating prints a coloured line on stdout (base-image: activate hook). */
export const ACTIVATE_PYTHON = `
[ -r "$ROOT/venv/main/bin/activate" ] && . "$ROOT/venv/main/bin/activate" >/dev/null 2>&1 </dev/null
`;

/**
 * node as the image's own shell has it: nvm's default version, found without nvm.sh, which costs a second and prints. An
 * alias may lead to another: default -> lts/* -> lts/jod -> v22.11.0.
 */
export const ACTIVATE_NODE = `
forgectl_node() {
  local nvm="$ROOT/opt/nvm" name=default hop bin
  local -a found=()
  for hop in 1 2 3 4 5; do
    [ -f "$nvm/alias/$name" ] && [ -r "$nvm/alias/$name" ] || break
    IFS= read -r name <"$nvm/alias/$name"
  done
  for bin in "$nvm/versions/node/v\${name#v}/bin" "$nvm/versions/node/v\${name#v}."*/bin; do
    [ -x "$bin/node" ] && found+=("$bin")
  done
  [ "\${#found[@]}" -gt 0 ] || for bin in "$nvm"/versions/node/v*/bin; do
    [ -x "$bin/node" ] && found+=("$bin")
  done
  case \${#found[@]} in
    0) return 0 ;;
    1) bin=\${found[0]} ;;
    *) bin=$(printf '%s\\n' "\${found[@]}" | sort -V | tail -n 1) ;;
  esac
  export NVM_DIR=$nvm PATH="$bin:$PATH"
}
forgectl_node </dev/null
`;
