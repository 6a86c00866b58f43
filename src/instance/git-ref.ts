import { EXIT, ForgeError } from '../errors.js';
import { isBranchName } from './git-names.js';

/** What the remote has, after a fetch: names without their `refs/…/`. */
export interface RemoteRefs {
  heads: ReadonlyMap<string, string>;
  tags: ReadonlyMap<string, string>;
  /** The branch that the remote's HEAD names; null when it does not say. */
  defaultBranch: string | null;
  /** For each branch: commits of the checkout that it does not have. 0: the checkout is on it. */
  missing: ReadonlyMap<string, number>;
  /** A commit that the user's word names by itself (full or short sha); null when there is none. */
  sha: string | null;
  /** The head of the pull request that the user's word may name; null when there is none. */
  pull: string | null;
}

export interface ResolvedRef {
  sha: string;
  /** As it is said: "branch main", "tag v1.2", "pull request 12", "commit". */
  name: string;
  /** The branch of the remote; null for anything else. */
  branch: string | null;
}

/** The number of a pull request that a word may mean: 123, #123, pr/123, pull/123. */
export function pullNumber(ref: string): number | null {
  const digits = /^(?:#|pr\/|pull\/)?([1-9]\d{0,5})(?:\/head)?$/u.exec(ref)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Only what git allows in a name, so that no word becomes an option or a second word. Throws on anything else. */
export function checkRef(ref: string): string {
  if (isBranchName(ref)) return ref;
  throw new ForgeError(`${JSON.stringify(ref)} cannot be a git ref.`, {
    code: 'BAD_REF',
    exit: EXIT.usage,
    hint: 'Give a branch, a tag, a commit, or the number of a pull request.',
  });
}

/** The user's word becomes one commit. Without a word: the tip of the branch that the checkout follows. */
export function resolveRef(ref: string | null, refs: RemoteRefs): ResolvedRef {
  if (ref === null) return followedBranch(refs);
  const branch = branchNamed(ref, refs);
  const tag = tagNamed(ref, refs);
  if (branch !== null && tag !== null && branch.sha !== tag.sha) throw ambiguous(ref);
  const found = branch ?? tag ?? pullRequest(ref, refs);
  if (found !== null) return found;
  if (refs.sha !== null) return { sha: refs.sha, name: 'commit', branch: null };
  throw notFound(ref, refs);
}

function branchNamed(ref: string, { heads }: RemoteRefs): ResolvedRef | null {
  const name = heads.has(ref) ? ref : ref.replace(/^(?:refs\/heads|heads|origin)\//u, '');
  const sha = heads.get(name);
  return sha === undefined ? null : { sha, name: `branch ${name}`, branch: name };
}

function tagNamed(ref: string, { tags }: RemoteRefs): ResolvedRef | null {
  const name = tags.has(ref) ? ref : ref.replace(/^(?:refs\/)?tags\//u, '');
  const sha = tags.get(name);
  return sha === undefined ? null : { sha, name: `tag ${name}`, branch: null };
}

/**
 * Which branch the image's variant follows is nowhere written: it is the one that has the checkout's commits, the remote's
 * own default first, since a checkout is detached (instance.md 5).
 */
function followedBranch({ heads, defaultBranch, missing }: RemoteRefs): ResolvedRef {
  const distance = (name: string): number => missing.get(name) ?? Number.POSITIVE_INFINITY;
  const isDefault = (name: string): number => (name === defaultBranch ? 0 : 1);
  const [best] = [...heads.keys()].sort(
    (one, other) => distance(one) - distance(other) || isDefault(one) - isDefault(other) || (one < other ? -1 : 1),
  );
  if (best === undefined) {
    throw new ForgeError('The remote has no branch.', {
      code: 'NO_BRANCH',
      exit: EXIT.notFound,
      hint: 'Say which commit with --ref.',
    });
  }
  return { sha: heads.get(best) ?? '', name: `branch ${best}`, branch: best };
}

function pullRequest(ref: string, { pull }: RemoteRefs): ResolvedRef | null {
  const number = pullNumber(ref);
  return number === null || pull === null ? null : { sha: pull, name: `pull request ${number}`, branch: null };
}

function ambiguous(ref: string): ForgeError {
  return new ForgeError(`"${ref}" is a branch and a tag, and they differ.`, {
    code: 'AMBIGUOUS_REF',
    exit: EXIT.notFound,
    hint: `--ref origin/${ref} for the branch, --ref tags/${ref} for the tag`,
  });
}

function notFound(ref: string, { heads, tags }: RemoteRefs): ForgeError {
  const names = [...heads.keys(), ...[...tags.keys()].reverse()].slice(0, 12).join(', ');
  return new ForgeError(`The remote has no branch, tag, commit or pull request "${ref}".`, {
    code: 'REF_NOT_FOUND',
    exit: EXIT.notFound,
    hint: names === '' ? null : `It has: ${names}`,
  });
}
