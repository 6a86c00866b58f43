import { FORGE_DIRECTORY } from '../layout.js';
import { unreadable } from '../unreadable.js';

/**
 * The copy grows in a directory of its own in the workspace, `new`; what it takes the place of waits beside it, `old`.
 * Both are on the workspace's own file system, so that a rename is all it takes, there and back. Every script here may be
 * cut off anywhere and run again.
 */
export const ASIDE_PREFIX = '.forgectl-migrate-';

export function asideName(run: string): string {
  if (!/^migrate-[a-z0-9]+$/u.test(run)) throw unreadable('what it named as a migration is none');
  return `.forgectl-${run}`;
}

const head = (run: string): string => `export LC_ALL=C
umask 077
stage="$WORKSPACE/${asideName(run)}"
exists() { [ -e "$1" ] || [ -L "$1" ]; }
`;

/** Exit 1 when nothing can be written there. */
export function makeAsideScript(run: string): string {
  return `${head(run)}mkdir -p "$stage/new" "$stage/old"`;
}

/**
 * What only the destination has stays: its files get a second name in the copy. Not in Forge's own tree, which is replaced
 * as a whole, and not where a file of the source has the name. No file of the destination is read, written or moved.
 */
export function keepOthersScript(run: string): string {
  return `${head(run)}cd "$stage/new" || exit 1
while IFS= read -r -d '' name <&3; do
  [ "$name" = '${FORGE_DIRECTORY}' ] && continue
  [ -d "$WORKSPACE/$name" ] && [ ! -L "$WORKSPACE/$name" ] || continue
  cp -a -l -n -T -- "$WORKSPACE/$name" "./$name"
done 3< <(find . -mindepth 1 -maxdepth 1 -type d -printf '%f\\0')
true
`;
}

/** The copy takes its place. The list of its names is written first: by it the way back knows what was moved. */
export function switchScript(run: string): string {
  return `${head(run)}cd "$WORKSPACE" || exit 1
if [ ! -e "$stage/names" ]; then
  [ -d "$stage/new" ] || exit 1
  find "$stage/new" -mindepth 1 -maxdepth 1 -printf '%f\\0' >"$stage/names.draft" || exit 1
  sync "$stage/names.draft" 2>/dev/null
  mv -T "$stage/names.draft" "$stage/names" || exit 1
fi
while IFS= read -r -d '' name <&3; do
  exists "$stage/new/$name" || continue
  if exists "./$name"; then
    place="$stage/old/$name"
    # Made again by something else between two tries.
    if exists "$place"; then mkdir -p "$stage/late" && rm -rf "$stage/late/$name" && place="$stage/late/$name"; fi
    mv -T -- "./$name" "$place" || exit 1
  fi
  mv -T -- "$stage/new/$name" "./$name" || exit 1
done 3<"$stage/names"
sync "$stage" 2>/dev/null
true
`;
}

/** Everything as it was before the switch; also when that had only begun, or not even that. */
export function switchBackScript(run: string): string {
  return `${head(run)}cd "$WORKSPACE" || exit 1
[ -e "$stage/names" ] || exit 0
mkdir -p "$stage/new" || exit 1
while IFS= read -r -d '' name <&3; do
  if ! exists "$stage/new/$name" && exists "./$name"; then mv -T -- "./$name" "$stage/new/$name" || exit 1; fi
  exists "$stage/old/$name" || continue
  if exists "./$name"; then mkdir -p "$stage/late" && rm -rf "$stage/late/$name" && mv -T -- "./$name" "$stage/late/$name" || exit 1; fi
  mv -T -- "$stage/old/$name" "./$name" || exit 1
done 3<"$stage/names"
rm -f "$stage/names"
`;
}

/** The copy goes away, when nothing of the destination's own is in there any more (else exit 4). */
export function removeCopyScript(run: string): string {
  return `${head(run)}[ -d "$stage" ] || exit 0
[ -z "$(ls -A "$stage/old" 2>/dev/null)" ] || { echo "the tree from before still lies in $stage/old" >&2; exit 4; }
rm -rf "$stage"
`;
}

/** The end: what was moved aside is not needed any more. */
export function dropOldScript(run: string): string {
  return `${head(run)}rm -rf "$stage"`;
}
