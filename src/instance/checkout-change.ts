import { Facts, isIsoTime, SAY_FACTS } from './facts.js';
import { progressScript, readProgress } from './forge-progress.js';
import { isCommit } from './git-names.js';
import { BUILD_EDITS, EXTENSIONS, FORGE_GIT } from './git-script.js';
import { FETCH } from './http-script.js';
import { FORGE_INTERNAL_PORT, REMOTE } from './layout.js';
import { unreadable } from './unreadable.js';

/** A tracked file that differs from its commit. */
export interface LocalEdit {
  path: string;
  /** image: only what the image's build has changed. */
  by: 'image' | 'user';
  /** What becomes of it in the new commit. */
  outcome: 'applies' | 'conflict';
  /** Unified, at most 16 KB. */
  diff: string;
}

export interface ExtensionFacts {
  name: string;
  head: string;
  branch: string | null;
  /** Commits of its own remote that it does not have; null when that could not be found out. */
  pending: number | null;
  dirty: boolean;
}

/** What going from the checkout's commit to another would mean. */
export interface ChangeFacts {
  subject: string;
  date: string;
  /** Newest first, at most 200. */
  commits: { sha: string; date: string; subject: string }[];
  commitCount: number;
  /** Commits that the checkout has and the other one has not: a step back, or sideways. */
  lostCount: number;
  /** The requirements file that counts in each commit; null when there is none. */
  requirements: { before: { file: string; text: string } | null; after: { file: string; text: string } | null };
  edits: LocalEdit[];
  /** Files that git does not track and that the new commit would overwrite. */
  collisions: string[];
  extensions: ExtensionFacts[];
  hasSubmodules: boolean;
  needsLfs: boolean;
  hasLfs: boolean;
  freeBytes: number | null;
  /** Null when Forge does not say (it does with --api). */
  isGenerating: boolean | null;
  forgeRuns: boolean;
  /** The installer that is there. */
  installer: 'uv' | 'pip' | null;
}

const EXTENSION_FETCH_S = 20;

/** Looks, and tries the merges in a scratch folder; changes nothing in the tree. */
export function changeScript(target: string, withExtensions: boolean): string {
  return `${FORGE_GIT}${BUILD_EDITS}${FETCH}${SAY_FACTS}
target=${checkSha(target)}
put subject "$(ask log -1 --format=%s $target)"
put date "$(ask log -1 --format=%cI $target)"
ask log -n 200 --format='%H%x09%cI%x09%s' HEAD..$target | emit commits
put commit_count "$(ask rev-list --count HEAD..$target)"
put lost_count "$(ask rev-list --count $target..HEAD)"
for side in before after; do
  commit=HEAD; [ $side = after ] && commit=$target
  for file in requirements_versions.txt requirements-versions.txt requirements.txt; do
    ask cat-file -e "$commit:$file" 2>/dev/null || continue
    put "requirements_$side" "$file"; ask show "$commit:$file" | emit "requirements_text_$side"; break
  done
done
${TRY_EDITS}
ask diff --no-renames --diff-filter=A --name-only -z HEAD $target | while IFS= read -r -d '' path; do
  [ -e "$forge/$path" ] || [ -L "$forge/$path" ] || continue
  ask ls-files --error-unmatch -- "$path" >/dev/null 2>&1 && continue
  ask show "$target:$path" 2>/dev/null | cmp -s - "$forge/$path" || printf '%s\\n' "$path"
done | emit collisions
ask cat-file -e $target:.gitmodules 2>/dev/null && put submodules 1
ask show $target:.gitattributes 2>/dev/null | grep -q 'filter=lfs' && put needs_lfs 1
git lfs version >/dev/null 2>&1 && put has_lfs 1
${withExtensions ? LOOK_AT_EXTENSIONS : ''}
put free "$(df -Pk "$forge" | awk 'END { print $(NF-2) }')"
page="$scratch/page"
[ "$(fetch 'http://127.0.0.1:${FORGE_INTERNAL_PORT}/' "$page")" = 200 ] && put forge_runs 1
${progressScript()}
command -v uv >/dev/null 2>&1 && put uv 1
limit 20 "${REMOTE.python}" -m pip --version >/dev/null 2>&1 && put pip 1
true
`;
}

/**
 * Each edited file is merged with its new version: old commit and new commit with the build's edits, and the file as it
 * is. What comes out lies in $scratch/merged, for the step that applies it.
 */
export const TRY_EDITS = `
mkdir -p "$scratch/merged"
number=0
ask diff --no-renames --name-only -z HEAD >"$scratch/edited"
while IFS= read -r -d '' path; do
  number=$((number + 1))
  printf '%s' "$path" | emit "edit.$number.path"
  ask diff --no-renames --no-ext-diff HEAD -- "$path" | head -c 16384 | emit "edit.$number.diff"
  old="$scratch/old"; new="$scratch/new"; mine="$forge/$path"; merged="$scratch/merged/$path"
  rm -f "$old" "$new"
  ask show "HEAD:$path" >"$old.raw" 2>/dev/null && build_edit "$path" <"$old.raw" >"$old"
  ask show "$target:$path" >"$new.raw" 2>/dev/null && build_edit "$path" <"$new.raw" >"$new"
  by=user outcome=applies
  mkdir -p "$(dirname "$merged")"
  if [ ! -e "$mine" ] && [ ! -L "$mine" ]; then
    # Deleted here: deleted again when the new commit has not changed it.
    cmp -s "$old.raw" "$new.raw" || [ ! -e "$new" ] || outcome=conflict
  elif [ -f "$old" ] && [ ! -L "$mine" ] && cmp -s <(without_build_edits "$path" <"$old.raw") <(without_build_edits "$path" <"$mine"); then
    by=image
    [ -e "$new" ] && cp "$new" "$merged"
  elif [ ! -e "$old" ]; then
    # Added here and not in the old commit.
    if [ ! -e "$new" ] || cmp -s "$new" "$mine"; then cp -P "$mine" "$merged"; else outcome=conflict; fi
  elif [ -L "$mine" ] || [ ! -e "$new" ]; then
    outcome=conflict
  elif cmp -s "$old.raw" "$new.raw"; then
    cp "$mine" "$merged"
  else
    git merge-file -p -q "$mine" "$old" "$new" >"$merged" 2>/dev/null || { outcome=conflict; rm -f "$merged"; }
  fi
  if [ -f "$merged" ] && [ ! -L "$merged" ] && [ -f "$mine" ]; then
    mv "$merged" "$scratch/text"; cp -p "$mine" "$merged"; cat "$scratch/text" >"$merged"
  fi
  put "edit.$number.by" $by
  put "edit.$number.outcome" $outcome
  printf '%s\\n' $outcome >"$scratch/outcome.$number"
done <"$scratch/edited"
`;

const LOOK_AT_EXTENSIONS = `${EXTENSIONS}
fetch_pending() {
  limit ${EXTENSION_FETCH_S} git -c core.hooksPath=/dev/null -C "$place" fetch -q 2>/dev/null || return
  local tip
  tip=$(extension_tip) && in_tree "$place" rev-list --count "HEAD..$tip" >"$scratch/pending.$number"
}
look_at_extension() { say_extension; fetch_pending & }
each_extension look_at_extension
wait
for file in "$scratch"/pending.*; do [ -s "$file" ] && put "extension.\${file##*.}.pending" "$(cat "$file")"; done
`;

export function parseChange(text: string): ChangeFacts {
  const facts = new Facts(text);
  const file = (side: string) => {
    const name = facts.text(`requirements_${side}`);
    return name === null ? null : { file: name, text: facts.raw(`requirements_text_${side}`) ?? '' };
  };
  return {
    subject: facts.text('subject') ?? '',
    date: facts.time('date') ?? '',
    commits: facts.lines('commits').map(commitOf),
    commitCount: facts.number('commit_count') ?? 0,
    lostCount: facts.number('lost_count') ?? 0,
    requirements: { before: file('before'), after: file('after') },
    edits: facts.groups('edit').map((number) => ({
      path: facts.raw(`edit.${number}.path`) ?? '',
      by: facts.text(`edit.${number}.by`) === 'image' ? 'image' : 'user',
      outcome: facts.text(`edit.${number}.outcome`) === 'applies' ? 'applies' : 'conflict',
      diff: facts.raw(`edit.${number}.diff`) ?? '',
    })),
    collisions: facts.lines('collisions'),
    extensions: facts.groups('extension').map((number) => ({
      name: facts.fileName(`extension.${number}.name`),
      head: facts.commit(`extension.${number}.head`) ?? '',
      branch: facts.branch(`extension.${number}.branch`),
      pending: facts.number(`extension.${number}.pending`),
      dirty: facts.has(`extension.${number}.edited`),
    })),
    hasSubmodules: facts.has('submodules'),
    needsLfs: facts.has('needs_lfs'),
    hasLfs: facts.has('has_lfs'),
    freeBytes: kilobytes(facts.number('free')),
    isGenerating: readProgress(facts.raw('progress')),
    forgeRuns: facts.has('forge_runs'),
    installer: facts.has('uv') ? 'uv' : facts.has('pip') ? 'pip' : null,
  };
}

function commitOf(line: string): ChangeFacts['commits'][number] {
  const [sha = '', date = '', ...subject] = line.split('\t');
  if (!isCommit(sha) || (date !== '' && !isIsoTime(date))) throw unreadable('its list of commits is none');
  return { sha, date, subject: subject.join('\t') };
}

/** Only what git itself gives as a name of a commit. Throws (REMOTE_ANSWER_UNREADABLE) for anything else. */
export function checkSha(sha: string): string {
  if (!isCommit(sha)) throw unreadable('what it named as a commit is none');
  return sha;
}

/** So that the bytes are a number that counts exactly. */
const MOST_KILOBYTES = Number.MAX_SAFE_INTEGER / 1024;

function kilobytes(number: number | null): number | null {
  return number === null || number > MOST_KILOBYTES ? null : number * 1024;
}
