import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { KnownValues } from '../../src/secrets/known-values.ts';
import { redactSecrets } from '../../src/secrets/redact.ts';
import { hostileTexts, patternsOfSource, piecesOf, timeOf } from '../support/patterns.ts';

const KIB = 1024;
const patterns = patternsOfSource();

/** What outside data is made into, by the names of the functions that do it. */
const NAMES =
  '(?:parse|clean|redact|lint|urlsIn|shown|hide|looks|isSecret|secretsWithin|quoted|withoutSent|compare|normalize|lineTime|literal|safe|is\\w+Line|required)';
const READERS = new RegExp(`^${NAMES}`, 'u');
const EXPORTED = new RegExp(`^export (?:function|const) ${NAMES}`, 'mu');
const SOURCE = fileURLToPath(new URL('../../src', import.meta.url));
const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((name) => /^(?:instance|secrets|ssh|ui|vast)\/.*\.ts$|^cli\/(?:env-pairs|log-request)\.ts$/u.test(name))
  .filter((name) => EXPORTED.test(readFileSync(join(SOURCE, name), 'utf8')))
  .sort();

interface Reader {
  name: string;
  read: (text: string, more: string) => unknown;
}

async function readersOf(file: string): Promise<Reader[]> {
  const exported = (await import(join(SOURCE, file))) as Record<string, unknown>;
  return Object.entries(exported).flatMap(([name, value]) =>
    typeof value === 'function' && READERS.test(name)
      ? [{ name: `${file} ${name}`, read: value as Reader['read'] }]
      : [],
  );
}

/** What the patterns of this program look for, alone and mixed. */
const ATOMS =
  `a|:|"|'|\\|=|/|-|#|[|{|--auth |token|token=|?token=|Bearer |a://x:|\n|$2a$10$|eyJ-|hf_|0123456789abcdef|\u001b[|\u001b]|civitai |--x-token |secret "|passwd[|\\"|A_KEY=|MYPASS: "|-----BEGIN PRIVATE KEY-----|apt install |ssh-ed25519 |/ /|"a b":`.split(
    '|',
  );

describe('a text of a stranger costs time by its length alone', () => {
  it('each pattern that is written out in what ships, over texts that are made of its own pieces', () => {
    expect(patterns.length).toBeGreaterThan(400);
    const limitMs = 120;
    const slow = patterns.flatMap(({ place, pattern }) => {
      const apply = (text: string) => (pattern.global ? text.replace(pattern, '') : pattern.test(text));
      const text = hostileTexts(piecesOf(pattern), 32 * KIB).find(
        (each) => timeOf(() => apply(each), limitMs) > limitMs,
      );
      return text === undefined ? [] : [`${place} on ${JSON.stringify(text.slice(0, 24))}…`];
    });
    expect(slow).toEqual([]);
  }, 120_000);

  it('each function that reads such a text: 64 KiB', async () => {
    const readers = (await Promise.all(files.map(readersOf))).flat();
    expect(readers.length).toBeGreaterThan(50);
    // The faults took seconds.
    const limitMs = 500;
    const slow = readers.flatMap(({ name, read }) =>
      ATOMS.flatMap((atom) => {
        const text = `A: ${atom.repeat(Math.ceil((64 * KIB) / atom.length))}\u0000`;
        const run = (): void => {
          try {
            read(text, 'abc');
          } catch {
            // What it makes of it is not the question.
          }
        };
        return timeOf(run, limitMs) > limitMs ? [`${name} on ${JSON.stringify(atom)}`] : [];
      }),
    );
    expect(slow).toEqual([]);
  }, 120_000);

  it('what looks for secrets, in a mebibyte', () => {
    const known = new KnownValues(['s3cr3t-value-of-mine', 'another one: with "quotes"']);
    const limitMs = 2500;
    for (const atom of [
      'a',
      'token',
      'eyJ-',
      'A_KEY=',
      '?token',
      '--a-token ',
      's3cr3t',
      '-----BEGIN PRIVATE KEY-----',
    ]) {
      const text = atom.repeat(Math.ceil((1024 * KIB) / atom.length));
      expect(
        timeOf(() => redactSecrets(text), limitMs),
        `redactSecrets of ${atom}`,
      ).toBeLessThan(limitMs);
      expect(
        timeOf(() => known.hide(text), limitMs),
        `known values in ${atom}`,
      ).toBeLessThan(limitMs);
    }
  }, 120_000);
});
