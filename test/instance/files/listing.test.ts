import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type BytePath,
  fromBytes,
  fromText,
  staysInside,
  toBytes,
  toText,
} from '../../../src/instance/files/byte-path.ts';
import {
  isListed,
  listScript,
  readPackScript,
  resolveScript,
  startCommand,
} from '../../../src/instance/files/file-scripts.ts';
import { type Listed, ListingParser } from '../../../src/instance/files/listing.ts';
import { listLocal } from '../../../src/workflows/copy/local-tree.ts';
import { hasGnuTools, makeAwkwardTree } from '../../workflows/copy/support/awkward-tree.ts';

const top = mkdtempSync(join(tmpdir(), 'forgectl listing '));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const MARK = 'mark';

/** What a machine's login shell makes of the command. */
function runCommand(command: unknown, input: Buffer = Buffer.alloc(0)): Buffer {
  const { stdout: output } = spawnSync('bash', ['-c', String(command)], { input, maxBuffer: 2 ** 28 });
  return output.subarray(output.indexOf(`\n${MARK}\n`) + MARK.length + 2);
}

const fields = (...values: (string | number)[]): string => values.map((value) => `${value}\0`).join('');

describe('what find prints', () => {
  it('is read whatever bytes the names have, and however it is cut', () => {
    const name = fc
      .uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 40 })
      .filter((bytes) => !bytes.includes(0x2f) && bytes[0] !== 0x2e);
    const entry = fc.record({
      name,
      target: fc.uint8Array({ min: 1, max: 255, maxLength: 40 }),
      size: fc.nat(),
      link: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (entries, sizes) => {
          const bytes = Buffer.concat(
            entries.map((one) => {
              const kind = one.link ? 'l' : 'f';
              const head = fields('/base', kind, one.size, '644', '1600000000.1234567890', 1, '1:2', 8, '0:0');
              const target = one.link ? one.target : new Uint8Array();
              return Buffer.concat([Buffer.from(head), one.name, Buffer.alloc(1), target, Buffer.alloc(1)]);
            }),
          );
          const parser = new ListingParser();
          const found: Listed[] = [];
          for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
            const size = sizes[turn % sizes.length] ?? 1;
            found.push(...parser.push(bytes.subarray(at, at + size)));
            at += size;
          }
          expect(parser.isWhole).toBe(true);
          expect(found.map(({ entry: { path, target } }) => [path, target])).toEqual(
            entries.map((one) => [fromBytes(one.name), one.link ? fromBytes(one.target) : null]),
          );
        },
      ),
    );
  });

  it('is not whole when it ends in the middle', () => {
    const parser = new ListingParser();
    parser.push(Buffer.from('/base\0f\x001'));
    expect(parser.isWhole).toBe(false);
  });

  it('has an end: a machine may list without one', () => {
    const line = Buffer.from(fields('/base', 'f', 1, '644', '1.0', 1, '1:2', 8, '0:0', 'a', ''));
    const limits = { entries: 3, bytes: 1000 };
    const push = (parser: ListingParser, chunk: Buffer, times: number): void => {
      for (let time = 0; time < times; time += 1) parser.push(chunk);
    };
    expect(() => push(new ListingParser(limits), line, 3)).not.toThrow();
    expect(() => push(new ListingParser(limits), line, 4)).toThrow('more than 3 entries');
    expect(() => push(new ListingParser({ ...limits, entries: 1000 }), line, 1000)).toThrow('too long');
    expect(() => push(new ListingParser(), Buffer.alloc(1000, 'a'), 100)).toThrow('a name that no system takes');
  });

  it('has no numbers that are none', () => {
    const value = (at: number, bad: string): string => {
      const parts: (string | number)[] = ['/base', 'f', 1, '644', '1.0', 1, '1:2', 8, '0:0', 'a', ''];
      parts[at] = bad;
      return fields(...parts);
    };
    const numbers = ['', 'NaN', '-1', '1e9', '0x10', ' 1', '99999999999999999999', 'Infinity', '1.5'];
    for (const at of [2, 5, 7])
      for (const bad of numbers)
        expect(() => new ListingParser().push(Buffer.from(value(at, bad)))).toThrow('a number that is none');
    for (const bad of ['', '8', '-1', '0o777', '7777777'])
      expect(() => new ListingParser().push(Buffer.from(value(3, bad)))).toThrow('mode');
    for (const bad of ['', 'NaN', '1e5', '9'.repeat(16), '1.'.repeat(9)])
      expect(() => new ListingParser().push(Buffer.from(value(4, bad)))).toThrow('time');
    for (const bad of ['', ':', '0', '0:-1', 'root:root', '99999999999:0'])
      expect(() => new ListingParser().push(Buffer.from(value(8, bad)))).toThrow('number');
  });

  it.each(['../outside', '/etc/passwd', 'a/../../b', 'a//b', 'a/.'])('has no entry for "%s"', (path) => {
    const line = fields('/base', 'f', 1, '644', '1.0', 1, '1:2', 8, '0:0', path, '');
    expect(new ListingParser().push(Buffer.from(line))).toEqual([]);
  });
});

describe('paths as bytes', () => {
  it('survive the way there and back', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => toBytes(fromBytes(bytes)).equals(bytes)));
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => toText(fromText(text)) === text));
  });

  it('stay inside only when they are plain', () => {
    expect(['a', 'a/b', '..a', 'a..', '-n'].every(staysInside)).toBe(true);
    expect(['', '.', '..', '/a', 'a/', 'a//b', 'a/../b', './a', 'a\0b'].some(staysInside)).toBe(false);
  });
});

describe.skipIf(!hasGnuTools('listings of a machine'))('a machine and this computer', () => {
  makeAwkwardTree(join(top, 'tree'));
  const base = fromBytes(Buffer.from(join(top, 'tree')));

  it('see the same', async () => {
    const parser = new ListingParser();
    const output = runCommand(
      startCommand(listScript({ deep: true }), MARK),
      Buffer.concat([toBytes(base), Buffer.alloc(1)]),
    );
    const remote = parser.push(gunzipSync(output)).map(({ entry }) => entry);
    const { entries } = await listLocal([base], { deep: true });
    const byPath = (one: { path: string }, other: { path: string }): number => (one.path < other.path ? -1 : 1);
    expect(remote.length).toBeGreaterThan(25);
    expect(remote.sort(byPath)).toEqual(entries.get(base)?.sort(byPath));
  });

  it('see nothing where nothing is', async () => {
    const missing = `${base}/no such` as BytePath;
    const output = runCommand(
      startCommand(listScript({ deep: true }), MARK),
      Buffer.concat([toBytes(missing), Buffer.alloc(1)]),
    );
    expect(gunzipSync(output).length).toBe(0);
    expect((await listLocal([missing], { deep: true })).entries.size).toBe(0);
  });

  it('tell a list whose find was killed from one with a directory that cannot be read', () => {
    const end = (find: string): number | null => {
      const bin = mkdtempSync(join(top, 'bin-'));
      writeFileSync(join(bin, 'find'), `#!/bin/bash\n${find}\n`, { mode: 0o755 });
      const command = String(startCommand(listScript({ deep: true }), MARK));
      const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
      return spawnSync('bash', ['-c', command], { input: Buffer.concat([toBytes(base), Buffer.alloc(1)]), env }).status;
    };
    expect([0, 1].map((code) => isListed(end(`exit ${code}`) ?? -1))).toEqual([true, true]);
    expect(isListed(end('kill -9 $$') ?? -1)).toBe(false);
  });

  it('the listing behind an archive is of what was asked for', () => {
    const names = ['-n', 'new\nline', 'sub/data', 'no such file'];
    const output = runCommand(
      startCommand(readPackScript(base), MARK),
      Buffer.from(names.map((name) => `${name}\0`).join('')),
    );
    const found = new ListingParser().push(output.subarray(output.length - (output.length % 10_240)));
    expect(found.map(({ root }) => root)).toEqual(['./-n', './new\nline', './sub/data']);
  });

  it.each([
    ['directory', '', 'd', 'd'],
    ['file', '/plain.txt', 'f', 'd'],
    ['link to a directory', '/to a directory', 'd', 'd'],
    ['dangling link', '/dangling', 'l', 'd'],
    ['nothing in a directory', '/none', '-', 'd'],
    ['nothing in nothing', '/none/none', '-', '-'],
    ['name with a line break at its end', '/none\n', '-', 'd'],
  ])('a path leads to: %s', (_, below, kind, parent) => {
    const output = runCommand(startCommand(resolveScript(`${base}${below}` as BytePath), MARK))
      .toString('latin1')
      .split('\0');
    expect(output.slice(1, 3)).toEqual([kind, parent]);
    if (below.startsWith('/none')) expect(output[0]).toBe(`${base}${below}`);
  });
});
