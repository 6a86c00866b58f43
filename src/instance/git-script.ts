import { FORGE_DIRECTORY } from './layout.js';
import { SCRATCH } from './scratch.js';

/** Where a run keeps what the machine was like before: root's own, on the machine's disk. */
export const KEPT_PLACE = '$ROOT/var/lib/forgectl/upgrades';

/**
 * `ask ARGS` is git in the Forge tree, whoever owns it: a copied tree has another uid, and git then refuses
 * (instance.md 4). The user's own configuration still counts, hooks do not, and nothing is asked on a terminal.
 */
export const FORGE_GIT = `
forge="$WORKSPACE/${FORGE_DIRECTORY}"
limit() { if command -v timeout >/dev/null 2>&1; then timeout "$@"; else shift; "$@"; fi; }
${SCRATCH}
printf '[safe]\\n\\tdirectory = *\\n' >"$scratch/config"
[ -r "$HOME/.gitconfig" ] && printf '[include]\\n\\tpath = %s/.gitconfig\\n' "$HOME" >>"$scratch/config"
export GIT_CONFIG_GLOBAL="$scratch/config" GIT_TERMINAL_PROMPT=0 GIT_LITERAL_PATHSPECS=1 LC_ALL=C
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
in_tree() { local tree=$1; shift; git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.quotePath=false -c advice.detachedHead=false -C "$tree" "$@"; }
ask() { in_tree "$forge" "$@"; }
`;

/**
 * The edits that the image's own build makes to a checkout (image: Dockerfile): the version check of Neo is commented
 * out, and lines that ask for a version of torch are deleted. `build_edit PATH` is a filter that makes them;
 * `without_build_edits PATH` takes out whatever they may touch, so that two files can be compared beside them.
 */
export const BUILD_EDITS = `
is_requirements() { case $1 in requirements_versions.txt|requirements-versions.txt|requirements.txt) return 0 ;; esac; return 1; }
build_edit() {
  if [ "$1" = launch.py ]; then sed -E 's/^([[:space:]]*)(launch_utils\\.verify_version\\(\\))/\\1# \\2/'
  elif is_requirements "$1"; then sed -E '/^(torch|torchvision|torchaudio|torchcodec)[ <>=!]/d'
  else cat; fi
}
without_build_edits() {
  if [ "$1" = launch.py ]; then grep -v 'launch_utils\\.verify_version()' || true
  elif is_requirements "$1"; then grep -vE '^(torch|torchvision|torchaudio|torchcodec)([ <>=!]|$)' || true
  else cat; fi
}
`;

/**
 * `each_extension FUNCTION` calls it for every extension that is a repository, with its folder and number in $place and
 * $number; `say_extension` says what that checkout is. After FORGE_GIT and SAY_FACTS.
 */
export const EXTENSIONS = `
each_extension() {
  local place number=0
  for place in "$forge"/extensions/*/; do
    place=\${place%/}
    [ -e "$place/.git" ] || continue
    number=$((number + 1))
    "$1"
  done
}
say_extension() {
  put "extension.$number.name" "\${place##*/}"
  put "extension.$number.head" "$(in_tree "$place" rev-parse -q --verify HEAD 2>/dev/null)"
  put "extension.$number.branch" "$(in_tree "$place" symbolic-ref -q --short HEAD)"
  [ -z "$(in_tree "$place" status --porcelain --untracked-files=no 2>/dev/null)" ] || put "extension.$number.edited" 1
}
extension_tip() {
  in_tree "$place" rev-parse -q --verify '@{upstream}' 2>/dev/null || in_tree "$place" rev-parse -q --verify origin/HEAD 2>/dev/null
}
`;
