import { checkSha } from './checkout-change.js';
import { Facts, SAY_FACTS } from './facts.js';
import { EXTENSIONS, FORGE_GIT } from './git-script.js';
import { quote } from './remote-command.js';

/** One extension's repository, and what it would become. */
export interface ExtensionChange {
  name: string;
  from: string;
  /** Null when the remote could not be read, or the checkout follows nothing. */
  to: string | null;
  branch: string | null;
  /** Newest first, at most 20 of `count`. */
  subjects: string[];
  count: number;
  /** Commits of the user's own, that the remote does not have. */
  ownCount: number;
  isEdited: boolean;
}

const FETCH_LIMIT_S = 60;

/** Fetches each extension's own remote and says what is there. Changes nothing that Forge sees. */
export function extensionsScript(): string {
  return `${FORGE_GIT}${SAY_FACTS}${EXTENSIONS}
fetch_extension() {
  limit ${FETCH_LIMIT_S} git -c core.hooksPath=/dev/null -C "$place" fetch -q 2>/dev/null && : >"$scratch/fetched.$number"
}
start_fetch() { fetch_extension & }
each_extension start_fetch
wait
say_change() {
  local tip
  say_extension
  [ -e "$scratch/fetched.$number" ] || return
  tip=$(extension_tip) || return
  put "extension.$number.to" "$tip"
  put "extension.$number.count" "$(in_tree "$place" rev-list --count "HEAD..$tip")"
  put "extension.$number.own" "$(in_tree "$place" rev-list --count "$tip..HEAD")"
  in_tree "$place" log -n 20 --format=%s "HEAD..$tip" | emit "extension.$number.subjects"
}
each_extension say_change
true
`;
}

export function parseExtensions(text: string): ExtensionChange[] {
  const facts = new Facts(text);
  return facts.groups('extension').flatMap((number) => {
    const from = facts.commit(`extension.${number}.head`);
    return from === null
      ? []
      : [
          {
            name: facts.fileName(`extension.${number}.name`),
            from,
            to: facts.commit(`extension.${number}.to`),
            branch: facts.branch(`extension.${number}.branch`),
            subjects: facts.lines(`extension.${number}.subjects`),
            count: facts.number(`extension.${number}.count`) ?? 0,
            ownCount: facts.number(`extension.${number}.own`) ?? 0,
            isEdited: facts.has(`extension.${number}.edited`),
          },
        ];
  });
}

interface Move {
  name: string;
  branch: string | null;
  from: string;
  to: string;
}

/**
 * Moves each to a commit: its branch with it, or detached as it was. "on" leaves alone what was edited or committed since it
 * was looked at (exit 1); from then on the run's mark in the repository says that what differs there is the run's own. "back" takes back
 * what has a mark, half a checkout too: git writes the commit last. Both harmless twice.
 */
export function moveExtensionsScript(
  moves: readonly Move[],
  { run, way }: { run: string; way: 'on' | 'back' },
): string {
  const lines = moves.map(({ name, branch, from, to }) => {
    const target = checkSha(way === 'on' ? to : from);
    const how = branch === null ? ['--detach', target] : ['-B', branch, target];
    return `move_${way} "$forge"/extensions/${quote([name])} ${checkSha(from)} ${target} ${quote(how)} || exit 1`;
  });
  return `${FORGE_GIT}${markOf(run)}
umask 022
# The lease has ended whatever of the run was still at work.
by_force() {
  rm -f "$files/index.lock"
  in_tree "$@"
}
move_on() {
  find_mark "$1" || return 1
  local place=$1 from=$2 target=$3 head; shift 3
  if [ -n "$marked" ]; then by_force "$place" checkout -q -f "$@"; return; fi
  head=$(in_tree "$place" rev-parse HEAD)
  [ "$head" = "$target" ] && return 0
  if [ "$head" != "$from" ] || [ -n "$(in_tree "$place" status --porcelain --untracked-files=no)" ]; then
    echo "\${place##*/} was changed meanwhile" >&2
    return 1
  fi
  [ ! -e "$files/index.lock" ] || { echo "\${place##*/} is locked: $files/index.lock" >&2; return 1; }
  printf '%s' "$run" >"$mark" && in_tree "$place" checkout -q "$@"
}
move_back() {
  find_mark "$1" || return 1
  local place=$1; shift 3
  [ -z "$marked" ] || { by_force "$place" checkout -q -f "$@" && rm -f "$mark"; }
}
${lines.join('\n')}
true
`;
}

/** At the end of a run that went well: what differs from then on is the user's. */
export function forgetExtensionMovesScript(names: readonly string[], run: string): string {
  const lines = names.map(
    (name) => `find_mark "$forge"/extensions/${quote([name])} && [ -n "$marked" ] && rm -f "$mark"`,
  );
  return `${FORGE_GIT}${markOf(run)}
${lines.join('\n')}
true
`;
}

/** The mark of another run is none. */
function markOf(run: string): string {
  return `run=${quote([run])}
find_mark() {
  files=$(in_tree "$1" rev-parse --absolute-git-dir) || return 1
  mark="$files/forgectl-moved"; marked=
  [ "$(cat "$mark" 2>/dev/null)" != "$run" ] || marked=1
}`;
}
