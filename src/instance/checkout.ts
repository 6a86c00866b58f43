import { redactAddress } from '../secrets/redact.js';
import { keptFor } from './checkout-steps.js';
import { Facts, SAY_FACTS } from './facts.js';
import { isBranchName, isCommit } from './git-names.js';
import type { RemoteRefs } from './git-ref.js';
import { FORGE_GIT } from './git-script.js';
import { quote } from './remote-command.js';
import { unreadable } from './unreadable.js';

/** The checkout as it stands, and what its remote has. */
export interface CheckoutFacts {
  head: string;
  subject: string;
  /** ISO time of the commit. */
  date: string;
  /** Null when it is detached, as the image leaves it. */
  branch: string | null;
  /** Without what may be a key in it: that stays in the checkout's own configuration. */
  remoteUrl: string | null;
  refs: RemoteRefs;
  /** Why nothing can be done here at the moment: a merge, another git. Null when nothing is in the way. */
  busy: string | null;
}

export interface FetchWishes {
  ref: string | null;
  pull: number | null;
  /** Another remote than the checkout's own. */
  remoteUrl: string | null;
  /** The run whose record has the address of that remote: it holds what may be kept on the machine only. */
  remoteOfRun?: string | null;
}

/**
 * Fetches into names of our own, so that neither the user's branches nor their tags move, and says what is there.
 * Exit 3: there is no Forge checkout. Exit 4: the remote could not be read (its words are on stderr). Exit 5: the record
 * that has its address is gone.
 */
export function checkoutScript({ ref, pull, remoteUrl, remoteOfRun = null }: FetchWishes): string {
  return `${FORGE_GIT}${SAY_FACTS}
ask rev-parse --git-dir >/dev/null 2>&1 || exit 3
put head "$(ask rev-parse HEAD)"
put subject "$(ask log -1 --format=%s)"
put date "$(ask log -1 --format=%cI)"
put branch "$(ask symbolic-ref -q --short HEAD)"
own=$(ask remote | head -n 1)
remote=\${own:-origin}
put remote_url "$(ask remote get-url "$remote" 2>/dev/null)"
${anotherRemote(remoteUrl, remoteOfRun)}
git_dir=$(ask rev-parse --absolute-git-dir)
for mark in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD BISECT_LOG rebase-merge rebase-apply index.lock; do
  [ -e "$git_dir/$mark" ] && { put busy "$mark"; break; }
done
limit 600 git -c core.hooksPath=/dev/null -C "$forge" fetch -q --force --prune --no-tags "$remote" '+refs/heads/*:refs/forgectl/heads/*' '+refs/tags/*:refs/forgectl/tags/*' || exit 4
put default_branch "$(limit 60 git -C "$forge" ls-remote --symref "$remote" HEAD 2>/dev/null | sed -n 's/^ref: refs\\/heads\\/\\(.*\\)\\tHEAD$/\\1/p')"
ask for-each-ref --format='%(objectname) %(refname:lstrip=3)' refs/forgectl/heads | emit heads
ask for-each-ref --format='%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname:lstrip=3)' refs/forgectl/tags | emit tags
ask for-each-ref --count=60 --sort=-committerdate --format='%(refname)' refs/forgectl/heads | while IFS= read -r name; do
  printf '%s %s\\n' "$(ask rev-list --count "$name..HEAD")" "\${name#refs/forgectl/heads/}"
done | emit missing
${
  pull === null
    ? ''
    : `limit 120 git -c core.hooksPath=/dev/null -C "$forge" fetch -q --force --no-tags "$remote" '+refs/pull/${pull}/head:refs/forgectl/pull/${pull}' 2>/dev/null &&
  put pull "$(ask rev-parse 'refs/forgectl/pull/${pull}^{commit}')"`
}
${ref === null || !/^[0-9a-f]{4,40}$/iu.test(ref) ? '' : shaScript(ref.toLowerCase())}
true
`;
}

function anotherRemote(remoteUrl: string | null, remoteOfRun: string | null): string {
  if (remoteOfRun !== null)
    return `${keptFor(remoteOfRun)}remote=$(cat "$kept/remote-url" 2>/dev/null)\n[ -n "$remote" ] || exit 5`;
  return remoteUrl === null ? '' : `remote=${quote([remoteUrl])}`;
}

/** A commit that no branch has may still be had by its full name. */
function shaScript(sha: string): string {
  return `found=$(ask rev-parse -q --verify '${sha}^{commit}' 2>/dev/null)
if [ -z "$found" ] && [ ${sha.length} = 40 ]; then
  limit 120 git -c core.hooksPath=/dev/null -C "$forge" fetch -q --no-tags "$remote" ${sha} 2>/dev/null && found=${sha}
fi
put sha "$found"`;
}

/** Throws (REMOTE_ANSWER_UNREADABLE) for names of commits and branches that are none. */
export function parseCheckout(text: string): CheckoutFacts | null {
  const facts = new Facts(text);
  const head = facts.commit('head');
  if (head === null) return null;
  const remoteUrl = facts.text('remote_url');
  return {
    head,
    subject: facts.text('subject') ?? '',
    date: facts.time('date') ?? '',
    branch: facts.branch('branch'),
    remoteUrl: remoteUrl === null ? null : redactAddress(remoteUrl),
    busy: facts.text('busy'),
    refs: {
      heads: commitsByName(facts.lines('heads')),
      tags: commitsByName(facts.lines('tags')),
      defaultBranch: facts.branch('default_branch'),
      missing: new Map([...pairs(facts.lines('missing'))].flatMap(([name, count]) => countOf(name, count))),
      sha: facts.commit('sha'),
      pull: facts.commit('pull'),
    },
  };
}

function commitsByName(lines: readonly string[]): Map<string, string> {
  const found = pairs(lines);
  for (const [name, sha] of found)
    if (!isCommit(sha) || !isBranchName(name)) throw unreadable('its list of branches and tags is none');
  return found;
}

/** A branch that git could not count for is not told of. */
function countOf(name: string, count: string): [string, number][] {
  return /^\d{1,15}$/u.test(count) ? [[name, Number(count)]] : [];
}

/** "VALUE NAME" lines. */
function pairs(lines: readonly string[]): Map<string, string> {
  return new Map(
    lines.map((line) => {
      const at = line.indexOf(' ');
      return [line.slice(at + 1), line.slice(0, at)];
    }),
  );
}
