/** ANSI sequences: CSI, OSC and single-character escapes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/gu;

/** One line of untrusted text: no escapes, controls, bidi overrides or line breaks, which could fake other output. */
export function cleanLine(text: string): string {
  return text
    .replace(ESCAPES, '')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
    .trim();
}
