import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { DotenvFile } from '../../src/instance/dotenv/dotenv-file.ts';
import { checkVariableName } from '../../src/instance/dotenv/variable-name.ts';
import { newMarker, readMarked, wrapScript } from '../../src/instance/remote-script.ts';

const root = mkdtempSync(join(tmpdir(), 'dotenv test '));
afterAll(() => rmSync(root, { recursive: true, force: true }));
mkdirSync(join(root, 'workspace'));
const path = join(root, 'workspace', '.env');

function parseEnvironment(bytes: Buffer): Map<string, string> {
  const pairs = bytes.toString('utf8').split('\0').filter(Boolean);
  return new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

/** As the image's services do it. */
function readByShell(bytes: Buffer): Map<string, string> {
  writeFileSync(path, bytes);
  const script = 'set -a; . "$1" >/dev/null 2>&1 </dev/null; set +a; exec /usr/bin/env -0';
  return parseEnvironment(
    execFileSync('bash', ['--noprofile', '--norc', '-c', script, 'bash', path], { env: { PATH: process.env['PATH'] } }),
  );
}

/** As a script of forgectl does it. */
function readByScript(bytes: Buffer): Map<string, string> {
  writeFileSync(path, bytes);
  const marker = newMarker();
  const script = wrapScript('/usr/bin/env -0 | base64', marker, { withEnvironment: true });
  const stdout = execFileSync('bash', ['--noprofile', '--norc', '-s'], {
    input: script,
    env: { PATH: process.env['PATH'], FORGECTL_ROOT: root },
    encoding: 'utf8',
  });
  return parseEnvironment(Buffer.from(readMarked(stdout, marker)?.output ?? '', 'base64'));
}

const fileOf = (text: string): DotenvFile => new DotenvFile(Buffer.from(text));
const textOf = (file: DotenvFile): string => file.bytes().toString();

const NASTY = [
  '',
  ' ',
  "'",
  '"',
  '\\',
  "it's",
  '$(touch pwned)',
  '`id`',
  ['$', '{HOME}'].join(''),
  '~/x',
  'a\nb\n\n',
  '\r\n',
  '#x',
  'a #b',
  '!!',
  'x;y&z|',
  "'\\''",
  '\u0001\u007f\u001b[31m',
  '\u00a0\u2028\ufeff',
  'x'.repeat(1_000),
  '-n',
  '=',
  '*?[a]{1,2}',
  '\u{1f600}',
];

describe('.env', () => {
  it('a shell, and a script of forgectl, read back exactly what was set, whatever it is', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.constantFrom(...NASTY), { maxLength: 5 }).map((parts) => parts.join('')),
    );
    const before = "# mine\nexport V3='old' # kept\nOTHER=$HOME/x\n";
    fc.assert(
      fc.property(
        fc.array(
          value.filter((text) => !text.includes('\0')),
          { minLength: 30, maxLength: 60 },
        ),
        (values) => {
          const file = fileOf(before);
          const all = [...NASTY, ...values];
          for (const [index, text] of all.entries()) file.set(`V${index}`, text);
          const wanted = all.map((text, index) => [`V${index}`, text]);
          const [byShell, byScript] = [readByShell(file.bytes()), readByScript(file.bytes())];
          expect(wanted.map(([name]) => [name, byShell.get(name as string)])).toEqual(wanted);
          expect(wanted.map(([name]) => [name, byScript.get(name as string)])).toEqual(wanted);
          expect(
            fileOf(textOf(file))
              .entries()
              .map(({ name, value: read }) => [name, read]),
          ).toEqual(expect.arrayContaining(wanted));
        },
      ),
      { numRuns: 4 },
    );
  });

  it('what it claims to know of a file, a shell confirms; what it does not change, it keeps byte for byte', () => {
    const line = fc.constantFrom(
      'A=1\n',
      "export A='x y' # c\n",
      'B="q\\"\\$\\x"\n',
      "C=$'a\\tb\\'c'\n",
      'D=a\\ b\\\nc\n',
      ['E=$A-$', '{B}\n'].join(''),
      'F=~/x:~\n',
      'G=a"b"\'c\'#d\n',
      'H=x\r\n',
      'export I={1,2}\n',
      '  J=\n',
      '# c\n',
      '\n',
      'export A B\n',
      'K="two\nlines"\n',
      'L=caf\u00e9\u00a0x\n',
      'M=a:~/b\n',
      'N=$\n',
      'O="$"x$\n',
      'A=2 B=3\n',
      'P=x;\n',
      'if false; then\n A=9\nfi\n',
      'cat <<EOF\nA=5\nEOF\n',
      "echo 'a\nB=8'\n",
      'echo x \\\nC=7\n',
      'Q=$(echo hi)\n',
      'R=`echo hi`\n',
      'A+=z\n',
      'unset C\n',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.string({ unit: 'binary' }), (lines, text) => {
        const value = text.replaceAll('\0', '');
        const bytes = Buffer.from(lines.join(''));
        const file = new DotenvFile(bytes);
        expect(file.bytes().equals(bytes)).toBe(true);
        if (file.shellLines().length === 0) {
          const known = new Map(file.entries().map((entry) => [entry.name, entry.value]));
          const read = readByShell(bytes);
          for (const [name, is] of known) if (is !== null) expect([name, read.get(name)]).toEqual([name, is]);
        }
        file.set('NEW', value);
        file.set('A', value, { atEnd: true });
        const read = readByShell(file.bytes());
        expect([read.get('NEW'), read.get('A')]).toEqual([value, value]);
        for (const kept of lines) if (!/A=|A\+=/u.test(kept)) expect(textOf(file)).toContain(kept);
      }),
      { numRuns: 60 },
    );
  });

  it('set changes the one line; an older value of the same name goes where nothing could have used it', () => {
    const file = fileOf('# a\nA=1\n\nexport A="2" # two\nB=3');
    file.set('A', 'x y');
    file.set('C', '4');
    expect(textOf(file)).toBe("# a\n\nexport A='x y' # two\nB=3\nC=4\n");
    const used = fileOf('A=1\nB=$A\nA=2\n');
    used.set('A', '3');
    expect(textOf(used)).toBe('A=1\nB=$A\nA=3\n');
  });

  it('unset takes out plain lines, and says so when shell sets it too', () => {
    const file = fileOf('A=1\nB=2\nA=3\n');
    expect([file.unset('A'), textOf(file)]).toEqual([true, 'B=2\n']);
    const block = fileOf('if x; then\nA=1\nfi\nA=2\n');
    expect([block.unset('A'), textOf(block)]).toEqual([false, 'if x; then\nA=1\nfi\n']);
    expect(fileOf('A=$(id)\n').unset('A')).toBe(false);
    expect(fileOf('if x; then\nB=1\nfi\n').unset('A')).toBe(true);
  });

  it('names: what no shell takes, or uses itself, is wrong usage', () => {
    for (const name of ['', '1A', 'A-B', 'A B', 'A=', 'UID', 'BASH_ENV', '_', 'RANDOM', 'A\n', 'x'.repeat(300), 'Ä'])
      expect(() => checkVariableName(name), name).toThrow(expect.objectContaining({ exit: 2 }));
    for (const name of ['A', '_A', 'a1', 'HF_TOKEN', 'FORGE_ARGS']) expect(() => checkVariableName(name)).not.toThrow();
  });
});
