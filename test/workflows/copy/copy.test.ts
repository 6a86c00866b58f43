import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DelayProxy } from '../../lab/delay-proxy.ts';
import type { LoopbackSshd } from '../../ssh/support/loopback-sshd.ts';
import { describeTree, hasGnuTools } from './support/awkward-tree.ts';
import { copy } from './support/two-sides.ts';

const MIB = 2 ** 20;
const PART = /^\.forgectl-part-/u;

describe.skipIf(!hasGnuTools('copies'))('a copy', () => {
  let top = '';
  let here = '';
  let machine: LoopbackSshd;
  let port = 0;
  let count = 0;
  const at = (name: string): string => join(here, name);

  beforeAll(async () => {
    const { openMachine } = await import('./support/two-sides.ts');
    machine = await openMachine();
    port = machine.port;
    top = mkdtempSync(join(tmpdir(), 'forgectl copy '));
  });
  beforeEach(() => {
    count += 1;
    here = join(top, String(count));
    mkdirSync(here);
  });
  afterAll(() => {
    machine.close();
    rmSync(top, { recursive: true, force: true });
  });

  it('goes into a directory that is there and becomes one that is not, as with cp', async () => {
    mkdirSync(at('from/below'), { recursive: true });
    writeFileSync(at('from/below/file'), 'content');
    for (const ends of [
      { from: null, to: port },
      { from: port, to: port },
    ]) {
      const to = at(`to ${ends.from}`);
      await copy({ ...ends, sources: [at('from')], destination: to });
      await copy({ ...ends, sources: [at('from')], destination: to });
      await copy({ ...ends, sources: [`${at('from')}/.`], destination: to });
      await copy({ ...ends, sources: [at('from/below/file')], destination: `${to}/new/` });
      const found = readdirSync(to, { recursive: true }).sort();
      expect(found).toEqual(['below', 'below/file', 'from', 'from/below', 'from/below/file', 'new', 'new/file']);
    }
  });

  it.each([
    ['up', true],
    ['down', false],
  ])('of large files goes in ranges, holes stay holes: %s', async (_, isUp) => {
    writeFileSync(at('large'), randomBytes(7 * MIB));
    writeFileSync(at('sparse'), randomBytes(MIB));
    truncateSync(at('sparse'), 3 * 1024 * MIB);
    truncateSync(at('sparse'), 3 * 1024 * MIB + 17);
    mkdirSync(at('to'));
    const ends = isUp ? { from: null, to: port } : { from: port, to: null };
    const sources = [at('large'), at('sparse')];
    const { mismatches, movedBytes } = await copy({ ...ends, sources, destination: at('to'), verify: 'fast' });
    expect(mismatches).toEqual([]);
    expect(readFileSync(at('to/large')).equals(readFileSync(at('large')))).toBe(true);
    expect(movedBytes).toBeLessThan(9 * MIB);
    expect(statSync(at('to/sparse')).size).toBe(3 * 1024 * MIB + 17);
    expect(statSync(at('to/sparse')).blocks * 512).toBeLessThan(3 * MIB);
    expect(readdirSync(at('to')).sort()).toEqual(['large', 'sparse']);
  });

  it.each([
    ['up', 'cut'],
    ['down', 'reset'],
    ['down', 'stall'],
  ] as const)('goes on where it stopped when the connection is lost: %s, %s', async (way, ending) => {
    mkdirSync(at('from'));
    writeFileSync(at('from/large'), randomBytes(5 * MIB));
    for (let index = 0; index < 30; index += 1) writeFileSync(at(`from/small ${index}`), randomBytes(50_000));
    const line = await DelayProxy.open({ host: '127.0.0.1', port, bytesPerSecond: 4 * MIB });
    const [from, to] = way === 'up' ? [null, line.port] : [line.port, null];
    let cuts = 0;
    const { mismatches, problems, losses, movedBytes } = await copy({
      from,
      to,
      sources: [at('from')],
      destination: at('to'),
      stallMs: ending === 'stall' ? 1500 : 20_000,
      onBytes: (bytes) => {
        if (bytes < (cuts + 1) * MIB || cuts === 2) return;
        cuts += 1;
        if (ending === 'cut') line.cut();
        else if (ending === 'reset') line.reset();
        else {
          line.stall();
          setTimeout(() => line.resume(), 2500);
        }
      },
    });
    await line.close();
    expect(cuts).toBe(2);
    expect(losses.length).toBeGreaterThan(0);
    expect([...mismatches, ...problems]).toEqual([]);
    expect(describeTree(at('to'))).toEqual(describeTree(at('from')));
    // Each loss costs at most what was on its way, not what had arrived.
    expect(movedBytes).toBeLessThan(12 * MIB);
  });

  it('that is interrupted leaves nothing half under its name, and goes on later', async () => {
    writeFileSync(at('large'), randomBytes(6 * MIB));
    for (const [from, to] of [
      [null, port],
      [port, null],
    ] as const) {
      const stop = new AbortController();
      const request = { from, to, sources: [at('large')], destination: at(`copy ${from}`), bytesPerS: 8 * MIB };
      const onBytes = (bytes: number): void => {
        if (bytes > 3.5 * MIB) stop.abort(new Error('enough'));
      };
      await expect(copy({ ...request, signal: stop.signal, onBytes })).rejects.toThrow('enough');
      expect(existsSync(request.destination)).toBe(false);
      expect(readdirSync(here).filter((name) => PART.test(name))).toHaveLength(1);
      const { movedBytes, mismatches } = await copy(request);
      expect(mismatches).toEqual([]);
      expect(movedBytes).toBeLessThan(5 * MIB);
      expect(readdirSync(here).filter((name) => PART.test(name))).toEqual([]);
    }
  });

  it('never goes on with the part of a source that has changed', async () => {
    const stop = new AbortController();
    const request = { from: null, to: port, sources: [at('large')], destination: at('copy'), bytesPerS: 8 * MIB };
    writeFileSync(at('large'), randomBytes(4 * MIB));
    const onBytes = (bytes: number): void => {
      if (bytes > 2 * MIB) stop.abort(new Error('enough'));
    };
    await expect(copy({ ...request, signal: stop.signal, onBytes })).rejects.toThrow('enough');
    writeFileSync(at('large'), randomBytes(4 * MIB));
    expect((await copy(request)).mismatches).toEqual([]);
    expect(readFileSync(at('copy')).equals(readFileSync(at('large')))).toBe(true);
  });

  it.each([
    ['up', true],
    ['down', false],
  ])('names what vanishes, grows or shrinks meanwhile, and keeps the old copy of it: %s', async (_, isUp) => {
    mkdirSync(at('from'));
    mkdirSync(at('to'));
    const names = ['gone', 'grown', 'shrunk', 'same'];
    for (const name of names) writeFileSync(at(`from/${name}`), randomBytes(300_000));
    for (const name of ['large grown', 'large gone', 'large shrunk'])
      writeFileSync(at(`from/${name}`), randomBytes(2 * MIB));
    writeFileSync(at('to/grown'), 'old');
    const ends = isUp ? { from: null, to: port } : { from: port, to: null };
    const { problems, mismatches } = await copy({
      ...ends,
      sources: [`${at('from')}/.`],
      destination: at('to'),
      meanwhile: () => {
        for (const name of ['gone', 'large gone']) rmSync(at(`from/${name}`));
        for (const name of ['grown', 'large grown']) appendFileSync(at(`from/${name}`), 'more');
        for (const name of ['shrunk', 'large shrunk']) truncateSync(at(`from/${name}`), 1000);
      },
    });
    expect(problems.map((text) => text.slice(at('to/').length)).sort()).toEqual([
      'gone vanished',
      'grown changed',
      'large gone vanished',
      'large grown changed',
      'large shrunk changed',
      'shrunk changed',
    ]);
    expect(mismatches).toEqual([]);
    expect(readdirSync(at('to')).sort()).toEqual(['grown', 'same']);
    expect(readFileSync(at('to/grown'), 'utf8')).toBe('old');
  });

  it('is found to differ by a byte, a mode, a time, a target and a missing file', async () => {
    mkdirSync(at('from'));
    for (const name of ['byte', 'mode', 'gone', 'fine']) {
      writeFileSync(at(`from/${name}`), 'content');
      utimesSync(at(`from/${name}`), 1_600_000_000, 1_600_000_000);
    }
    symlinkSync('one', at('from/link'));
    const request = { from: null, to: port, sources: [`${at('from')}/.`], destination: at('to') };
    await copy(request);
    const damage = (): void => {
      writeFileSync(at('to/byte'), 'conteNt');
      utimesSync(at('to/byte'), 1_600_000_000, 1_600_000_000);
      chmodSync(at('to/mode'), 0o600);
      rmSync(at('to/gone'));
    };
    damage();
    // Nothing is copied over what has the same size and time; the comparison sees it.
    const full = await copy({ ...request, wishes: { noClobber: false } });
    expect(full.mismatches).toEqual([`${at('to/byte')} content`]);
    expect(statSync(at('to/mode')).mode & 0o777).toBe(0o644);
    expect(readFileSync(at('to/gone'), 'utf8')).toBe('content');
    expect((await copy({ ...request, verify: 'fast' })).mismatches).toEqual([]);
    const mended = await copy({ ...request, wishes: { skipSame: false } });
    expect(mended.mismatches).toEqual([]);
    expect(readFileSync(at('to/byte'), 'utf8')).toBe('content');
  });

  it('leaves out what fits a pattern, and copies what a named link points at when asked', async () => {
    mkdirSync(at('from/venv/bin'), { recursive: true });
    for (const name of ['a.ckpt', 'b.txt', 'venv/bin/python']) writeFileSync(at(`from/${name}`), name);
    symlinkSync('from', at('link'));
    const ends = { from: port, to: null, exclude: ['*.ckpt', 'venv/'] };
    await copy({ ...ends, sources: [at('link')], destination: at('as a link'), wishes: { links: 'all' } });
    expect(readlinkSync(at('as a link'))).toBe('from');
    await copy({ ...ends, sources: [at('link')], destination: at('to'), followLinks: true });
    expect(readdirSync(at('to'))).toEqual(['b.txt']);
  });

  it('goes through no link at the destination, and replaces a file that is one', async () => {
    mkdirSync(at('from/models'), { recursive: true });
    writeFileSync(at('from/models/m'), 'new');
    writeFileSync(at('from/file'), 'new');
    mkdirSync(at('to'));
    mkdirSync(at('elsewhere'));
    symlinkSync('../elsewhere', at('to/models'));
    writeFileSync(at('target'), 'old');
    symlinkSync('../target', at('to/file'));
    for (const ends of [
      { from: null, to: port },
      { from: port, to: null },
    ]) {
      const { problems } = await copy({ ...ends, sources: [`${at('from')}/.`], destination: at('to') });
      expect(problems).toEqual([`${at('to/models')} in_the_way`]);
      expect(readdirSync(at('elsewhere'))).toEqual([]);
      expect([readFileSync(at('target'), 'utf8'), readFileSync(at('to/file'), 'utf8')]).toEqual(['old', 'new']);
    }
  });

  it.each([
    ['/', /belongs to the login/u],
    ['/root', /belongs to the login/u],
    ['/root/', /belongs to the login/u],
    ['/tmp/../root/.', /belongs to the login/u],
    ['no/such/directory', /no directory to put/u],
  ])('of a tree is refused at %s', async (destination, why) => {
    mkdirSync(at('from'));
    await expect(copy({ from: null, to: port, sources: [at('from')], destination })).rejects.toThrow(why);
  });

  it('is refused into itself, of nothing, and of two things to one place', async () => {
    mkdirSync(at('from/below'), { recursive: true });
    mkdirSync(at('other/from'), { recursive: true });
    const ends = { from: port, to: port };
    const tryTo = (sources: string[], destination: string) => copy({ ...ends, sources, destination });
    await expect(tryTo([at('from')], at('from/below'))).rejects.toThrow(/into itself/u);
    await expect(tryTo([at('from')], at('from/below/new'))).rejects.toThrow(/into itself/u);
    await expect(tryTo([at('none')], at('to'))).rejects.toMatchObject({ code: 'COPY_NO_PATH' });
    await expect(tryTo([at('from'), at('other/from')], at('to'))).rejects.toThrow(/Two of the sources/u);
    await expect(tryTo(['/'], at('to'))).rejects.toThrow(/as a whole/u);
    writeFileSync(at('file'), '');
    await expect(tryTo([at('from')], at('file'))).rejects.toThrow(/not a directory/u);
  });

  it('is refused before the first byte where there is no room', async () => {
    writeFileSync(at('a'), 'content');
    const twist = ({ destination }: { destination: { space: unknown } }): void => {
      destination.space = async () => ({ freeBytes: 1000, freeFiles: 5 });
    };
    await expect(
      copy({ from: null, to: port, sources: [at('a')], destination: at('b'), twist: twist as never }),
    ).rejects.toMatchObject({ code: 'DISK_FULL', details: { needed_bytes: 7, free_bytes: 1000 } });
    expect(existsSync(at('b'))).toBe(false);
  });

  it('goes no faster than it may', async () => {
    writeFileSync(at('a'), randomBytes(900_000));
    const startedMs = performance.now();
    await copy({
      from: null,
      to: port,
      sources: [at('a')],
      destination: at('b'),
      bytesPerS: 1_000_000,
      verify: 'none',
    });
    expect(performance.now() - startedMs).toBeGreaterThan(350);
  });
});
