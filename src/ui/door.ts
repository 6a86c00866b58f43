/**
 * The only way out for text that people read, and for JSON. Nearly all of it holds words of a machine, of the API or of a
 * file, so it is cleaned here, at the last step, whatever its callers have done: line feed, tab and the colours that
 * forgectl itself has put in go out, and no other character that steers a terminal or turns text around.
 */

/** All but line feed and tab: C0, DEL, C1, bidi controls and other invisible ones, line separators, halves of characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\p{Cf}\p{Cs}\u2028\u2029]/u;
const UNPRINTABLE_RUNS = new RegExp(`(?:${UNPRINTABLE.source})+`, 'gu');
const ESCAPED_IN_JSON = /[\u007f-\u009f\p{Cf}\u2028\u2029]/gu;
const COLOR = /^[\d;]{0,40}$/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
const COLORS = /\u001b\[([\d;]{0,40})m/gu;
const ERASE_ROW = '\r\u001b[2K';

/**
 * Our colours carry a number that nobody outside of this process can know, as further parameters of the sequence, so that
 * programs which measure text see one sequence that takes no room. Four digits each and at most six, or they would not.
 */
let secret: { suffix: string; pattern: RegExp } | null = null;

function ours(): { suffix: string; pattern: RegExp } {
  if (secret === null) {
    // Not node:crypto, which the start of every command would pay for.
    const numbers = [...crypto.getRandomValues(new Uint32Array(5))].map((number) => String(number % 10_000));
    const suffix = `;${numbers.map((number) => number.padStart(4, '0')).join(';')}m`;
    secret = { suffix, pattern: new RegExp(`\\u001b\\[([\\d;]{0,40}?)${suffix}`, 'gu') };
  }
  return secret;
}

/** A colour of our own: `codes` are the parameters of the SGR sequence ("32", "38;5;120"). Nothing else can be marked. */
export function ownColor(codes: string): string {
  return COLOR.test(codes) ? `\u001b[${codes}${ours().suffix}` : '';
}

/** For a line of a log, whose colours are let through: they have been chosen by `cleanLogLine`. */
export function withOwnColors(cleanLine: string): string {
  return cleanLine.replace(COLORS, (_sequence, codes: string) => ownColor(codes));
}

/** What may be written on a terminal. Nothing between escape sequences is taken out: it stays to be seen. */
export function printable(text: string): string {
  if (!UNPRINTABLE.test(text)) return text;
  // Ours are looked for first, so every second part is the codes of one of them.
  const parts = secret === null ? [text] : text.split(secret.pattern);
  return parts.map((part, index) => (index % 2 === 1 ? `\u001b[${part}m` : withoutControls(part))).join('');
}

function withoutControls(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(UNPRINTABLE_RUNS, ' ');
}

/** JSON whose characters can all be printed: those that steer a terminal are written as \uXXXX, which means the same. */
export function documentText(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, null, indent) ?? 'null';
  return text.replace(ESCAPED_IN_JSON, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** As a stream's `write`: false when the reader is slow. */
export function writeOut(text: string): boolean {
  return process.stdout.write(printable(text));
}

export function writeErr(text: string): boolean {
  return process.stderr.write(printable(text));
}

/** In the place of the row that the cursor stands in. Only for a terminal. */
export function overwriteRow(text: string): boolean {
  return process.stdout.write(`${ERASE_ROW}${printable(text)}`);
}
