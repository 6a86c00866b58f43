import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BytePath, fromBytes, fromText, staysInside } from '../../../src/instance/files/byte-path.ts';
import { decodeFiles, encodeFiles, toEntries } from '../../../src/workflows/snapshot/file-list.ts';
import type { Manifest, SnapshotFile } from '../../../src/workflows/snapshot/manifest.ts';
import { decodeManifest, encodeManifest, isSnapshotName } from '../../../src/workflows/snapshot/manifest-json.ts';

const SHA = 'a'.repeat(64);

const ROOT: SnapshotFile = {
  path: '' as BytePath,
  type: 'directory',
  size: 0,
  mode: 0o755,
  mtimeNs: 1n,
  target: null,
  sha256: null,
  sameAs: null,
  allocatedBytes: 0,
  owner: { uid: 0, gid: 0 },
};

/** Any bytes that a file system takes as one name. */
const name = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  .map((bytes) => fromBytes(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x5f : byte))))
  .filter((text) => text !== '.' && text !== '..');
const target = fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => fromBytes(bytes.map((byte) => byte || 1)));
const common = {
  mode: fc.integer({ min: 0, max: 0o777 }),
  mtimeNs: fc.bigInt({ min: -(10n ** 18n), max: 10n ** 19n }),
  owner: fc.record({ uid: fc.nat(), gid: fc.nat() }),
};
const entry = fc.oneof(
  fc.record({ ...common, type: fc.constant('file' as const), size: fc.maxSafeNat(), allocatedBytes: fc.maxSafeNat() }),
  fc.record({ ...common, type: fc.constant('directory' as const) }),
  fc.record({ ...common, type: fc.constant('link' as const), target }),
);

/** A tree: each entry lies in the root or in an earlier directory; files may be names of earlier ones. */
const tree = fc.array(fc.tuple(name, entry, fc.nat(), fc.boolean()), { maxLength: 30 }).map((items) => {
  const files: SnapshotFile[] = [ROOT];
  for (const [own, given, place, isShared] of items) {
    const directories = files.filter(({ type }) => type === 'directory');
    const parent = (directories[place % directories.length] as SnapshotFile).path;
    const path = (parent === '' ? own : `${parent}/${own}`) as BytePath;
    if (files.some((file) => file.path === path)) continue;
    const file = { ...ROOT, ...given, path } as SnapshotFile;
    if (file.type === 'file') {
      const first = isShared ? files.find(({ type, sameAs }) => type === 'file' && sameAs === null) : undefined;
      file.size = first?.size ?? file.size;
      file.sha256 = first?.sha256 ?? SHA;
      file.sameAs = first?.path ?? null;
      file.allocatedBytes = Math.min(file.allocatedBytes, file.size);
    }
    files.push(file);
  }
  return files;
});

describe('the list of files', () => {
  it('brings back names of any bytes, every mode, time and link', () => {
    fc.assert(
      fc.property(tree, (files) => {
        const text = encodeFiles(files);
        expect(text.split('\n')).toHaveLength(files.length + 1);
        expect(decodeFiles(text, 'x')).toEqual(files);
      }),
    );
  });

  it('names of one file have one inode, and others none', () => {
    const file = { ...ROOT, type: 'file' as const, sha256: SHA, path: 'a' as BytePath };
    const files = [
      ROOT,
      file,
      { ...file, path: 'b' as BytePath, sameAs: 'a' as BytePath },
      { ...file, path: 'c' as BytePath },
    ];
    expect(toEntries(files).map(({ inode }) => inode)).toEqual([null, 'a', 'a', null]);
  });

  it('whatever it says, nothing that is read leads out of the workspace or through a link', () => {
    const word = fc.constantFrom(
      '..',
      '.',
      '',
      'a',
      'b',
      '/',
      '/etc',
      'a/b',
      '../x',
      'a/../../x',
      'link',
      'link/x',
      'a\0b',
    );
    const line = fc
      .record({
        path: word,
        type: fc.constantFrom('file', 'directory', 'link', 'other'),
        bytes: fc.oneof(fc.nat(), fc.constant(-1), fc.constant('1')),
        sha256: fc.constantFrom(SHA, '../../x', null),
        mode: fc.constantFrom('0644', '99', 420),
        mtime_ns: fc.constantFrom('1', 1, 'x'),
        target: fc.oneof(fc.constant('/etc'), fc.constant(undefined)),
        uid: fc.nat(),
        gid: fc.nat(),
      })
      .map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(fc.array(fc.oneof(line, fc.string()), { maxLength: 6 }), (lines) => {
        let files: SnapshotFile[];
        try {
          files = decodeFiles([encodeFiles([ROOT]).trim(), ...lines, ''].join('\n'), 'x');
        } catch (error) {
          expect(error).toMatchObject({ code: 'SNAPSHOT_DAMAGED' });
          return;
        }
        const types = new Map(files.map((file) => [file.path as string, file.type]));
        for (const { path } of files.slice(1)) {
          expect(staysInside(path)).toBe(true);
          const parts = path.split('/');
          for (let count = 1; count < parts.length; count += 1)
            expect(types.get(parts.slice(0, count).join('/'))).toBe('directory');
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['../up', 'leads out'],
    ['/etc/passwd', 'leads out'],
    ['a/../../b', 'leads out'],
    ['link/x', 'no directory'],
    ['nowhere/x', 'no directory'],
    ['link', 'twice'],
  ])('%s is refused', (path, why) => {
    const link = { ...ROOT, type: 'link' as const, path: 'link' as BytePath, target: '/root/.ssh' as BytePath };
    const bad = { ...ROOT, type: 'file' as const, path: fromText(path), sha256: SHA };
    expect(() => decodeFiles(encodeFiles([ROOT, link, bad]), 'x')).toThrow(why);
  });

  it('a cut-off list is no list', () => {
    const text = encodeFiles([ROOT, { ...ROOT, path: 'a' as BytePath }]);
    for (let length = 0; length < text.length; length += 1)
      if (text[length - 1] !== '\n') expect(() => decodeFiles(text.slice(0, length), 'x')).toThrow(/damaged/u);
  });
});

const MANIFEST: Manifest = {
  version: 1,
  name: 'first',
  startedAt: '2026-01-31T00:00:00.000Z',
  finishedAt: '2026-01-31T00:01:00.000Z',
  forgectl: '0.1.0',
  source: { instanceId: 1, label: 'we "b"\n', gpuName: null, numGpus: 1, workspace: '/workspace' },
  launch: {
    templateHashId: null,
    templateName: null,
    image: 'x',
    runtype: 'ssh_direct',
    diskGb: 20,
    ports: ['22/tcp'],
    env: { A: "$(b) 'c'" },
    secretNames: ['HF_TOKEN'],
  },
  forge: {
    head: 'a'.repeat(40),
    subject: 's',
    branch: null,
    remoteUrl: null,
    editsSha256: SHA,
    editsBase64: null,
    editedPaths: 0,
  },
  extensions: [{ name: 'e', head: 'b'.repeat(40), branch: 'main', remoteUrl: null, isEdited: true }],
  venv: { freeze: ['a==1'], torch: { torch: '2.9.1' } },
  excluded: ['*.x'],
  totals: { files: 1, directories: 1, links: 0, bytes: 1, newBytes: 1 },
  unsettled: [],
  problems: [],
  filesSha256: SHA,
};

describe('the manifest', () => {
  it('comes back as it was, and any byte that is flipped in it shows', () => {
    const text = encodeManifest(MANIFEST);
    expect(decodeManifest(text, 'x')).toEqual(MANIFEST);
    const bytes = Buffer.from(text);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] as number) ^ (1 << bit);
        let read: Manifest;
        try {
          read = decodeManifest(flipped.toString('utf8'), 'x');
        } catch (error) {
          expect(['SNAPSHOT_DAMAGED', 'SNAPSHOT_TOO_NEW']).toContain((error as { code: string }).code);
          return;
        }
        // White space between keys is nobody's loss.
        expect(read).toEqual(MANIFEST);
      }),
      { numRuns: 500 },
    );
  });

  it('of a newer version is left alone; garbage is damage', () => {
    const newer = encodeManifest({ ...MANIFEST, version: 2 });
    expect(() => decodeManifest(newer, 'x')).toThrow(expect.objectContaining({ code: 'SNAPSHOT_TOO_NEW', exit: 9 }));
    for (const text of ['', '{}', '[]', 'null', '{"format":"forgectl-snapshot"}', newer.slice(0, 100)])
      expect(() => decodeManifest(text, 'x')).toThrow(expect.objectContaining({ code: 'SNAPSHOT_DAMAGED' }));
    const bare = encodeManifest({ ...MANIFEST, launch: undefined } as unknown as Manifest);
    expect(() => decodeManifest(bare, 'x')).toThrow('lacks');
  });

  it.each(['', '.', '..', 'a/b', '../x', '-x', 'a b', 'a\n', 'x'.repeat(101), 'a.'])('%j is no name', (bad) => {
    expect(isSnapshotName(bad)).toBe(false);
  });
});
