import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { type BytePath, fromText } from '../../src/instance/files/byte-path.ts';
import { ListingParser } from '../../src/instance/files/listing.ts';
import { parseLs } from '../../src/instance/files/ls-listing.ts';
import type { TreeEntry } from '../../src/instance/files/tree-entry.ts';
import { LEASE_S } from '../../src/instance/migration/direct/passage.ts';
import { allowedBytes, BoundedWay } from '../../src/workflows/allowance.ts';
import type { Meter } from '../../src/workflows/copy/meter.ts';
import type { RemoteRunner, Running } from '../../src/workflows/copy/remote-runner.ts';
import type { PackedItem } from '../../src/workflows/copy/side.ts';
import type { Way } from '../../src/workflows/copy/way.ts';
import { readChoice } from '../../src/workflows/migrate/left-out.ts';
import { DirectWay } from '../../src/workflows/migrate/transports/direct-way.ts';
import { Puller } from '../../src/workflows/migrate/transports/puller.ts';
import { Renewal } from '../../src/workflows/migrate/transports/renewal.ts';

const path = (text: string): BytePath => fromText(text);
const entryOf = (name: string, more: Partial<TreeEntry> = {}): TreeEntry => ({
  path: path(name),
  type: 'file',
  size: 10,
  mode: 0o644,
  mtimeNs: 5n,
  target: null,
  inode: null,
  allocatedBytes: 4096,
  owner: { uid: 0, gid: 0 },
  ...more,
});

describe('what a hostile source brings', () => {
  it('its setuid, setgid and sticky bits are never read, by either way to list it', () => {
    const modes = ['4755', '2755', '6711', '1777', '644'];
    const rows = modes.map((mode) => `/w\0f\x001\0${mode}\x001.0\x001\x001:1\x008\x000:0\0${mode}\0\0`).join('');
    const listed = new ListingParser().push(Buffer.from(rows)).map(({ entry }) => entry.mode.toString(8));
    expect(listed).toEqual(['755', '755', '711', '777', '644']);
    const ls = ['rwsr-xr-x', 'rwxr-sr-x', 'rws--s--x', 'rwxrwxrwt', 'rw-r--r--'].map(
      (rights, index) => `${index} 0 -${rights} 1 0 0 1 2026-01-01 00:00:00.000000000 +0000 "${index}"`,
    );
    const found = parseLs(`"/w":\ntotal 0\n${ls.join('\n')}\n`)?.entries.slice(1) ?? [];
    expect(found.map(({ mode }) => mode.toString(8))).toEqual(listed);
  });

  it('nothing under the names that belong to migrations, whatever it is', () => {
    const isOut = readChoice({ destinationId: 7, include: ['**'], exclude: [] });
    for (const isDirectory of [true, false]) {
      expect(isOut(path('.forgectl-migrate-ab12'), isDirectory)).toBe(true);
      expect(isOut(path('below/.forgectl-migrate-ab12'), isDirectory)).toBe(false);
      const usual = readChoice({ destinationId: 7, include: [], exclude: [] });
      expect(usual(path('.venv-backups/7'), isDirectory)).toBe(true);
    }
  });

  const plan = { totals: { bytes: 1000, files: 2 } };
  const sending = (pieces: number): Way => ({
    async bringRanges(_, onBytes) {
      for (let at = 0; at < pieces; at += 1) onBytes(1024 * 1024);
    },
    async bringPack(_, onBytes) {
      for (let at = 0; at < pieces; at += 1) onBytes(1024 * 1024);
      return new Map();
    },
  });
  const ranges = { from: path('/a'), to: path('/b'), ranges: [] };
  const pack = { sourceBase: path('/a'), place: { base: path('/b'), aside: path('c'), keepOwner: true }, items: [] };

  it('more than twice of what was planned is stopped, over all files together', async () => {
    const least = Math.floor(allowedBytes(plan) / (1024 * 1024));
    const way = new BoundedWay(sending(least / 2), plan);
    await way.bringRanges(ranges, () => {});
    await way.bringPack(pack, () => {});
    await expect(way.bringPack(pack, () => {})).rejects.toMatchObject({ code: 'MORE_THAN_PLANNED', exit: 8 });
    await expect(new BoundedWay(sending(1e6), plan).bringRanges(ranges, () => {})).rejects.toMatchObject({
      code: 'MORE_THAN_PLANNED',
    });
  });

  it('what is planned is allowed twice, whatever its size', () => {
    for (const bytes of [0, 1, 1e9, 1e15])
      expect(allowedBytes({ totals: { bytes, files: 1 } })).toBeGreaterThan(2 * bytes);
  });
});

describe('what a hostile destination says while it fetches', () => {
  const runnerSaying = (lines: readonly string[]): { runner: RemoteRunner; cut: unknown[] } => {
    const cut: unknown[] = [];
    async function* output(): AsyncGenerator<Buffer> {
      for (const line of lines) yield Buffer.from(line);
    }
    const running: Running = {
      write: async () => true,
      endInput: () => {},
      output: output(),
      ended: Promise.resolve({
        exitCode: 3,
        signal: null,
        stderr: '\u001b]0;owned\u0007gone',
      }) as unknown as Running['ended'],
      cut: (reason) => cut.push(reason),
    };
    return { runner: { start: async () => running } as unknown as RemoteRunner, cut };
  };
  const wish = { place: '/p', address: { host: '192.0.2.1', port: 22 }, hostKeyType: 'ssh-ed25519' };
  const READY = '{"ready":true,"away_ms":5}\n';
  const pull = async (lines: readonly string[]) => {
    const { runner, cut } = runnerSaying(lines);
    return { puller: await Puller.pull(runner, wish, { name: 'new', top: path('/w/new') }), cut };
  };

  it.each([
    ['a distance that is no number', '{"ready":true,"away_ms":"far"}\n'],
    ['a negative one', '{"ready":true,"away_ms":-1}\n'],
    ['one without end', '{"ready":true,"away_ms":1e999}\n'],
    ['none', '{"ready":true}\n'],
    ['a list', '[]\n'],
    ['nothing', 'null\n'],
    ['no JSON', '{"ready"\n'],
  ])('%s is no answer', async (_, line) => {
    await expect(pull([line])).rejects.toMatchObject({ code: 'REMOTE_ANSWER_UNREADABLE' });
  });

  it.each([
    ['bytes that are no number', '{"bytes":"many"}\n'],
    ['fewer than none', '{"bytes":-5}\n'],
    ['endlessly many', '{"bytes":1e999}\n'],
    ['problems that are none', '{"done":true,"problems":{"0":"x"}}\n'],
    ['a kind of problem that we do not know', '{"done":true,"problems":[[0,"__proto__",null]]}\n'],
    ['a problem with half a file', '{"done":true,"problems":[[0.5,"changed",null]]}\n'],
    ['no object', '7\n'],
  ])('%s end the job', async (_, line) => {
    const { puller, cut } = await pull([READY, line]);
    await expect(puller.run({}, () => {})).rejects.toMatchObject({ code: 'REMOTE_ANSWER_UNREADABLE' });
    expect(cut).toHaveLength(1);
  });

  it('a line without end is not held', async () => {
    const chunk = '9'.repeat(64 * 1024);
    const { puller } = await pull([READY, ...Array.from({ length: 8000 }, () => chunk)]);
    const before = process.memoryUsage().heapUsed;
    await expect(puller.run({}, () => {})).rejects.toMatchObject({ code: 'REMOTE_ANSWER_UNREADABLE' });
    // Half a gigabyte came; the tests before it have left some of their own.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 1024 * 1024);
  });

  it('its words are short and on one line', async () => {
    const words = JSON.stringify(`\u001b]0;owned\u0007\u009b2J${'x'.repeat(1000)}`);
    const { puller } = await pull([READY, `{"done":true,"problems":[[0,"changed",${words}]],"unreadable":${words}}\n`]);
    const { problems, unreadable } = await puller.run({}, () => {});
    for (const said of [problems[0]?.[2], unreadable]) {
      expect(said?.length).toBeLessThanOrEqual(200);
      expect(said).not.toMatch(/\p{Cc}/u);
    }
    await expect(puller.run({}, () => {})).rejects.toMatchObject({
      message: expect.not.stringMatching(/\p{Cc}/u) as unknown as string,
    });
  });

  it('is never asked to write beside the staging folder', async () => {
    const jobs: unknown[] = [];
    const way = new DirectWay({
      newPuller: async () => ({ run: async (job: unknown) => jobs.push(job), close: () => {} }) as unknown as Puller,
      top: path('/w/new'),
      meter: { move: () => {} } as unknown as Meter,
      lanesFor: () => 1,
      mostBytesPerS: null,
      deflates: false,
    });
    for (const to of ['/w/newer/x', '/w/new', '/w/new/', '/w/new/../x', '/x', '/w/new/a//b'])
      await expect(
        way.bringRanges({ from: path('/a'), to: path(to), ranges: [] }, () => {}),
        to,
      ).rejects.toThrow();
    const item: PackedItem = { source: entryOf('a'), destination: path('../a') };
    const place = { base: path('/w/new'), aside: path('.part'), keepOwner: true };
    await expect(way.bringPack({ sourceBase: path('/w'), place, items: [item] }, () => {})).rejects.toThrow();
    expect(jobs).toEqual([]);
  });
});

describe('the lease of a direct migration', () => {
  const quarter = (LEASE_S * 1000) / 4;

  /** Passes by hand, and a sleep of it is over when that says so. */
  class HandClock implements Clock {
    private time = 0;
    private sleepers: { untilMs: number; wake: () => void }[] = [];

    now(): number {
      return this.time;
    }

    sleep(ms: number): Promise<void> {
      return new Promise((wake) => this.sleepers.push({ untilMs: this.time + ms, wake }));
    }

    async advance(ms: number): Promise<void> {
      this.time += ms;
      const due = this.sleepers.filter(({ untilMs }) => untilMs <= this.time);
      this.sleepers = this.sleepers.filter((sleeper) => !due.includes(sleeper));
      for (const { wake } of due) wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it('is renewed several times before it ends, for as long as the pass works', async () => {
    const clock = new HandClock();
    let renewed = 0;
    const renewal = new Renewal(async () => {
      renewed += 1;
    }, clock);
    renewal.start();
    for (let minute = 0; minute < LEASE_S / 60; minute += 1) await clock.advance(60_000);
    expect(renewed).toBeGreaterThanOrEqual(3);
    renewal.stop();
    const until = renewed;
    for (let minute = 0; minute < LEASE_S / 60; minute += 1) await clock.advance(60_000);
    expect(renewed).toBe(until);
  });

  it('is renewed before a connection is opened, by one at a time, and again after a failure', async () => {
    const clock = new HandClock();
    let [renewed, isDown] = [0, true];
    const renewal = new Renewal(async () => {
      renewed += 1;
      if (isDown) throw new Error('no network');
    }, clock);
    await renewal.ifDue();
    expect(renewed).toBe(0);
    await clock.advance(quarter + 1);
    await expect(renewal.ifDue()).rejects.toThrow('no network');
    isDown = false;
    await Promise.all([renewal.ifDue(), renewal.ifDue(), renewal.ifDue()]);
    await renewal.ifDue();
    expect(renewed).toBe(2);
  });
});
