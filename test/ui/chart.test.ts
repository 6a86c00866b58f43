import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderBars } from '../../src/ui/chart.ts';
import { describeTerminal } from '../../src/ui/terminal.ts';

const plain = { columns: 40, unicode: true, colorOnStdout: false };
const bars = fc.array(
  fc.record({
    name: fc.constantFrom('11-24', '01-01'),
    parts: fc.tuple(fc.double({ min: -1, max: 1e6, noNaN: true }), fc.double({ min: -1, max: 1e6, noNaN: true })),
    text: fc.constantFrom('$0.00', '$12.34', '~$0.123'),
  }),
  { minLength: 1, maxLength: 12 },
);
const lengthOf = ([one, other]: readonly [number, number]): number => Math.max(0, one) + Math.max(0, other);

describe('bars', () => {
  it('fit the terminal, one line each; what costs more is not shorter, what costs something is seen', async () => {
    await fc.assert(
      fc.asyncProperty(bars, fc.integer({ min: 1, max: 300 }), fc.boolean(), async (rows, columns, unicode) => {
        const lines = (await renderBars(rows, { ...plain, columns, unicode })).split('\n');
        expect(lines).toHaveLength(rows.length);
        const cells = lines.map(
          (line) => line.match(unicode ? /[█░]/gu : / {2}([#-]+) {2}/u)?.[unicode ? 'length' : 1],
        );
        const lengths = cells.map((found) => (typeof found === 'string' ? found.length : (found ?? 0)));
        const longestText = Math.max(...rows.map(({ name, text }) => name.length + text.length)) + 6;
        for (const line of lines) expect([...line].length).toBeLessThanOrEqual(Math.max(columns, longestText));
        for (const [at, row] of rows.entries()) {
          expect(lines[at]).toContain(row.text);
          if (lengthOf(row.parts) <= 0) expect(lengths[at]).toBe(0);
          else if (columns > longestText + 4) expect(lengths[at]).toBeGreaterThan(0);
          for (const [other, next] of rows.entries())
            if (lengthOf(row.parts) > lengthOf(next.parts))
              expect(lengths[at]).toBeGreaterThanOrEqual(lengths[other] ?? 0);
        }
      }),
    );
  });

  it('show both parts, in signs that need no colour', async () => {
    const rows = [
      { name: '11-23', parts: [1, 1] as const, text: '$2.00' },
      { name: '11-24', parts: [0, 0] as const, text: '$0.00' },
    ];
    expect(await renderBars(rows, { ...plain, columns: 24 })).toBe('11-23  █████░░░░░  $2.00\n11-24  $0.00');
    expect(await renderBars(rows, { ...plain, columns: 24, unicode: false })).toBe(
      '11-23  #####-----  $2.00\n11-24  $0.00',
    );
  });

  it('are 80 columns wide in a pipe, and as long as ever with colour', async () => {
    const rows = [{ name: '11-23', parts: [1, 1] as const, text: '$2.00' }];
    const inPipe = await renderBars(rows, { ...plain, columns: Number.POSITIVE_INFINITY });
    expect([...inPipe]).toHaveLength(80);
    const inColor = await renderBars(rows, { ...plain, columns: Number.POSITIVE_INFINITY, colorOnStdout: true });
    expect(inColor).not.toBe(inPipe);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colour is made of them
    expect(inColor.replace(/\u001b\[[\d;]+m/gu, '')).toBe(inPipe);
  });

  it('cannot be broken by a name', async () => {
    const rows = [{ name: 'a\nb\u001b[2J', parts: [1, 0] as const, text: '$1\u202e' }];
    expect(await renderBars(rows, plain)).toMatch(/^a b {2}█+ {2}\$1$/u);
  });
});

describe('drawing beyond ASCII', () => {
  const unicode = (env: NodeJS.ProcessEnv): boolean =>
    describeTerminal({ stdin: {}, stdout: {}, stderr: {}, env }).unicode;
  it.each([
    [{ LANG: 'en_US.UTF-8' }, true],
    [{ LANG: 'C', LC_ALL: 'C.utf8' }, true],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'de_DE.ISO-8859-1' }, false],
    [{ LANG: 'C.UTF-8', TERM: 'dumb' }, false],
    [{}, false],
  ])('%j: %s', (env, expected) => {
    expect(unicode(env)).toBe(expected);
  });
});
