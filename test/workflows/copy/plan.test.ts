import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BytePath, fromText } from '../../../src/instance/files/byte-path.ts';
import type { Range, TreeEntry } from '../../../src/instance/files/tree-entry.ts';
import { compareEntries, isSameTime } from '../../../src/workflows/copy/compare.ts';
import { patternsOfFile, readExcludes } from '../../../src/workflows/copy/excludes.ts';
import { planTree, type TreePlan, type Wishes } from '../../../src/workflows/copy/plan.ts';
import { clip, cutRanges, splitForLanes } from '../../../src/workflows/copy/ranges.ts';
import { partName, stagingName } from '../../../src/workflows/copy/staging.ts';

const path = (text: string): BytePath => fromText(text);
const SECOND = 1_000_000_000n;

function entry(name: string, more: Partial<TreeEntry> = {}): TreeEntry {
  return {
    path: path(name),
    type: 'file',
    size: 10,
    mode: 0o644,
    mtimeNs: 5n * SECOND,
    target: null,
    inode: null,
    allocatedBytes: 4096,
    owner: { uid: 0, gid: 0 },
    ...more,
  };
}

const directory = (name: string, more: Partial<TreeEntry> = {}): TreeEntry =>
  entry(name, { type: 'directory', size: 0, mode: 0o755, allocatedBytes: 0, ...more });
const link = (name: string, target: string): TreeEntry => entry(name, { type: 'link', size: 0, target: path(target) });

const WISHES: Wishes = { noClobber: false, update: false, skipSame: true, links: 'all', largeBytes: 32 * 2 ** 20 };

function plan(source: TreeEntry[], existing: TreeEntry[] = [], wishes: Partial<Wishes> = {}): TreePlan {
  return planTree(
    {
      sourceBase: path('/source'),
      destinationBase: path('/destination'),
      pairs: source.map((one) => ({ source: one, destination: one.path })),
      existing: new Map(existing.map((one) => [one.path, one])),
      leavesBase: false,
    },
    { ...WISHES, ...wishes },
  );
}

const names = (items: readonly { destination: BytePath }[]): string[] => items.map((item) => item.destination);
const reasons = ({ skipped }: TreePlan): string[] =>
  skipped.map(({ destination, reason }) => `${destination} ${reason}`);
const kinds = ({ problems }: TreePlan): string[] => problems.map((one) => `${one.path} ${one.problem.kind}`);

describe('the plan of a copy', () => {
  it('tells what becomes of each path', () => {
    const made = plan([
      directory(''),
      entry('small'),
      entry('large', { size: 40 * 2 ** 20, allocatedBytes: 40 * 2 ** 20 }),
      entry('holes', { size: 2 ** 40, allocatedBytes: 2 ** 20 }),
      link('link', 'anywhere'),
      entry('pipe', { type: 'other' }),
    ]);
    expect(names(made.small)).toEqual(['small']);
    expect(names(made.large)).toEqual(['large', 'holes']);
    expect(names(made.links)).toEqual(['link']);
    expect(kinds(made)).toEqual(['/destination/pipe special']);
    expect(made.bytes).toBe(10 + 40 * 2 ** 20 + 2 ** 20);
  });

  it('skips what is there with the same size and time, and mends its mode', () => {
    const made = plan(
      [
        directory(''),
        entry('same'),
        entry('mode', { mode: 0o600 }),
        entry('size'),
        entry('time'),
        link('l', 'x'),
        link('m', 'x'),
      ],
      [
        directory(''),
        entry('same', { mtimeNs: 5n * SECOND + 500n }),
        entry('mode'),
        entry('size', { size: 11 }),
        entry('time', { mtimeNs: 6n * SECOND }),
        link('l', 'x'),
        link('m', 'y'),
      ],
    );
    expect(reasons(made)).toEqual(['same same', 'mode same', 'l same']);
    expect(names(made.modes)).toEqual(['mode']);
    expect(names(made.small)).toEqual(['size', 'time']);
    expect(names(made.links)).toEqual(['m']);
    expect(made.replaced).toBe(3);
    expect(names(plan([entry('same')], [entry('same')], { skipSame: false }).small)).toEqual(['same']);
  });

  it('leaves what is there with --no-clobber, and what is newer with --update', () => {
    const newer = entry('a', { mtimeNs: 9n * SECOND, size: 3 });
    const older = entry('a', { mtimeNs: 1n * SECOND, size: 3 });
    expect(reasons(plan([entry('a')], [older], { noClobber: true }))).toEqual(['a exists']);
    expect(reasons(plan([entry('a')], [newer], { update: true }))).toEqual(['a newer']);
    expect(names(plan([entry('a')], [older], { update: true }).small)).toEqual(['a']);
  });

  it('never takes a directory away for a file, nor the other way round', () => {
    const made = plan(
      [directory(''), directory('d'), entry('d/below'), directory('d/e'), entry('f'), link('g', 'x')],
      [directory(''), link('d', '/etc'), directory('f'), directory('g')],
    );
    expect(kinds(made)).toEqual([
      '/destination/d in_the_way',
      '/destination/f in_the_way',
      '/destination/g in_the_way',
    ]);
    expect([...names(made.small), ...names(made.links)]).toEqual([]);
    expect(names(made.directories)).toEqual(['']);
  });

  it('keeps further names of a file, unless the first is not a copy of it', () => {
    const pair = [entry('a', { inode: '1:1' }), entry('b', { inode: '1:1' })];
    expect(plan(pair).hardLinks).toMatchObject([{ destination: 'b', leader: 'a' }]);
    expect(names(plan(pair).small)).toEqual(['a']);
    const linked = pair.map((one) => ({ ...one, inode: '7:7' }));
    expect(reasons(plan(pair, linked))).toEqual(['a same', 'b same']);
    const apart = [entry('a', { inode: '7:7' }), entry('b', { inode: '7:8' })];
    expect(names(plan(pair, apart).hardLinks)).toEqual(['b']);
    // Another file has the first name, and stays: the second must not become a name of that one.
    const other = plan(pair, [entry('a', { size: 99 })], { noClobber: true });
    expect(names(other.hardLinks)).toEqual([]);
    expect(names(other.small)).toEqual(['b']);
  });

  it('finds its parts again, and never those of another source or another state of it', () => {
    const item = { source: entry('a'), destination: path('a') };
    const states = [{}, { size: 11 }, { mtimeNs: 6n * SECOND }].map((more) =>
      partName({ ...item, source: entry('a', more) }),
    );
    expect(new Set(states).size).toBe(3);
    expect(partName(item)).toBe(partName({ ...item }));
    const [one, two] = ['one', 'two'].map((name) =>
      stagingName({ source: { name } as never, stagingKey: 'mine' }, plan([entry('a')])),
    );
    expect(one).not.toBe(two);
    // Who does not know the key cannot have put a trap there.
    const owner = { source: { name: 'one' } as never, stagingKey: 'of another user' };
    expect(stagingName(owner, plan([entry('a')]))).not.toBe(one);
  });
});

describe('patterns of what is left out', () => {
  const fits = (pattern: string, text: string, isDirectory = false): boolean =>
    readExcludes([pattern])(path(text), isDirectory);

  it.each([
    ['*.ckpt', 'models/a.ckpt', true],
    ['*.ckpt', 'models/a.ckpt.txt', false],
    ['venv', 'a/venv', true],
    ['venv', 'a/venv2', false],
    ['a/*', 'a/b', true],
    ['a/*', 'a/b/c', false],
    ['a/*', 'x/a/b', false],
    ['/a', 'a', true],
    ['/a', 'b/a', false],
    ['a/**', 'a/b/c', true],
    ['**/b/c', 'a/b/c', true],
    ['**/b/c', 'b/c', true],
    ['a/**/c', 'a/c', true],
    ['?.png', 'ä.png', true],
    ['?.png', 'ab.png', false],
    ['[a-c]x', 'bx', true],
    ['[!a-c]x', 'bx', false],
    ['[', '[', true],
    ['a+b(c).{d}', 'a+b(c).{d}', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'axb', false],
    ['line*', 'line\nbreak', true],
  ])('"%s" and "%s": %s', (pattern, text, expected) => {
    expect(fits(pattern, text)).toBe(expected);
  });

  it('a slash at the end is for directories', () => {
    expect(fits('venv/', 'venv')).toBe(false);
    expect(fits('venv/', 'a/venv', true)).toBe(true);
  });

  it('a pattern without a meaning is wrong usage, and every other one works', () => {
    for (const bad of ['', '/', '[z-a]']) expect(() => readExcludes([bad]), bad).toThrow(/no pattern/u);
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '*', '?', '/', '[', ']', '!', '\\', '-', '^') }),
        (pattern) => {
          try {
            readExcludes([pattern])(path('aaaa/aaaa/aaaa'), false);
          } catch (error) {
            expect(error).toMatchObject({ code: 'BAD_PATTERN' });
          }
        },
      ),
    );
  });

  it('are read from a file', () => {
    expect(patternsOfFile('# models\n\n*.ckpt\r\n  venv/ \n')).toEqual(['*.ckpt', 'venv/']);
  });
});

describe('comparing', () => {
  it('names what differs', () => {
    const of = (one: TreeEntry, other?: TreeEntry): string[] => compareEntries(one, other).map(({ what }) => what);
    expect(of(entry('a'), entry('a'))).toEqual([]);
    expect(of(entry('a'))).toEqual(['missing']);
    expect(of(entry('a'), directory('a'))).toEqual(['type']);
    expect(of(link('a', 'x'), link('a', 'y'))).toEqual(['target']);
    expect(of(entry('a'), entry('a', { size: 11, mode: 0o600, mtimeNs: 0n }))).toEqual(['size', 'mode', 'mtime']);
    expect(of(directory('a'), directory('a', { mtimeNs: 1n }))).toEqual([]);
  });

  it('a disk that keeps whole seconds only has the same time', () => {
    expect(isSameTime(5n * SECOND + 123n, 5n * SECOND)).toBe(true);
    expect(isSameTime(5n * SECOND + 999_999_999n, 5n * SECOND)).toBe(true);
    expect(isSameTime(5n * SECOND + 5_000_000n, 5n * SECOND + 9_000_000n)).toBe(false);
    expect(isSameTime(5n * SECOND, 6n * SECOND)).toBe(false);
    expect(isSameTime(-5n * SECOND + 1n, -5n * SECOND + 900_000n)).toBe(true);
  });
});

describe('ranges', () => {
  const MIB = 2 ** 20;
  const ranges: fc.Arbitrary<Range[]> = fc
    .array(fc.record({ gap: fc.integer({ min: 1, max: 3 * MIB }), length: fc.integer({ min: 1, max: 40 * MIB }) }), {
      maxLength: 20,
    })
    .map((parts) => {
      let at = 0;
      return parts.map(({ gap, length }) => {
        const range = { offset: at + gap, length };
        at += gap + length;
        return range;
      });
    });

  const bytesOf = (list: readonly Range[]): number => list.reduce((sum, { length }) => sum + length, 0);

  it('shares for lanes hold every byte once, in order', () => {
    fc.assert(
      fc.property(ranges, fc.integer({ min: 1, max: 16 }), (list, lanes) => {
        const shares = splitForLanes(list, lanes, 8 * MIB).flat();
        expect(bytesOf(shares)).toBe(bytesOf(list));
        for (const share of shares) {
          expect(
            list.some(({ offset, length }) => share.offset >= offset && share.offset + share.length <= offset + length),
          ).toBe(true);
        }
        for (const [index, share] of shares.entries()) {
          const before = shares[index - 1];
          expect(before === undefined || before.offset + before.length <= share.offset).toBe(true);
        }
      }),
    );
  });

  it('a file in shreds costs no process for each', () => {
    const shreds = Array.from({ length: 5000 }, (_, index) => ({ offset: index * 128 * 1024, length: 4096 }));
    expect(splitForLanes(shreds, 4, 8 * MIB).flat().length).toBeLessThan(600);
  });

  it('pieces and clippings hold the same bytes', () => {
    fc.assert(
      fc.property(ranges, fc.integer({ min: 100_000, max: 50 * MIB }), fc.nat(100 * MIB), (list, most, middle) => {
        expect(bytesOf(cutRanges(list, most))).toBe(bytesOf(list));
        const halves = [...clip(list, 0, middle), ...clip(list, middle, Number.POSITIVE_INFINITY)];
        expect(bytesOf(halves)).toBe(bytesOf(list));
      }),
      { numRuns: 30 },
    );
  });
});
