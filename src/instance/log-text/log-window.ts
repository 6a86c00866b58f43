/**
 * A log of which only its last lines can be asked for, again and again. The new lines are those behind what both looks
 * have in common; null when they have nothing in common, so that lines may be missing in between.
 */
export function linesAfter(before: readonly string[], now: readonly string[]): string[] | null {
  for (let start = 0; start < before.length; start += 1) {
    const shared = before.length - start;
    if (shared <= now.length && isShared(before, now, start)) return now.slice(shared);
  }
  return before.length === 0 ? [...now] : null;
}

function isShared(before: readonly string[], now: readonly string[], start: number): boolean {
  for (let at = start; at < before.length; at += 1) if (before[at] !== now[at - start]) return false;
  return true;
}

/** Lines of a look; the last one only when it is whole, or has not changed since the look before. */
export function wholeLines(text: string, previous: string): string[] {
  const lines = text.split('\n');
  const last = lines.pop() ?? '';
  const isSettled = last !== '' && previous.split('\n').includes(last);
  return isSettled ? [...lines, last] : lines;
}
