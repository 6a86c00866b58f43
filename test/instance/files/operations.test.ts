import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type BytePath, fromBytes } from '../../../src/instance/files/byte-path.ts';
import {
  DEFINE_APPLY,
  encodeOperations,
  type Operation,
  parseFailures,
} from '../../../src/instance/files/operations.ts';
import { applyLocally } from '../../../src/workflows/copy/local-operations.ts';
import { hasGnuTools } from '../../workflows/copy/support/awkward-tree.ts';

const top = mkdtempSync(join(tmpdir(), 'forgectl operations '));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const path = (text: string): BytePath => text as BytePath;
const ODD = fromBytes(Buffer.from([0x2d, 0xff, 0x0a, 0x27, 0x22]));

type Apply = (base: string, operations: readonly Operation[]) => number[];

function inBash(prelude: string): Apply {
  return (base, operations) => {
    const script = `${prelude}\n${DEFINE_APPLY}\ncd -- "$1" && apply`;
    const words = ['--noprofile', '--norc', '-c', script, 'forgectl', base];
    const output = execFileSync('bash', words, {
      input: encodeOperations(operations),
      env: { ...process.env, LC_ALL: 'C' },
    });
    return parseFailures(output, operations.length).map(({ index }) => index);
  };
}

/** Neither of the two ways to it is there. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: bash's, not ours
const WITHOUT_PYTHON = '[() { builtin [ "${@//\\/usr\\/bin\\/python3/\\/none}"; }; command() { return 1; }';

const kinds: [string, Apply][] = [
  [
    'this computer',
    (base, operations) => applyLocally(fromBytes(Buffer.from(base)), operations).map(({ index }) => index),
  ],
  ['Python on a machine', inBash('')],
  ['bash on a machine', inBash(WITHOUT_PYTHON)],
];

describe.skipIf(!hasGnuTools('changes of names and attributes'))('operations', () => {
  it.each(kinds)('by %s: do what they say, each by itself', (name, apply) => {
    const base = join(top, name);
    mkdirSync(join(base, 'in the way'), { recursive: true });
    writeFileSync(join(base, 'draft'), 'new');
    writeFileSync(join(base, 'target'), 'old');
    writeFileSync(join(base, 'long'), 'x'.repeat(100));
    symlinkSync('somewhere', join(base, 'link'));
    mkdirSync(join(base, 'junk/below'), { recursive: true });
    writeFileSync(join(base, 'junk/below/file'), '');
    const operations: Operation[] = [
      { do: 'mkdir', path: path('made') },
      { do: 'mkdir', path: path('made') },
      { do: 'rename', from: path('draft'), path: path('target') },
      { do: 'rename', from: path('draft'), path: path('target') }, // 3: gone
      { do: 'symlink', target: path('/etc/passwd'), path: path('link') },
      { do: 'symlink', target: ODD, path: ODD },
      { do: 'link', from: path('target'), path: path('made/second') },
      { do: 'link', from: path('target'), path: path('made/second') },
      { do: 'chmod', mode: 0o640, path: path('target') },
      { do: 'touch', mtimeNs: 1_600_000_000_500_000_000n, path: path('target') },
      { do: 'touch', mtimeNs: -1_500_000_000n, path: path('long') },
      { do: 'truncate', size: 5000, path: path('long') },
      { do: 'truncate', size: 5000, path: path('no such file') }, // 12: never made
      { do: 'create', path: path('created') },
      { do: 'create', path: path('long') },
      { do: 'remove', path: path('junk') },
      { do: 'remove', path: path('junk') },
      { do: 'rmdir', path: path('made') }, // 17: not empty
      { do: 'rename', from: path('created'), path: path('in the way') }, // 18: a directory
      { do: 'chmod', mode: 0o700, path: path('') },
    ];
    expect(apply(base, operations)).toEqual([3, 12, 17, 18]);
    const stats = lstatSync(join(base, 'target'), { bigint: true });
    expect(readFileSync(join(base, 'target'), 'utf8')).toBe('new');
    expect({ mode: Number(stats.mode) & 0o7777, mtime: stats.mtimeNs, names: stats.nlink }).toEqual({
      mode: 0o640,
      mtime: 1_600_000_000_500_000_000n,
      names: 2n,
    });
    expect(readlinkSync(join(base, 'link'))).toBe('/etc/passwd');
    const odd = Buffer.concat([Buffer.from(`${base}/`), Buffer.from(ODD, 'latin1')]);
    expect(readlinkSync(odd, { encoding: 'buffer' })).toEqual(Buffer.from(ODD, 'latin1'));
    expect(readFileSync(join(base, 'long'), 'latin1')).toBe('x'.repeat(100) + '\0'.repeat(4900));
    expect(existsSync(join(base, 'no such file'))).toBe(false);
    expect(existsSync(join(base, 'junk'))).toBe(false);
    expect(lstatSync(join(base, 'created')).size).toBe(0);
    expect(lstatSync(base).mode & 0o777).toBe(0o700);
  });

  it('take a directory of their own only when nobody else has put something there', () => {
    for (const [name, apply] of kinds) {
      const base = join(top, `own ${name}`);
      mkdirSync(join(base, 'theirs'), { recursive: true });
      chmodSync(join(base, 'theirs'), 0o711);
      symlinkSync('theirs', join(base, 'link'));
      writeFileSync(join(base, 'file'), '');
      const own = (text: string): Operation => ({ do: 'own', path: path(text) });
      const operations = [own('mine'), own('mine'), own('theirs'), own('link'), own('file'), own('none/mine')];
      expect(apply(base, operations), name).toEqual([2, 3, 4, 5]);
      expect(lstatSync(join(base, 'mine')).mode & 0o777).toBe(0o700);
    }
  });

  it('leave no draft where a link cannot be put', () => {
    for (const [name, apply] of kinds) {
      const base = join(top, `draft ${name}`);
      mkdirSync(join(base, 'directory/full'), { recursive: true });
      expect(apply(base, [{ do: 'symlink', target: path('x'), path: path('directory') }]), name).toEqual([0]);
      expect(readdirSync(base), name).toEqual(['directory']);
    }
  });

  it.each(['no number 0', '0', '0 ', '-1 x', '2 beyond the last', '0 a\x000 b\x000 c'])(
    'are not reported on with %j',
    (text) => {
      expect(() => parseFailures(Buffer.from(`${text}\0`), 2)).toThrow('nonsense');
    },
  );

  it('times before 1970 are set', () => {
    for (const [name, apply] of kinds) {
      const base = join(top, `old ${name}`);
      mkdirSync(base);
      writeFileSync(join(base, 'file'), '');
      expect(apply(base, [{ do: 'touch', mtimeNs: -4_500_000_000n, path: path('file') }])).toEqual([]);
      expect(lstatSync(join(base, 'file')).mtimeMs, name).toBe(-4500);
    }
  });
});
