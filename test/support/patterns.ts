import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../../src', import.meta.url));

export interface FoundPattern {
  /** "instance/freeze.ts:44" */
  place: string;
  pattern: RegExp;
}

/** Every regular expression that is written out in what ships, but for the sandbox, which hears nobody but its own user. */
export function patternsOfSource(): FoundPattern[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('sandbox/'))
    .sort()
    .flatMap((name) => patternsOf(name));
}

/** All of ours have the flag "u", which tells them from divisions and paths. */
const LITERAL =
  /(?<=^|[\s(,=:?!&|[{;])\/(?![*/])((?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([gimsvy]*u[gimsvy]*)(?!\w)/gu;

function patternsOf(name: string): FoundPattern[] {
  return readFileSync(join(SOURCE, name), 'utf8')
    .split('\n')
    .flatMap((line, index) =>
      [...line.matchAll(LITERAL)].map(([, source = '', flags = '']) => ({
        place: `${name}:${index + 1}`,
        pattern: new RegExp(source, flags),
      })),
    );
}

/** What a pattern is made of: its words, and a character of each kind that it names. */
export function piecesOf({ source }: RegExp): string[] {
  const words = source
    .replace(/\\[bBdDwWsSpPuk](?:\{[^}]*\})?|\[[^\]]*\]|[(){}|*+?^$.]|\\/gu, '\n')
    .split('\n')
    .filter((word) => word !== '' && !/^[\d,:<=!]+$/u.test(word));
  const kinds = [
    [/\\s|\[ /u, ' '],
    [/\\d|0-9/u, '1'],
    [/\\w|a-z|A-Z|\\S|\[\^|\./u, 'a'],
    [/"/u, '"'],
    [/'/u, "'"],
    [/\\\\/u, '\\'],
    [/\//u, '/'],
    [/:/u, ':'],
    [/@/u, '@'],
    [/=/u, '='],
    [/-/u, '-'],
    [/\\n|\\r|\$|m$/u, '\n'],
    [/\\t/u, '\t'],
    [/u001b/u, '\u001b'],
    [/Cc/u, '\u0001'],
    [/\[\\\^|\\\[/u, '['],
    [/#/u, '#'],
    [/,/u, ','],
  ] as const;
  return [...new Set([...words, ...kinds.flatMap(([kind, sign]) => (kind.test(source) ? [sign] : []))])].slice(0, 14);
}

/** Texts that make a pattern look again and again: one piece repeated, two in turn, and one run that ends in another. */
export function hostileTexts(pieces: readonly string[], length: number): string[] {
  const fill = (unit: string, size = length): string => unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
  return pieces.flatMap((one) => [
    `${fill(one)}\u0000`,
    ...pieces.flatMap((other) =>
      one === other
        ? []
        : [
            `${fill(one + other)}\u0000`,
            `${other}${fill(one)}\u0000`,
            `${fill(one, length / 2)}${fill(other, length / 2)}\u0000`,
          ],
    ),
  ]);
}

/** Milliseconds of CPU time, the least of three times: a busy computer makes everybody wait. Once is enough for what is quick. */
export function timeOf(work: () => unknown, limitMs: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 3 && least > limitMs; tries += 1) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}
