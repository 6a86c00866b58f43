/**
 * The text without this character at its end, however often it stands there. A pattern like /x+$/ takes the square of the
 * length for a run of it that something else ends, and such texts come from machines.
 */
export function withoutEnd(text: string, sign: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === sign) end -= 1;
  return text.slice(0, end);
}

/** The same at both ends. */
export function withoutEnds(text: string, sign: string): string {
  let start = 0;
  while (start < text.length && text[start] === sign) start += 1;
  return withoutEnd(text.slice(start), sign);
}
