import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { and, inDirectory, onMachine, pipe, quote } from '../../src/instance/remote-command.ts';

const bash = (line: string, options: { cwd?: string; env?: Record<string, string> } = {}) =>
  spawnSync('bash', ['--noprofile', '--norc', '-s'], {
    input: `${line}\n`,
    ...options,
    env: { PATH: process.env['PATH'], ...options.env },
  });
/** The words as a program gets them. */
const read = (words: Parameters<typeof quote>[0]): Buffer => bash(`printf '%s\\0' ${quote(words)}`).stdout;
const asGiven = (words: (string | Uint8Array)[]): Buffer =>
  Buffer.concat(words.flatMap((word) => [Buffer.from(word as string), Buffer.from([0])]));

const awkward = fc.constantFrom(
  '',
  '-',
  '--',
  '-n',
  '~',
  '*',
  '!',
  '#',
  '$(id)',
  '`id`',
  "'",
  '"',
  '\\',
  '\n',
  '\r\n',
  '$' + '{x}',
  '😀',
  'é',
  '\u0001',
  '=',
  'a=b',
  '{a,b}',
  '[',
  ';',
  '&',
  '|',
  '<',
  '>',
  '(',
  ' ',
);

describe('words for the machine', () => {
  it('are read back by bash exactly as they were given', () => {
    const text = fc.oneof(
      awkward,
      fc.array(awkward).map((parts) => parts.join('')),
      fc.string({ unit: 'binary' }),
      fc.string(),
    );
    const word = text.filter((one) => !one.includes('\0') && !/\p{Surrogate}/u.test(one));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 12 }), (words) => {
        expect(read(words)).toEqual(asGiven(words));
      }),
      { numRuns: 120 },
    );
  });

  it('may be any bytes but NUL', () => {
    const bytes = fc.uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1, maxLength: 6 }), (words) => {
        expect(read(words)).toEqual(asGiven(words));
      }),
      { numRuns: 80 },
    );
    expect(read([Uint8Array.from(Array.from({ length: 255 }, (_, index) => index + 1))]).length).toBe(256);
  });

  it('a NUL and half a character are refused, not changed', () => {
    for (const word of ['a\0b', '\ud800', Buffer.from([0xff, 0])])
      expect(() => quote([word])).toThrow(expect.objectContaining({ code: 'BAD_REMOTE_WORD', exit: 2 }));
  });

  it('stay readable where no quoting is needed', () => {
    expect(quote(['supervisorctl', 'restart', 'forge'])).toBe('supervisorctl restart forge');
    expect(quote(['a b', "it's", ''])).toBe("'a b' 'it'\\''s' ''");
  });

  it('a path of the image lies below the root of a machine that has one', () => {
    const line = `printf %s ${quote([onMachine('/var/log/a b')])}`;
    expect(String(bash(line).stdout)).toBe('/var/log/a b');
    expect(String(bash(line, { env: { FORGECTL_ROOT: "/x 'y' $z" } }).stdout)).toBe("/x 'y' $z/var/log/a b");
  });
});

describe('lines of several commands', () => {
  it('a pipe fails with the part that failed, and a list stops there', () => {
    expect(bash(pipe(['printf', 'b\na\n'], ['sort'])).stdout.toString()).toBe('a\nb\n');
    expect(bash(pipe('exit 3', ['cat'])).status).toBe(3);
    const done = bash(and(['echo', '1'], 'false; false', ['echo', '2']));
    expect([done.stdout.toString(), done.status]).toEqual(['1\n', 1]);
    expect(bash(and(pipe(['echo', '1'], ['cat']), ['echo', '2 # not a comment'])).stdout.toString()).toBe(
      '1\n2 # not a comment\n',
    );
  });

  it('a directory is entered for its command only, whatever its name; without it nothing runs', () => {
    const home = mkdtempSync(join(tmpdir(), 'forgectl-dir-'));
    for (const name of ['-', '-P', '~', 'a b', "q'q", '$(id)', 'line\nbreak', 'x']) {
      mkdirSync(join(home, name));
      writeFileSync(join(home, name, 'here'), name);
      const done = bash(`${inDirectory(name, ['cat', 'here'])}; echo; pwd`, {
        cwd: home,
        env: { CDPATH: '/usr', OLDPWD: '/' },
      });
      expect(done.stdout.toString()).toBe(`${name}\n${execFileSync('pwd', ['-P'], { cwd: home })}`);
    }
    const gone = bash(inDirectory(join(home, 'gone'), ['echo', 'ran']), { cwd: home });
    expect([gone.stdout.toString(), gone.status]).toEqual(['', 1]);
    const below = bash(inDirectory(onMachine('/a b'), ['cat', 'here']), { env: { FORGECTL_ROOT: home } });
    expect(below.stdout.toString()).toBe('a b');
    rmSync(home, { recursive: true });
  });
});
