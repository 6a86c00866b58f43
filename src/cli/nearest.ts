/** The name that was most likely meant, or null when none is close. */
export function nearest(typed: string, names: readonly string[]): string | null {
  const word = typed.toLowerCase();
  const holding = names.filter((name) => word.length > 2 && name.toLowerCase().includes(word));
  if (holding.length === 1) return holding[0] ?? null;
  const ranked = names
    .map((name) => ({ name, distance: editDistance(word, name.toLowerCase()) }))
    .sort((one, other) => one.distance - other.distance)[0];
  return ranked !== undefined && ranked.distance <= Math.max(2, Math.floor(ranked.name.length / 3))
    ? ranked.name
    : null;
}

export function editDistance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
