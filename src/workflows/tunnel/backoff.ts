const FIRST_MS = 1000;
const LONGEST_MS = 30_000;

/** Full jitter: anything from nothing to a limit that doubles, so that a host which comes back is not met by all at once. */
export function backoffMs(failures: number, random: () => number): number {
  return random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 16));
}
