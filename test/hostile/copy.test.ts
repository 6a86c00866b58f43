import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ForgeError } from '../../src/errors.ts';
import { stagingName } from '../../src/workflows/copy/staging.ts';
import type { LoopbackSshd } from '../ssh/support/loopback-sshd.ts';
import { hasGnuTools } from '../workflows/copy/support/awkward-tree.ts';
import { type CopyCase, copy, openMachine, STAGING_KEY } from '../workflows/copy/support/two-sides.ts';
import { GuardedFolder } from './support/guarded-folder.ts';
import { type Lies, LyingSide, lies, type Row } from './support/lying-side.ts';

const folder = new GuardedFolder();
beforeEach(() => folder.reset());
afterAll(() => folder.remove());

const MANY = ['most', 'all'].includes(process.env['FAULT_CASES'] ?? '');

/** A copy from a machine that lies; null, or the error with which it was refused. */
async function copyLies(told: Lies, more: Partial<CopyCase> & Pick<CopyCase, 'sources'>): Promise<ForgeError | null> {
  const twist: CopyCase['twist'] = (sides) => {
    sides.source = new LyingSide(told);
  };
  try {
    await copy({ from: 1, to: null, destination: folder.at('dest'), verify: 'fast', twist, ...more });
    return null;
  } catch (error) {
    if (error instanceof ForgeError) return error;
    throw error;
  }
}

const HONEST: Lies = {
  rows: [],
  topKind: 'd',
  hasTop: true,
  topLast: false,
  real: '/w/out',
  kind: 'directory',
  holes: false,
};
const ROW = {
  size: '3',
  mode: '644',
  time: '1700000000.5',
  names: '1',
  inode: '1:1',
  blocks: '8',
  owner: '0:0',
  target: '',
};
const file = (path: string, more: object = {}): Row => ({ ...ROW, kind: 'f', path, ...more });
const link = (path: string, target: string): Row => ({ ...ROW, kind: 'l', path, target });

describe('a machine that lies about its files', () => {
  it('changes nothing beside the destination, whatever it lists and wherever it says that paths lead', async () => {
    const typed = fc.constantFrom('out', 'out/', 'out/.', '', '~', '.', 'm.safetensors', '/w/out');
    const place = fc.constantFrom('dest', 'dest/', 'dest/sub', 'dest/sub/', 'dest/a', 'dest/m.safetensors');
    const wishes = fc.record({
      noClobber: fc.boolean(),
      skipSame: fc.boolean(),
      largeBytes: fc.constantFrom(4, 2 ** 25),
    });
    const round = fc.record({ lies: lies(folder.top), typed, place, wishes, followLinks: fc.boolean() });
    let copies = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(round, { minLength: 4, maxLength: 4 }), async (rounds) => {
        folder.reset();
        symlinkSync('../outside', folder.at('dest', 'b'));
        for (const one of rounds) {
          const { typed: source, place: to, ...rest } = one;
          const refused = await copyLies(one.lies, {
            ...rest,
            sources: [source],
            destination: folder.at(to) + (to.endsWith('/') ? '/' : ''),
          });
          if (refused === null) copies += 1;
          expect(folder.changes()).toEqual([]);
        }
      }),
      { numRuns: MANY ? 1500 : 120 },
    );
    // Most lies are small enough to be copied.
    expect(copies).toBeGreaterThan(50);
  });

  it.each(['/x/..', '/..', '/w/../.bashrc', 'rel', '/w//x', '/w/.'])('never names the copy: %s', async (real) => {
    const told = { ...HONEST, real, rows: [file('x')] };
    for (const source of ['out/', 'out']) {
      await copyLies(told, { sources: [source], destination: folder.at('dest'), followLinks: true });
      expect(folder.changes()).toEqual([]);
    }
    expect(existsSync(folder.at('dest', 'out'))).toBe(true);
  });

  it('gets a copy under the name that was typed', async () => {
    const told = { ...HONEST, real: '/elsewhere/.ssh', rows: [file('authorized_keys')] };
    for (const [source, name] of [
      ['out/', 'out'],
      ['', 'workspace'],
      ['~', 'root'],
      ['~/deep/pics/', 'pics'],
    ] as const) {
      expect(await copyLies(told, { sources: [source], followLinks: true })).toBeNull();
      expect(existsSync(folder.at('dest', name, 'authorized_keys'))).toBe(true);
    }
    expect(existsSync(folder.at('dest', '.ssh'))).toBe(false);
  });

  it.each(['out/', 'out/.', ''])('must have a directory where one was asked for: %s', async (source) => {
    for (const topKind of ['f', 'l', 'p'] as const) {
      const error = await copyLies({ ...HONEST, topKind, rows: [link('x', '/etc')] }, { sources: [source] });
      expect(error?.message).toContain('is not a directory');
    }
  });

  it('plants no link that leads out, and a later copy goes through none', async () => {
    symlinkSync('../outside', folder.at('dest', 'mine'));
    const bad = [
      '/etc',
      '../..',
      '../../.bashrc',
      'sub/../../../x',
      'x/../../y',
      '../dest',
      '',
      'mine/keep.txt',
      'mine',
    ];
    const good = ['sub/file', './sub', 'sub', 'good 0', 'nothing'];
    const rows = [
      file('sub', { kind: 'd' }),
      file('sub/file'),
      ...bad.map((target, index) => link(`bad ${index}`, target)),
      link('led on', 'bad 0'),
      ...good.map((target, index) => link(`good ${index}`, target)),
      link('sub/up', '../good 0'),
      link('sub/out', '../../.bashrc'),
    ];
    const { problems } = await copy({
      from: 1,
      to: null,
      sources: ['out/.'],
      destination: folder.at('dest'),
      verify: 'fast',
      twist: (sides) => {
        sides.source = new LyingSide({ ...HONEST, rows });
      },
    });
    const left = [...bad.map((_, index) => `bad ${index}`), 'sub/out'];
    expect(problems.sort()).toEqual(left.map((name) => `${folder.at('dest', name)} outward_link`).sort());
    for (const name of left) expect(existsSync(folder.at('dest', name))).toBe(false);
    for (const name of ['led on', 'sub/up', ...good.map((_, index) => `good ${index}`)])
      expect(lstatSync(folder.at('dest', name)).isSymbolicLink()).toBe(true);
    // The same again: its own links are no strangers'.
    expect(await copyLies({ ...HONEST, rows }, { sources: ['out/.'] })).toBeNull();
    expect(folder.changes()).toEqual([]);
  });

  it('plants none under the name that was typed, either', async () => {
    const planted = { ...HONEST, topKind: 'l', rows: [link('x', folder.at('.bashrc'))] };
    const request = { sources: ['m.safetensors'], destination: folder.at('dest', 'm.safetensors') };
    expect((await copyLies(planted, request))?.code).toBe('COPY_LINK');
    expect(await copyLies({ ...HONEST, topKind: 'f' }, request)).toBeNull();
    expect(readFileSync(folder.at('dest', 'm.safetensors'), 'utf8')).toBe('EEE');
    expect(folder.changes()).toEqual([]);
    const wanted = await copyLies(planted, {
      ...request,
      destination: folder.at('dest', 'l'),
      wishes: { links: 'all' },
    });
    expect(wanted).toBeNull();
    expect(lstatSync(folder.at('dest', 'l')).isSymbolicLink()).toBe(true);
  });

  it('makes no file that acts as its owner', async () => {
    const rows = [
      file('tool', { mode: '4755' }),
      file('group', { mode: '2755' }),
      file('d', { kind: 'd', mode: '3777' }),
    ];
    expect(await copyLies({ ...HONEST, rows }, { sources: ['out'] })).toBeNull();
    for (const name of ['tool', 'group', 'd']) expect(statSync(folder.at('dest', 'out', name)).mode & 0o7000).toBe(0);
  });
});

describe('another user of this computer, who puts something under the name of a staging folder', () => {
  const told = { ...HONEST, rows: [file('a'), file('b', { size: '4096' })] };
  const name = (): string => {
    const tree = { sourceBase: '/w/out', destinationBase: folder.at('dest', 'out') };
    return stagingName({ source: new LyingSide(told), stagingKey: STAGING_KEY }, { tree } as never);
  };

  it.each([
    ['a link to a directory', () => symlinkSync('../../outside', folder.at('dest', 'out', name()))],
    ['an open directory', () => mkdirSync(folder.at('dest', 'out', name()), 0o777)],
    ['a file', () => writeFileSync(folder.at('dest', 'out', name()), '')],
  ])('gets nothing written or removed there: %s', async (what, plant) => {
    mkdirSync(folder.at('dest', 'out'));
    mkdirSync(folder.at('outside', 'pack-1'));
    writeFileSync(folder.at('outside', 'pack-1', 'mine'), 'mine');
    plant();
    if (what === 'an open directory') chmodSync(folder.at('dest', 'out', name()), 0o777);
    for (const largeBytes of [4, 2 ** 25]) {
      const refused = await copyLies(told, { sources: ['out'], wishes: { largeBytes } });
      expect(refused?.code).toBe('COPY_NOT_WRITABLE');
    }
    expect(readFileSync(folder.at('outside', 'pack-1', 'mine'), 'utf8')).toBe('mine');
    expect(existsSync(folder.at('dest', 'out', 'a'))).toBe(false);
  });
});

describe.skipIf(!hasGnuTools('a machine whose bash lies'))('a machine whose bash lies', () => {
  const machines: LoopbackSshd[] = [];
  afterAll(() => {
    for (const machine of machines) machine.close();
  });

  async function lyingMachine(lie: string): Promise<number> {
    const bin = folder.at('bin');
    mkdirSync(bin, { recursive: true });
    copyFileSync(fileURLToPath(new URL('./support/lying-bash.py', import.meta.url)), join(bin, 'bash'));
    chmodSync(join(bin, 'bash'), 0o755);
    const machine = await openMachine({ PATH: `${bin}:${process.env['PATH']}`, LIE: lie });
    machines.push(machine);
    return machine.port;
  }

  it.each([
    'endless field',
    'endless packed field',
    ...(MANY ? ['endless list (long)'] : []),
    'endless status',
    'length that is none',
    'negative length',
    'length beyond all',
    'status that is none',
    'size that is none',
    'negative size',
    'mode that is none',
    'time that is none',
    'path with dots',
    'kind that is none',
  ])('is found out: %s', async (lie) => {
    const port = await lyingMachine(lie.replace(' (long)', ''));
    mkdirSync(folder.at('from'));
    const request = { from: port, to: null, sources: [`${folder.at('from')}/`], destination: folder.at('dest') };
    const error = await copy(request).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ForgeError);
    expect((error as ForgeError).code).toBe('REMOTE_ANSWER_UNREADABLE');
  });
});
