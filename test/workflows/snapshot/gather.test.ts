import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { fromText, toText } from '../../../src/instance/files/byte-path.ts';
import { readExcludes } from '../../../src/workflows/copy/excludes.ts';
import { LocalSide } from '../../../src/workflows/copy/local-side.ts';
import { Meter } from '../../../src/workflows/copy/meter.ts';
import type { Side } from '../../../src/workflows/copy/side.ts';
import type { TransferContext } from '../../../src/workflows/copy/transfer.ts';
import { WayThroughHere } from '../../../src/workflows/copy/way.ts';
import { listWorkspace } from '../../../src/workflows/snapshot/create.ts';
import { type Gathered, Gathering } from '../../../src/workflows/snapshot/gather.ts';
import { leftOut } from '../../../src/workflows/snapshot/leave-out.ts';
import { estimateCreate, KnownContents } from '../../../src/workflows/snapshot/plan-create.ts';
import { SnapshotStore } from '../../../src/workflows/snapshot/store.ts';
import { makeAwkwardTree } from '../copy/support/awkward-tree.ts';

const top = mkdtempSync(join(tmpdir(), 'forgectl gather '));
afterAll(() => rmSync(top, { recursive: true, force: true }));

describe('reading a machine into a folder', () => {
  const workspace = join(top, 'workspace');
  const folder = join(top, 'above', 'folder');
  const at = (name: string): string => join(workspace, name);
  const store = new SnapshotStore(new LocalSide('/'), fromText(folder));

  beforeEach(() => {
    rmSync(workspace, { recursive: true, force: true });
    rmSync(join(top, 'above'), { recursive: true, force: true });
    mkdirSync(workspace);
  });

  /** One whole reading; `twist` is what the machine does meanwhile. */
  async function gather(twist: Partial<Side> = {}, known = new KnownContents()): Promise<Gathered> {
    const local = new LocalSide('/');
    const source = Object.assign(Object.create(local) as Side, twist);
    const { signal } = new AbortController();
    const meter = new Meter({ clock: systemClock, signal, mostBytesPerS: null, onProgress: () => {} });
    const sides = { source, destination: store.side };
    const context: TransferContext = {
      ...sides,
      way: new WayThroughHere({ ...sides, meter }),
      meter,
      clock: systemClock,
      signal,
      stop: () => {},
      lanes: 2,
      leastShareBytes: 1e6,
      stagingKey: 'key',
      keepOwner: false,
      resume: true,
      onProblem: () => {},
      onLoss: () => {},
    };
    const { entries } = await listWorkspace({ source }, fromText(workspace), readExcludes([]));
    await store.prepare();
    return new Gathering({
      context,
      store,
      workspace: fromText(workspace),
      entries,
      known,
      onRead: () => {},
      onCopied: () => {},
      onHashed: async () => {},
    }).run();
  }

  const objectOf = async (gathered: Gathered, name: string): Promise<string | null> => {
    const hash = gathered.files.find(({ path }) => toText(path) === name)?.sha256 ?? null;
    return hash === null ? null : readFileSync(join(folder, 'objects', hash.slice(0, 2), hash), 'utf8');
  };
  /** Hashes first, and then something happens to the file. */
  const afterHash = (act: (round: number) => void): Partial<Side> => {
    let round = 0;
    return {
      hashFiles: async (base, entries, onBytes) => {
        const hashes = await new LocalSide('/').hashFiles(base, entries, onBytes);
        round += 1;
        act(round);
        return hashes;
      },
    };
  };

  it('everything that a file system takes, and the same again costs nothing', async () => {
    makeAwkwardTree(at('tree'));
    const first = await gather();
    expect(first).toMatchObject({ unsettled: [], problems: [{ kind: 'special' }] });
    expect(first.files.filter(({ sameAs }) => sameAs !== null)).toHaveLength(2);
    expect(await store.findDamage(first.files)).toEqual([]);
    expect(readdirSync(join(folder, 'incoming'))).toEqual([]);
    const again = await gather();
    expect(again.newBytes).toBe(0);
    const known = new KnownContents();
    known.add(first.files, null);
    const unread = await gather({ hashFiles: async () => expect.unreachable('read again') }, known);
    expect(unread.files).toEqual(first.files);
  });

  it('a file that changes once is read again; one that never rests is taken as it comes, and named', async () => {
    writeFileSync(at('once'), 'before');
    writeFileSync(at('log'), 'line 0\n');
    const gathered = await gather(
      afterHash((round) => {
        if (round === 1) writeFileSync(at('once'), 'after it');
        appendFileSync(at('log'), `line ${round}\n`);
      }),
    );
    expect(await objectOf(gathered, 'once')).toBe('after it');
    expect(await objectOf(gathered, 'log')).toMatch(/^line 0\nline 1\n/u);
    expect(gathered.problems).toEqual([]);
    expect(await store.findDamage(gathered.files)).toEqual([]);
  });

  it('what vanishes or shrinks is named, and never half in it', async () => {
    for (const name of ['gone', 'shrinks', 'stays']) writeFileSync(at(name), `${name} `.repeat(1000));
    const gathered = await gather(
      afterHash((round) => {
        rmSync(at('gone'), { force: true });
        truncateSync(at('shrinks'), 3000 - round);
      }),
    );
    expect(gathered.problems.map(({ path, kind }) => `${toText(path)} ${kind}`)).toEqual(
      expect.arrayContaining(['gone vanished']),
    );
    expect(gathered.files.map(({ path }) => toText(path))).toContain('stays');
    expect(gathered.files.map(({ path }) => toText(path))).not.toContain('gone');
    expect(await store.findDamage(gathered.files)).toEqual([]);
  });

  it('content that is torn on its way is not kept under its name', async () => {
    writeFileSync(at('a'), 'a'.repeat(1000));
    let torn = 0;
    const gathered = await gather({
      openPack: (base, entries) => {
        const pack = new LocalSide('/').openPack(base, entries);
        async function* files(): typeof pack.files extends AsyncIterable<infer F> ? AsyncGenerator<F> : never {
          for await (const file of pack.files) {
            torn += 1;
            yield torn === 1 ? { ...file, content: [Buffer.alloc(1000, 'x')] } : file;
          }
        }
        return { files: files(), settle: () => pack.settle() };
      },
    });
    expect(torn).toBe(2);
    expect(await objectOf(gathered, 'a')).toBe('a'.repeat(1000));
    expect(readdirSync(join(folder, 'objects'), { recursive: true })).toHaveLength(2);
  });

  it('no room: nothing is brought, and it says how much is missing', async () => {
    writeFileSync(at('a'), 'a'.repeat(1000));
    const space = store.side.space;
    store.side.space = async () => ({ freeBytes: 500, freeFiles: 10 });
    await expect(gather()).rejects.toMatchObject({ code: 'DISK_FULL', exit: 8 });
    store.side.space = space;
    expect(readdirSync(join(folder, 'incoming'))).toEqual([]);
  });

  it('the estimate names the biggest trees; models and .env are left out when they should be', async () => {
    for (const name of ['models', 'outputs', '.cache']) mkdirSync(at(name));
    writeFileSync(at('models/a.safetensors'), 'm'.repeat(5000));
    writeFileSync(at('outputs/a.png'), 'o'.repeat(300));
    writeFileSync(at('.cache/x'), 'c');
    writeFileSync(at('.env'), 'A=b');
    symlinkSync('a', at('link'));
    const list = async (models: boolean, env: boolean): Promise<string[]> => {
      const exclude = readExcludes(leftOut({ exclude: [], models, env }));
      const { entries } = await listWorkspace({ source: new LocalSide('/') }, fromText(workspace), exclude);
      return entries.map(({ path }) => toText(path)).filter((path) => path.includes('.') || path === 'link');
    };
    expect(await list(true, false)).toEqual(['link', 'models/a.safetensors', 'outputs/a.png']);
    expect(await list(false, true)).toEqual(['.env', 'link', 'outputs/a.png']);
    const { entries } = await listWorkspace({ source: new LocalSide('/') }, fromText(workspace), () => false);
    expect(estimateCreate(entries, new KnownContents())).toMatchObject({
      files: 4,
      links: 1,
      bytes: 5304,
      mostNewBytes: 5304,
      biggest: [{ path: 'models', bytes: 5000, files: 1 }, { path: 'outputs' }, { path: '.env' }, { path: '.cache' }],
    });
  });
});
