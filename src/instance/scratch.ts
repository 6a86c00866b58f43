/**
 * `sweep PATH...` removes what scripts that were killed have left: their names end in the process and six letters. A
 * number that lives again under another program keeps its own until later.
 */
export const SWEEP = `
sweep() {
  local old process
  for old in "$@"; do
    process=\${old%.*}
    process=\${process##*.}
    case $process in ''|*[!0-9]*) continue ;; esac
    kill -0 "$process" 2>/dev/null || rm -rf "$old"
  done
}
sweep "$ROOT/tmp"/.forgectl-scratch.*
`;

/** `$scratch`: a directory for the time of the script. */
export const SCRATCH = `${SWEEP}
scratch=$(mktemp -d "$ROOT/tmp/.forgectl-scratch.$BASHPID.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
`;
