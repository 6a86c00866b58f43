import { Facts, SAY_FACTS } from '../facts.js';
import { isBranchName, isCommit } from '../git-names.js';
import { FORGE_DIRECTORY } from '../layout.js';
import { SCRATCH } from '../scratch.js';
import { unreadable } from '../unreadable.js';
import { asideName } from './aside.js';

/** What git says of Forge and of its extensions: the commit, the edits, and the names of what it does not track. */
export interface CheckoutState {
  /** "" for Forge itself, else "extensions/NAME". */
  name: string;
  head: string;
  /** Hashes. */
  edits: string;
  untracked: string;
}

/**
 * In the workspace, or in the copy that waits beside it. The source is only read: `git diff` refreshes the index and
 * writes it, so it gets a copy of that.
 */
export function checkoutsScript(copyOf: string | null): string {
  const base = copyOf === null ? '$WORKSPACE' : `$WORKSPACE/${asideName(copyOf)}/new`;
  return `${SAY_FACTS}
export GIT_OPTIONAL_LOCKS=0 LC_ALL=C
${SCRATCH}
forge="${base}/${FORGE_DIRECTORY}"
hash() { sha256sum | cut -d' ' -f1; }
ask() { git -c safe.directory='*' -C "$place" "$@" 2>/dev/null; }
at=0
for place in "$forge" "$forge"/extensions/*; do
  [ -e "$place/.git" ] || continue
  head=$(ask rev-parse HEAD) || continue
  unset GIT_INDEX_FILE
  index=$(ask rev-parse --git-path index)
  case $index in /*) ;; *) index="$place/$index" ;; esac
  rm -f "$scratch/index"
  cp -p "$index" "$scratch/index" 2>/dev/null && export GIT_INDEX_FILE="$scratch/index"
  at=$((at + 1))
  put "repository.$at.name" "\${place#"$forge"}"
  put "repository.$at.head" "$head $(ask symbolic-ref -q HEAD)"
  put "repository.$at.edits" "$(ask diff --no-ext-diff --no-textconv --full-index --binary HEAD | hash)"
  put "repository.$at.untracked" "$(ask ls-files --others --exclude-standard -z | hash)"
done
true
`;
}

/** Throws (REMOTE_ANSWER_UNREADABLE) for what is no checkout. */
export function parseCheckouts(output: string): CheckoutState[] {
  const facts = new Facts(output);
  return facts.groups('repository').map((key) => {
    const text = (field: string): string => facts.text(`repository.${key}.${field}`) ?? '';
    const head = text('head').trim();
    const [sha = '', ref = 'refs/heads/none', ...more] = head.split(' ');
    if (!isCommit(sha) || !isBranchName(ref) || more.length > 0) throw unreadable('the commit of a checkout is none');
    const hash = (field: string): string => facts.hash(`repository.${key}.${field}`) ?? '';
    return { name: text('name').replace(/^\//u, ''), head, edits: hash('edits'), untracked: hash('untracked') };
  });
}

/** What differs, in words; a checkout that is not there counts. */
export function compareCheckouts(source: readonly CheckoutState[], copy: readonly CheckoutState[]): string[] {
  return source.flatMap(({ name, head, edits, untracked }) => {
    const other = copy.find((one) => one.name === name);
    const called = name === '' ? 'Forge' : name;
    if (other === undefined) return [`${called}: no checkout`];
    return [
      ...(other.head === head ? [] : [`${called}: at ${other.head || 'nothing'} instead of ${head}`]),
      ...(other.edits === edits ? [] : [`${called}: other local edits`]),
      ...(other.untracked === untracked ? [] : [`${called}: other untracked files`]),
    ];
  });
}
