/** What git gives as a name of a commit: SHA-1, or SHA-256 in a repository of that kind. */
export function isCommit(text: string): boolean {
  return /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/u.test(text);
}

/** Only what git allows in a name, so that no word becomes an option or a second word. */
export function isBranchName(text: string): boolean {
  return (
    /^[^\s~^:?*[\\\p{Cc}\p{Cf}]{1,250}$/u.test(text) &&
    !text.startsWith('-') &&
    !text.includes('..') &&
    !text.includes('@{') &&
    !/(?:^|\/)\.|\.lock$|\/$|^\//u.test(text)
  );
}
