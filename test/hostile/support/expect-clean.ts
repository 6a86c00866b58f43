import { expect } from 'vitest';
import type { Finished } from '../../support/forgectl.ts';

/** All that could steer a terminal or turn text around, but line feed and tab. */
export const STEERING =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: matching control characters is the point
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u2028\u2029]/u;

/** The table in README.md; 1 is a bug, and what is not in it is nobody's. */
const EXIT_CODES = [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255];

/** Whatever the other side says: a known end, no stack, nothing that steers a terminal, and JSON that can be read. */
export function expectCleanEnd(words: readonly string[], { code, stdout, stderr }: Finished, lies: unknown): void {
  const told = `${words.join(' ')} with ${JSON.stringify(lies)}:\n${stdout}\n${stderr}`;
  expect(EXIT_CODES, told).toContain(code);
  expect(stdout + stderr, told).not.toMatch(/This is a bug|\n {4}at \S/u);
  for (const text of [stdout, stderr]) expect(STEERING.exec(text)?.index ?? null, told).toBeNull();
  if (words.includes('--json')) expect(() => JSON.parse(stdout), told).not.toThrow();
}
