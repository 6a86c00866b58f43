import { checkSha, TRY_EDITS } from './checkout-change.js';
import { SAY_FACTS } from './facts.js';
import { BUILD_EDITS, FORGE_GIT, KEPT_PLACE } from './git-script.js';
import { quote } from './remote-command.js';
import { unreadable } from './unreadable.js';

/** Each of these looks before it acts, so that running it twice is harmless. */

/** The commit, the branch, the remote, and every edited file as it is now: all that a way back needs. */
export function recordScript(run: string): string {
  return `${FORGE_GIT}${keptFor(run)}
[ -e "$kept/recorded" ] && exit 0
umask 077
mkdir -p "$kept" || exit 1
ask rev-parse HEAD >"$kept/head" || exit 1
ask symbolic-ref -q HEAD >"$kept/branch" || : >"$kept/branch"
own=$(ask remote | head -n 1)
printf '%s' "\${own:-origin}" >"$kept/remote-name"
ask remote get-url "\${own:-origin}" >"$kept/remote-url" 2>/dev/null
ask diff --no-renames --binary HEAD >"$kept/edits.patch" || exit 1
ask diff --no-renames --name-only --diff-filter=d -z HEAD >"$kept/edited" || exit 1
ask diff --no-renames --name-only --diff-filter=D -z HEAD >"$kept/deleted" || exit 1
ask ls-files --others --exclude-standard -z >"$kept/untracked" || exit 1
tar -C "$forge" --null -T "$kept/edited" -cf "$kept/edited.tar" || exit 1
ask update-ref "refs/forgectl/before/${run}" HEAD || exit 1
sync "$kept"/* 2>/dev/null
: >"$kept/recorded"
`;
}

/** Exit 3: an edit of the user's does not fit the new commit any more. Exit 4: an untracked file would be overwritten. */
export function checkOutScript(
  run: string,
  to: { sha: string; backTo: string | null; remoteUrl: string | null; remoteOfRun?: string | null },
): string {
  const target = checkSha(to.sha);
  return `${FORGE_GIT}${BUILD_EDITS}${SAY_FACTS}${keptFor(run)}
umask 022
target=${target}
back_to=${to.backTo === null ? '' : quote([to.backTo])}
if [ ! -e "$kept/merged-done" ]; then
  [ "$(ask rev-parse HEAD)" = "$(cat "$kept/head")" ] || exit 1
  ${TRY_EDITS.trim().replaceAll('\n', '\n  ')}
  rm -rf "$kept/merged"
  cp -pR "$scratch/merged" "$kept/merged" || exit 1
  [ -n "$(grep -lx conflict "$scratch"/outcome.* 2>/dev/null)" ] && exit 3
  ask diff --no-renames --diff-filter=A --name-only -z HEAD $target | while IFS= read -r -d '' path; do
    [ -e "$forge/$path" ] || [ -L "$forge/$path" ] || continue
    ask ls-files --error-unmatch -- "$path" >/dev/null 2>&1 && continue
    ask show "$target:$path" | cmp -s - "$forge/$path" || { echo "$path" >"$scratch/collision"; break; }
  done
  [ -e "$scratch/collision" ] && exit 4
  : >"$kept/merged-done"
fi
[ -e "$kept/applied" ] && exit 0
${setRemote(to)}
${DROP_DEAD_LOCK}
${CHECK_OUT}
check_out "$target" || exit 1
(cd "$kept/merged" && find . \\( -type f -o -type l \\) -print0) | while IFS= read -r -d '' path; do
  mkdir -p "$(dirname "$forge/$path")" && cp -pPf "$kept/merged/$path" "$forge/$path" || exit 1
done || exit 1
while IFS= read -r -d '' path; do rm -f "$forge/$path"; done <"$kept/deleted"
: >"$kept/applied"
`;
}

/** The address from an earlier run's record is read there: it may hold a password, which only this machine has. */
function setRemote({
  remoteUrl,
  remoteOfRun = null,
}: {
  remoteUrl: string | null;
  remoteOfRun?: string | null;
}): string {
  if (remoteUrl === null) return '';
  if (remoteOfRun === null) return `ask remote set-url "$(cat "$kept/remote-name")" ${quote([remoteUrl])} || exit 1`;
  const place = `"${KEPT_PLACE}/${checkRun(remoteOfRun)}/remote-url"`;
  return `[ -s ${place} ] && ask remote set-url "$(cat "$kept/remote-name")" "$(cat ${place})" || exit 1`;
}

/**
 * Left by a checkout that was killed: the machine is locked for others of ours, and a git that a user runs in this tree works
 * in its directory. One that works elsewhere is no reason to leave the lock.
 */
const DROP_DEAD_LOCK = `git_works_here() {
  local one name top; top=$(cd "$forge" && pwd -P)
  [ -d "/proc/$$" ] || { pgrep -x git >/dev/null; return; }
  for one in /proc/[0-9]*; do
    { read -r name <"$one/comm"; } 2>/dev/null && [ "$name" = git ] || continue
    case "$(readlink "$one/cwd" 2>/dev/null)/" in "$top"/*) return 0 ;; esac
  done
  return 1
}
lock="$(ask rev-parse --absolute-git-dir)/index.lock"
[ -e "$lock" ] && ! git_works_here && rm -f "$lock"`;

/**
 * A branch that only moves on stays checked out, and one that was checked out before comes back; anything else is a detached
 * commit, as the image leaves it.
 */
const CHECK_OUT = `
check_out() {
  local branch; branch=$(cat "$kept/branch"); branch=\${branch#refs/heads/}
  if [ -n "$branch" ] && ask merge-base --is-ancestor "$(cat "$kept/head")" "$1"; then
    ask checkout -q -f -B "$branch" "$1"
  elif [ -n "$back_to" ] && { [ "$back_to" = "$branch" ] || [ "$(ask rev-parse -q --verify "refs/heads/$back_to")" = "$1" ]; }; then
    ask checkout -q -f -B "$back_to" "$1"
  else
    ask checkout -q -f --detach "$1"
  fi
}`;

/** The tree as it was recorded, byte for byte: commit, branch, remote, edits. */
export function putBackScript(run: string): string {
  return `${keptFor(run)}${DROP_BALLAST}${FORGE_GIT}
[ -e "$kept/recorded" ] || exit 0
umask 022
rm -f "$kept/applied" "$kept/merged-done"
head=$(cat "$kept/head"); branch=$(cat "$kept/branch")
if [ -s "$kept/remote-url" ]; then
  ask remote set-url "$(cat "$kept/remote-name")" "$(cat "$kept/remote-url")" || exit 1
fi
${DROP_DEAD_LOCK}
if [ -n "$branch" ]; then ask checkout -q -f -B "\${branch#refs/heads/}" "$head" || exit 1
else ask checkout -q -f --detach "$head" || exit 1; fi
tar -C "$forge" -xpf "$kept/edited.tar" || exit 1
while IFS= read -r -d '' path; do rm -f "$forge/$path"; done <"$kept/deleted"
[ "$(ask rev-parse HEAD)" = "$head" ]
`;
}

/** Prints the commit that is checked out. */
export function headScript(): string {
  return `${FORGE_GIT}ask rev-parse HEAD`;
}

/** Room that the record has taken, for a way back on a disk that is full by then. */
export const DROP_BALLAST = 'rm -f "$kept/ballast"\n';

/** Records of older runs of the kind, with the files for their way back, are dropped. */
const KEEP_RECORDS = 5;

/** At the end of a run, whatever the end. */
export function tidyRecordsScript(run: string): string {
  return `${keptFor(run)}${DROP_BALLAST}ls -1dt "${KEPT_PLACE}"/${run.split('-')[0]}-*/ 2>/dev/null | tail -n +${KEEP_RECORDS + 1} | while IFS= read -r old; do rm -rf "$old"; done
true
`;
}

/** Python's own caches of the other commit would be newer than the files they stand for. */
export function dropBytecodeScript(): string {
  return `${FORGE_GIT}
find "$forge" -name __pycache__ -type d -not -path '*/venv/*' -prune -exec rm -rf {} + 2>/dev/null
true
`;
}

export function keptFor(run: string): string {
  return `kept="${KEPT_PLACE}/${checkRun(run)}"\n`;
}

function checkRun(run: string): string {
  if (!/^[a-z]+-[0-9a-f]{8}$/u.test(run)) throw unreadable('what it named as a run is none');
  return run;
}
