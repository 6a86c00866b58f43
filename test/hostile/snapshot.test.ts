import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { type BytePath, fromText, toText } from '../../src/instance/files/byte-path.ts';
import type { TreeEntry } from '../../src/instance/files/tree-entry.ts';
import { readExcludes } from '../../src/workflows/copy/excludes.ts';
import { LocalSide } from '../../src/workflows/copy/local-side.ts';
import { Meter } from '../../src/workflows/copy/meter.ts';
import type { Listing, Side } from '../../src/workflows/copy/side.ts';
import { WayThroughHere } from '../../src/workflows/copy/way.ts';
import { listWorkspace } from '../../src/workflows/snapshot/create.ts';
import { decodeFiles } from '../../src/workflows/snapshot/file-list.ts';
import { type Gathered, Gathering } from '../../src/workflows/snapshot/gather.ts';
import { KnownContents } from '../../src/workflows/snapshot/plan-create.ts';
import { SnapshotStore } from '../../src/workflows/snapshot/store.ts';

const top = mkdtempSync(join(tmpdir(), 'forgectl hostile snapshot '));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const MB = 1024 * 1024;

describe('a snapshot of a machine that lies', () => {
  const workspace = join(top, 'workspace');
  const folder = join(top, 'folder');
  const store = new SnapshotStore(new LocalSide('/'), fromText(folder));

  let looks = 0;
  beforeEach(() => {
    looks = 0;
    for (const path of [workspace, folder]) rmSync(path, { recursive: true, force: true });
    mkdirSync(workspace);
  });

  async function gather(twist: (own: Side) => Partial<Side>): Promise<Gathered> {
    const local = new LocalSide('/');
    const source = Object.assign(Object.create(local) as Side, twist(local));
    const { signal } = new AbortController();
    const meter = new Meter({ clock: systemClock, signal, mostBytesPerS: null, onProgress: () => {} });
    const sides = { source, destination: store.side };
    const context = {
      ...sides,
      way: new WayThroughHere({ ...sides, meter }),
      ...{ meter, clock: systemClock, signal, stop: () => {}, lanes: 2, leastShareBytes: 1e6 },
      ...{ keepOwner: false, stagingKey: 'key', resume: true, onProblem: () => {}, onLoss: () => {} },
    };
    const { entries } = await listWorkspace({ source }, fromText(workspace), readExcludes([]));
    await store.prepare();
    const told = { onRead: () => {}, onCopied: () => {}, onHashed: async () => {} };
    const known = new KnownContents();
    return new Gathering({ context, store, workspace: fromText(workspace), entries, known, ...told }).run();
  }

  /** A list in which each file is changed. */
  const listing =
    (own: Side, change: (entry: TreeEntry, look: number) => TreeEntry): Side['list'] =>
    async (paths, options): Promise<Listing> => {
      looks += 1;
      const { entries, complaints } = await own.list(paths, options);
      const changed = [...entries].map(([path, found]): [BytePath, TreeEntry[]] => [
        path,
        found.map((entry) => (entry.type === 'file' ? change(entry, looks) : entry)),
      ]);
      return { entries: new Map(changed), complaints };
    };
  const bytesBelow = (directory: string): number =>
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).blocks * 512, 0);

  it('no more comes than was listed, though all of it was said to be holes', async () => {
    const size = 400 * MB;
    writeFileSync(join(workspace, 'model'), Buffer.alloc(1));
    const piece = Buffer.alloc(MB, 'x');
    const gathered = gather((own) => ({
      list: listing(own, (entry) => ({ ...entry, size, allocatedBytes: 4096 })),
      hashFiles: async (_, entries) => entries.map(() => 'a'.repeat(64)),
      // Now it is full of data.
      map: async () => [{ offset: 0, length: size }],
      async *readRanges(_, ranges) {
        for (const { length } of ranges)
          for (let at = 0; at < length; at += piece.length) yield piece.subarray(0, length - at);
      },
    }));
    await expect(gathered).rejects.toMatchObject({ code: 'MORE_THAN_PLANNED' });
    expect(bytesBelow(folder)).toBeLessThan(100 * MB);
  });

  it('a file that is larger with each look, and never what it was, is left out', async () => {
    writeFileSync(join(workspace, 'log'), 'x'.repeat(1000));
    let read = 0;
    const { problems, files } = await gather((own) => ({
      list: listing(own, (entry, look) => ({ ...entry, size: look === 1 ? 1000 : 2 ** 50 })),
      hashFiles: async (_, entries) => entries.map(() => 'b'.repeat(64)),
      async *readRanges() {
        for (;;) {
          read += MB;
          if (read > 500 * MB) throw new Error('too much was read');
          yield Buffer.alloc(MB);
        }
      },
    }));
    expect(problems.map(({ path, kind }) => [toText(path), kind])).toEqual([['log', 'changed']]);
    expect(files.map(({ path }) => path)).toEqual(['']);
    expect(read).toBe(0);
  });

  it('no mode in it lends rights', async () => {
    for (const [name, mode] of Object.entries({ suid: 0o4755, sgid: 0o2755, plain: 0o640 })) {
      writeFileSync(join(workspace, name), name);
      chmodSync(join(workspace, name), mode);
    }
    const { files } = await gather(() => ({}));
    const modes = Object.fromEntries(files.map(({ path, mode }) => [toText(path), mode.toString(8)]));
    expect(modes).toMatchObject({ suid: '755', sgid: '755', plain: '640' });
  });

  it('a folder on a machine that says its manifest is endless', async () => {
    const other = new LocalSide('/');
    mkdirSync(join(folder, 'snapshots/one'), { recursive: true });
    writeFileSync(join(folder, 'snapshots/one/manifest.json'), '{}');
    let isRead = false;
    const lying = Object.assign(Object.create(other) as Side, {
      list: listing(other, (entry) => ({ ...entry, size: 2 ** 50 })),
      readRanges: async function* () {
        isRead = true;
        yield Buffer.alloc(1);
      },
    } satisfies Partial<Side>);
    const [found] = await new SnapshotStore(lying, fromText(folder)).list();
    expect(found).toMatchObject({ name: 'one', manifest: null, problem: { code: 'SNAPSHOT_DAMAGED' } });
    expect(isRead).toBe(false);
    expect(existsSync(folder)).toBe(true);
  });
});

it('a list of a snapshot that anybody may have written restores no bit that lends rights', () => {
  const common = { mtime_ns: '0', uid: 0, gid: 0 };
  const root = { path: '', type: 'directory', mode: '7755', ...common };
  const file = { path: 'su', type: 'file', bytes: 1, sha256: 'a'.repeat(64), mode: '6755', ...common };
  const files = decodeFiles(`${JSON.stringify(root)}\n${JSON.stringify(file)}\n`, 'x');
  expect(files.map(({ mode }) => mode.toString(8))).toEqual(['755', '755']);
});
