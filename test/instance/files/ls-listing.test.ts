import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findEach, ListingParser } from '../../../src/instance/files/listing.ts';
import { lsCommand, parseInodes, parseLs } from '../../../src/instance/files/ls-listing.ts';
import type { TreeEntry } from '../../../src/instance/files/tree-entry.ts';
import { hasGnuTools, makeAwkwardTree } from '../../workflows/copy/support/awkward-tree.ts';

describe.skipIf(!hasGnuTools('a list by ls'))('a tree as ls tells of it', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ls-listing-'));
  const tree = join(directory, 'work space');

  beforeAll(() => {
    mkdirSync(tree);
    makeAwkwardTree(join(tree, 'awkward'));
    for (const [name, mode] of [
      ['set', '6755'],
      ['sticky', '1644'],
      ['nothing', '0000'],
    ] as const) {
      writeFileSync(join(tree, name), name);
      execFileSync('chmod', [mode, join(tree, name)]);
    }
    execFileSync('touch', ['-d', '1969-07-20 20:17:40.5', join(tree, 'set')]);
    writeFileSync(join(tree, 'sparse'), '');
    truncateSync(join(tree, 'sparse'), 10_000_000);
    writeFileSync(join(tree, '"total 8"'), 'a name as a line of the list');
    writeFileSync(join(tree, 'a -> b\n":other":\n'), 'and another');
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const byLs = (locale: string, zone = 'UTC'): string => {
    const [program = '', ...words] = lsCommand('PLACE').split(' ');
    const real = words.map((word) => word.replace('PLACE', tree));
    return execFileSync(program, real, { encoding: 'utf8', env: { LC_ALL: locale, TZ: zone }, maxBuffer: 1e8 });
  };
  const sorted = (entries: readonly TreeEntry[]): TreeEntry[] =>
    entries.filter(({ path }) => path !== '').sort((one, other) => (one.path < other.path ? -1 : 1));

  it.each([
    ['C', 'UTC'],
    ['C.UTF-8', 'UTC'],
    ['C', 'Asia/Kolkata'],
    ['C', 'America/St_Johns'],
  ])('is what find tells of it: every name, time and mode, with the locale %s in %s', (locale, zone) => {
    const words = ['--noprofile', '--norc', '-c', findEach({ deep: true })];
    const found = execFileSync('bash', words, { input: `${tree}\0`, env: { ...process.env, LC_ALL: 'C' } });
    const parser = new ListingParser();
    // A device's number is not in an inode's.
    const wanted = parser.push(found).map(({ entry }) => ({ ...entry, inode: entry.inode?.split(':')[1] ?? null }));
    const listing = parseLs(byLs(locale, zone));
    expect(listing?.complaints).toEqual([]);
    expect(listing?.inodes).toBe(parseInodes(execFileSync('du', ['-s', '--inodes', tree], { encoding: 'utf8' })));
    expect(sorted(listing?.entries ?? [])).toEqual(sorted(wanted));
  });

  it('is refused when any line of it is missing, and when it ends too early', () => {
    const lines = byLs('C').trimEnd().split('\n');
    for (const [at, line] of lines.entries()) {
      // A file without blocks is all that could go unnoticed.
      if (line === '' || line === 'total 0' || /^\s*\d+\s+0 /u.test(line)) continue;
      expect(parseLs(lines.filter((_, index) => index !== at).join('\n')), line).toBeNull();
    }
    expect(parseLs('')).toBeNull();
    expect(parseLs('Invalid command given.')).toBeNull();
  });

  it('leads nowhere else', () => {
    const line = '1 0 -rw-r--r-- 1 0 0 0 2026-01-01 00:00:00.000000000 +0000';
    for (const name of ['"../x"', '"/etc/passwd"', '".."', '"a/b"'])
      expect(parseLs(`"/workspace/":\ntotal 0\n${line} ${name}\n`)).toBeNull();
    expect(parseLs(`"/workspace/":\ntotal 0\n\n"/etc":\ntotal 0\n`)).toBeNull();
  });
});
