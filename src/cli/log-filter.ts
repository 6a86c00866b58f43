export interface LineFilter {
  /** On what is shown: clean, and with secrets taken out. */
  matches(text: string): boolean;
  /** A text that every match holds, as the machine wrote it; null when there is none to be sure of. */
  plainText: string | null;
  /** Said once: the pattern was taken as a text. */
  note: string | null;
}

export interface FilterOptions {
  ignoreCase: boolean;
  invert: boolean;
}

/** A regular expression; what is none is searched for as it stands. */
export function lineFilter(pattern: string, { ignoreCase, invert }: FilterOptions): LineFilter {
  const flags = ignoreCase ? 'iu' : 'u';
  const compiled = compile(pattern, flags);
  const regex = compiled ?? new RegExp(escaped(pattern), flags);
  return {
    matches: (text) => regex.test(text) !== invert,
    plainText: ignoreCase || invert ? null : plainWord(pattern),
    note: compiled === null ? `"${pattern}" is no regular expression, so it is searched for as it stands.` : null,
  };
}

function compile(pattern: string, flags: string): RegExp | null {
  try {
    return new RegExp(pattern, flags);
  } catch {
    return null;
  }
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/gu, (character) => (character === '-' ? '\\x2d' : `\\${character}`));
}

/**
 * The longest word of a pattern without any regular expression in it. Not the whole: colours may stand between two words
 * of the raw log. And no word that only redaction has put there.
 */
function plainWord(pattern: string): string | null {
  if (!/^[\w ,:;@%'"=-]+$/u.test(pattern)) return null;
  const words = pattern.match(/\w{3,}/gu) ?? [];
  const longest = words.sort((one, other) => other.length - one.length)[0];
  return longest === undefined || 'redacted'.includes(longest) ? null : longest;
}
