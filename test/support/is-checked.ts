// biome-ignore-all lint/suspicious/noConsole: why something was skipped belongs into the output
/** Says what is not checked here, and why; in CI nothing may be missing, so that is an error there. */
export function isChecked(isThere: boolean, missing: string, what: string): boolean {
  if (isThere) return true;
  const reason = `not checked without ${missing}: ${what}`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  console.log(reason);
  return false;
}
