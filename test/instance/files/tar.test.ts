import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ByteReader } from '../../../src/instance/files/byte-reader.ts';
import { type ArchiveEntry, decodeArchive } from '../../../src/instance/files/tar-decoder.ts';
import { type ArchiveFile, encodeArchive } from '../../../src/instance/files/tar-encoder.ts';
import { BrokenArchive, RECORD, writeHeader } from '../../../src/instance/files/tar-format.ts';
import type { Range } from '../../../src/instance/files/tree-entry.ts';
import { hasGnuTools } from '../../workflows/copy/support/awkward-tree.ts';

const directory = mkdtempSync(join(tmpdir(), 'forgectl tar '));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Plain {
  name: string;
  mode: number;
  mtimeS: number;
  size: number;
  map: Range[] | null;
  data: Buffer;
}

async function* toFiles(files: readonly Plain[]): AsyncGenerator<ArchiveFile> {
  for (const { data, ...file } of files) yield { ...file, owner: { uid: 0, gid: 0 }, content: [data] };
}

async function encode(files: readonly Plain[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  // A piece is good until the next one.
  for await (const part of encodeArchive(toFiles(files))) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

function readerOf(bytes: Buffer, sizes: readonly number[] = [4096]): ByteReader {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
      const size = sizes[turn % sizes.length] ?? 1;
      yield bytes.subarray(at, at + size);
      at += size;
    }
  }
  return new ByteReader(chunks());
}

async function decode(bytes: Buffer, sizes?: readonly number[]): Promise<(Plain & { kind: string })[]> {
  const found: (Plain & { kind: string })[] = [];
  for await (const entry of decodeArchive(readerOf(bytes, sizes))) found.push(await readAll(entry));
  return found;
}

async function readAll({ content, ...entry }: ArchiveEntry): Promise<Plain & { kind: string }> {
  const parts: Buffer[] = [];
  for await (const part of content) parts.push(part);
  return { ...entry, data: Buffer.concat(parts) };
}

/** Comparing buffers byte by byte takes the test runner seconds. */
const summary = (file: Plain & { kind: string }): object => ({ ...file, data: file.data.toString('latin1') });

const lengths = fc.oneof(fc.constantFrom(0, 1, 511, 512, 513, 10_239, 10_240), fc.nat(3000));
const data = lengths.map((length) => Buffer.alloc(length, 'forgectl'));

/** Regions in order, with holes between them; each begins at a page. */
const holes: fc.Arbitrary<Pick<Plain, 'map' | 'size' | 'data'>> = fc
  .array(fc.record({ hole: fc.integer({ min: 1, max: 5 }), pages: fc.integer({ min: 1, max: 2 }) }), { maxLength: 40 })
  .chain((regions) => fc.record({ regions: fc.constant(regions), tail: fc.nat(20_000) }))
  .map(({ regions, tail }) => {
    const map: Range[] = [];
    let offset = 0;
    for (const { hole, pages } of regions) {
      offset += hole * 4096;
      map.push({ offset, length: pages * 4096 });
      offset += pages * 4096;
    }
    const bytes = map.reduce((sum, { length }) => sum + length, 0);
    return { map, size: offset + tail, data: Buffer.alloc(bytes, 'data') };
  });

const plain: fc.Arbitrary<Plain> = fc
  .record({
    name: fc.stringMatching(/^[a-z0-9]{1,100}$/u),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    mtimeS: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    body: fc.oneof(
      data.map((bytes) => ({ map: null, size: bytes.length, data: bytes })),
      holes,
    ),
  })
  .map(({ body, ...rest }) => ({ ...rest, ...body }));

describe('archives', () => {
  it('come back as they went, however they are cut into chunks', async () => {
    const chunks = fc.array(fc.integer({ min: 60, max: 70_000 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.array(plain, { maxLength: 4 }), chunks, async (files, sizes) => {
        const bytes = await encode(files);
        expect(bytes.length % RECORD).toBe(0);
        const back = await decode(bytes, sizes);
        expect(back.map(summary)).toEqual(files.map((file) => summary({ ...file, kind: 'file' })));
      }),
      { numRuns: 25 },
    );
  });

  it('leave the reader behind their end, wherever that falls in a record', async () => {
    for (let blocks = 0; blocks <= 41; blocks += 1) {
      const file = {
        name: 'a',
        mode: 0o644,
        mtimeS: 0,
        size: blocks * 512,
        map: null,
        data: Buffer.alloc(blocks * 512, 1),
      };
      const reader = readerOf(Buffer.concat([await encode([file]), Buffer.from('behind')]));
      for await (const _ of decodeArchive(reader));
      expect((await reader.take(6))?.toString(), `${blocks} blocks`).toBe('behind');
    }
  });

  it('go on with the next entry when the content of one is left unread', async () => {
    const files = ['a', 'b', 'c'].map((name) => {
      return { name, mode: 0o644, mtimeS: 0, size: 5000, map: null, data: Buffer.alloc(5000, name) };
    });
    const names: string[] = [];
    for await (const { name, content } of decodeArchive(readerOf(await encode(files)))) {
      names.push(name);
      if (name === 'b') for await (const part of content) if (part.length > 0) break;
    }
    expect(names).toEqual(['a', 'b', 'c']);
  });

  it('that announce more or less than they get are not made', async () => {
    const file = { name: 'a', mode: 0, mtimeS: 0, map: null, data: Buffer.alloc(10) };
    await expect(encode([{ ...file, size: 9 }])).rejects.toThrow(/more content/u);
    await expect(encode([{ ...file, size: 11 }])).rejects.toThrow(/less content/u);
  });
});

describe.skipIf(!hasGnuTools('archives beside GNU tar'))('archives and GNU tar', () => {
  it('tar unpacks what is encoded: content, mode, time and holes', async () => {
    const map = Array.from({ length: 30 }, (_, index) => ({ offset: index * 128 * 1024, length: 4096 }));
    const files: Plain[] = [
      { name: '0', mode: 0o4751, mtimeS: 1_600_000_000, size: 700, map: null, data: Buffer.alloc(700, 'x') },
      { name: '1', mode: 0o600, mtimeS: -5, size: 0, map: null, data: Buffer.alloc(0) },
      { name: '2', mode: 0o644, mtimeS: 7, size: 64 * 2 ** 20, map, data: Buffer.alloc(30 * 4096, 'y') },
      { name: '3', mode: 0o644, mtimeS: 7, size: 2 ** 20, map: [], data: Buffer.alloc(0) },
    ];
    execFileSync('tar', ['-x', '-p', '--no-same-owner', '-C', directory, '-f', '-'], { input: await encode(files) });
    for (const { name, mode, mtimeS, size } of files) {
      const stats = lstatSync(join(directory, name));
      expect({ mode: stats.mode & 0o7777, mtime: stats.mtimeMs / 1000, size: stats.size }).toEqual({
        mode: process.getuid?.() === 0 ? mode : stats.mode & 0o7777,
        mtime: mtimeS,
        size,
      });
    }
    const unpacked = readFileSync(join(directory, '2'));
    for (const { offset } of map) expect(unpacked.toString('latin1', offset, offset + 4096)).toBe('y'.repeat(4096));
    expect(statSync(join(directory, '2')).blocks).toBeLessThan(2000);
    expect(statSync(join(directory, '3')).blocks).toBeLessThan(100);
  });

  it('what tar packs is decoded: long names, bytes of any kind, holes', async () => {
    const names = [Buffer.from('plain'), Buffer.alloc(255, 'n'), Buffer.from([0x62, 0xff, 0xfe, 0x0a, 0x2d])];
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), name]), name);
    writeFileSync(join(directory, 'sparse'), Buffer.alloc(4096, 'z'));
    truncateSync(join(directory, 'sparse'), 3 * 2 ** 30);
    const list = Buffer.concat(
      [...names, Buffer.from('sparse')].flatMap((name) => [Buffer.from('./'), name, Buffer.alloc(1)]),
    );
    const words = ['-c', '-S', '-f', '-', '--format=gnu', '-C', directory, '--null', '-T', '-'];
    const packed = execFileSync('tar', words, {
      input: list,
      maxBuffer: 2 ** 26,
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    });
    expect(packed.length).toBeLessThan(100_000);
    const back = await decode(packed);
    expect(back.slice(0, 3).map((entry) => Buffer.from(entry.name, 'latin1'))).toEqual(names);
    expect(back.slice(0, 3).map((entry) => entry.data)).toEqual(names);
    expect(back[3]).toMatchObject({ size: 3 * 2 ** 30, map: [{ offset: 0, length: 4096 }] });
  });
});

describe('archives of a hostile machine', () => {
  const header = (name: string, typeFlag = '0'): Buffer =>
    writeHeader({ name, typeFlag, storedBytes: 0, mode: 0o644, mtimeS: 0, owner: { uid: 0, gid: 0 } });
  const archive = (...blocks: Buffer[]): Buffer => {
    const bytes = Buffer.concat([...blocks, Buffer.alloc(1024)]);
    return Buffer.concat([bytes, Buffer.alloc((RECORD - (bytes.length % RECORD)) % RECORD)]);
  };

  it.each(['../x', '/etc/passwd', 'a/../../b', 'a//b', '..', '.', '', 'a/./b', './../x', './/etc/passwd', 'a/..'])(
    'the name "%s" ends the reading',
    async (name) => {
      await expect(decode(archive(header(name)))).rejects.toThrow(BrokenArchive);
      await expect(decode(archive(header(name, '5')))).rejects.toThrow(BrokenArchive);
    },
  );

  it('no name that comes through leads out', async () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'b..', '...', '\\', ' ');
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 6 }), async (parts) => {
        const back = await decode(archive(header(parts.join('/')))).catch((error: unknown) => {
          expect(error).toBeInstanceOf(BrokenArchive);
          return [];
        });
        for (const { name } of back) expect(join('/base', name).startsWith('/base/')).toBe(true);
      }),
    );
  });

  it('a long name is no way around', async () => {
    const long = Buffer.from('../../outside\0');
    const block = writeHeader({
      name: '@',
      typeFlag: 'L',
      storedBytes: long.length,
      mode: 0,
      mtimeS: 0,
      owner: { uid: 0, gid: 0 },
    });
    const bytes = archive(block, Buffer.concat([long, Buffer.alloc(512 - long.length)]), header('fine'));
    await expect(decode(bytes)).rejects.toThrow(/leads out/u);
  });

  it.each(['1', '2', '3', '4', '6', '7', 'x', 'g', 'D', 'M', 'V'])('type "%s" is never a file', async (typeFlag) => {
    const [entry] = await decode(archive(header('name', typeFlag)));
    expect(entry?.kind).toBe('other');
  });

  it('whatever is changed, cut or made up, it ends with an answer or with BrokenArchive, and in time', async () => {
    const files = [
      { name: 'a', mode: 0o644, mtimeS: 1, size: 600, map: null, data: Buffer.alloc(600, 'a') },
      {
        name: 'b',
        mode: 0o644,
        mtimeS: 1,
        size: 40_000,
        map: [{ offset: 4096, length: 4096 }],
        data: Buffer.alloc(4096),
      },
    ];
    const good = await encode(files);
    const judge = async (bytes: Buffer): Promise<void> => {
      const result = await decode(bytes).catch((error: unknown) => error);
      if (!Array.isArray(result)) expect(result).toBeInstanceOf(BrokenArchive);
    };
    const place = fc.nat(3000);
    await fc.assert(
      fc.asyncProperty(place, fc.nat(255), fc.nat(good.length), async (at, byte, end) => {
        const changed = Buffer.from(good);
        changed[at] = byte;
        await judge(changed);
        await judge(good.subarray(0, end));
      }),
      { numRuns: 100 },
    );
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), (bytes) => judge(Buffer.from(bytes))));
  });

  it('a map of holes that does not fit is refused', async () => {
    const broken = async (map: Range[], size: number, bytes: number): Promise<void> => {
      const file = { name: 'a', mode: 0, mtimeS: 0, size, map, data: Buffer.alloc(bytes) };
      await expect(decode(await encode([file]))).rejects.toThrow(BrokenArchive);
    };
    await broken([{ offset: 8192, length: 4096 }], 4096, 4096);
    await broken(
      [
        { offset: 4096, length: 4096 },
        { offset: 0, length: 4096 },
      ],
      10_000,
      8192,
    );
    await broken(
      [
        { offset: 0, length: 8192 },
        { offset: 4096, length: 4096 },
      ],
      10_000,
      12_288,
    );
  });
});
