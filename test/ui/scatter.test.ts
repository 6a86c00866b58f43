import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeAxis } from '../../src/ui/axis.ts';
import { renderScatter, type ScatterOptions, type ScatterPoint } from '../../src/ui/scatter.ts';

const plain = { good: String, bad: String, faint: String, strong: String, marks: [String] };
const options: ScatterOptions = {
  width: 80,
  height: 18,
  unicode: true,
  x: { title: 'price', format: (value) => `$${Number(value.toPrecision(3))}` },
  y: { title: 'speed', format: (value) => String(Number(value.toPrecision(3))) },
  paint: plain,
};
const widest = (picture: string): number => Math.max(...picture.split('\n').map((line) => [...line].length));
const number = fc.oneof(
  fc.double({ min: 0, max: 1e6, noNaN: true }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0, -1, 1e-300, 1e300, 0.1, 0.1),
);
const points: fc.Arbitrary<ScatterPoint[]> = fc.array(
  fc.record({ x: number, y: number, mark: fc.option(fc.constantFrom('1', '2', '3')) }),
  { maxLength: 60 },
);

describe('a scatter in the terminal', () => {
  it('is never wider than the terminal, whatever is drawn', () => {
    fc.assert(
      fc.property(
        points,
        fc.integer({ min: 1, max: 220 }),
        fc.integer({ min: -3, max: 60 }),
        (drawn, width, height) => {
          expect(widest(renderScatter(drawn, { ...options, width, height }))).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  it('without unicode it is ASCII', () => {
    fc.assert(
      fc.property(points, (drawn) => {
        expect(renderScatter(drawn, { ...options, unicode: false })).toMatch(/^[\n -~]*$/u);
      }),
    );
  });

  it('draws nothing, one point, equal points and a thousand', () => {
    expect(renderScatter([], options)).toBe('Nothing to draw.');
    expect(renderScatter([{ x: Number.NaN, y: 1, mark: null }], options)).toBe('Nothing to draw.');
    const one = renderScatter([{ x: 0.3, y: 98, mark: '1' }], options);
    expect(one).not.toMatch(/[·•●]/u);
    expect(one).toContain('1');
    const equal = renderScatter(Array(7).fill({ x: 0.3, y: 98, mark: null }), options);
    expect(equal.match(/●/gu)).toHaveLength(1);
    const many = Array.from({ length: 1000 }, (_, index) => ({
      x: 0.1 + index / 1000,
      y: 20 + (index % 90),
      mark: null,
    }));
    expect(widest(renderScatter(many, options))).toBeLessThanOrEqual(80);
  });

  it('puts dear to the right and fast to the top, and a mark over dots', () => {
    const drawn = renderScatter(
      [
        { x: 0.1, y: 10, mark: 'a' },
        { x: 0.5, y: 50, mark: 'b' },
        { x: 0.5, y: 50, mark: null },
        { x: 0.5, y: 50, mark: 'c' },
      ],
      options,
    ).split('\n');
    const find = (mark: string) => {
      const row = drawn.findIndex((line, index) => index > 0 && index < 19 && line.includes(mark));
      return { row, column: drawn[row]?.indexOf(mark) ?? -1 };
    };
    expect(find('b').row).toBeLessThan(find('a').row);
    expect(find('b').column).toBeGreaterThan(find('a').column);
    expect(find('c').row).toBe(-1);
  });

  it('colour changes no width', () => {
    const loud = { ...plain, good: (text: string) => `<${text}>` };
    const drawn = [{ x: 1, y: 1, mark: '1' }];
    expect(renderScatter(drawn, { ...options, paint: loud }).replaceAll(/[<>]/gu, '')).toBe(
      renderScatter(drawn, options),
    );
  });

  it('says so where there is no room, and when steps are factors', () => {
    expect(renderScatter([{ x: 1, y: 1, mark: null }], { ...options, width: 9 })).toBe('The termi');
    const wide = renderScatter(
      [
        { x: 0.05, y: 90, mark: null },
        { x: 5, y: 100, mark: null },
      ],
      options,
    );
    expect(wide).toContain('price, log scale');
    expect(wide).not.toContain('speed, log scale');
  });
});

describe('an axis', () => {
  it('has few ticks, in order, inside, and places its values between its ends', () => {
    const finite = fc.double({ min: 1e-3, max: 1e5, noNaN: true });
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 20 }), fc.integer({ min: 2, max: 9 }), (values, most) => {
        const { place, ticks } = makeAxis(values, most);
        for (const value of [...values, ...ticks]) {
          expect(place(value)).toBeGreaterThanOrEqual(-1e-9);
          expect(place(value)).toBeLessThanOrEqual(1 + 1e-9);
        }
        expect(ticks.length).toBeGreaterThan(0);
        expect(ticks.length).toBeLessThanOrEqual(most + 2);
        expect(ticks).toEqual([...new Set(ticks)].sort((one, other) => one - other));
      }),
    );
  });

  it.each([
    [[0.21, 0.58], 7, [0.2, 0.3, 0.4, 0.5, 0.6]],
    [[23, 98], 5, [20, 40, 60, 80, 100]],
    [[0.07, 3.9], 7, [0.1, 0.2, 0.5, 1, 2]],
    [[5, 5], 3, [4.5, 5, 5.5]],
    [[0, 0], 3, [-1, 0, 1]],
  ])('%j is numbered roundly', (values, most, ticks) => {
    expect(makeAxis(values, most).ticks).toEqual(ticks);
  });
});
