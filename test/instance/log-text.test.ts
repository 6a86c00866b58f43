import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanLogLine } from '../../src/instance/clean-log.ts';
import { LINE_LIMIT_BYTES, LineAssembler } from '../../src/instance/log-text/line-assembler.ts';
import { lineTimeMs } from '../../src/instance/log-text/line-time.ts';
import { linesAfter, wholeLines } from '../../src/instance/log-text/log-window.ts';

/** A text in chunks, cut at these places. */
function assemble(bytes: Buffer, cuts: readonly number[]): { lines: string[]; rest: string | null } {
  const assembler = new LineAssembler();
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((one, other) => one - other);
  const lines: string[] = [];
  let at = 0;
  for (const place of [...places, bytes.length]) {
    lines.push(...assembler.push(bytes.subarray(at, place)));
    at = place;
  }
  return { lines, rest: assembler.end() };
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ unit: 'grapheme' }).map((text) => Buffer.from(text)),
);
const text = fc.array(fc.oneof(bytes, fc.constantFrom(...['\n', '\r', '\r\n'].map((end) => Buffer.from(end)))));
const cuts = fc.array(fc.nat({ max: 5000 }));

describe('lines of a log', () => {
  it('are the same wherever the bytes were cut, and one for each line end', () => {
    fc.assert(
      fc.property(text, cuts, (parts, places) => {
        const whole = Buffer.concat(parts);
        const { lines, rest } = assemble(whole, places);
        expect([...lines, ...(rest === null ? [] : [rest])]).toEqual(splitAtOnce(whole));
      }),
    );
  });

  function splitAtOnce(whole: Buffer): string[] {
    const lines: string[] = [];
    let at = 0;
    for (let end = whole.indexOf(10); end !== -1; end = whole.indexOf(10, at)) {
      lines.push(whole.subarray(at, end).toString('utf8'));
      at = end + 1;
    }
    return at === whole.length ? lines : [...lines, whole.subarray(at).toString('utf8')];
  }

  it('a secret is taken out wherever the bytes were cut', () => {
    const secret = 's3cr3tVALUE99';
    const line = Buffer.from(`é HF_TOKEN=${secret} https://x/?token=${secret} ghp_${secret}\n`);
    for (let cut = 0; cut <= line.length; cut += 1) {
      const [shown] = assemble(line, [cut]).lines.map((whole) => cleanLogLine(whole));
      expect(shown).not.toContain(secret.slice(0, 8));
    }
  });

  it('of a progress bar only the last state is kept, however long it was', () => {
    const assembler = new LineAssembler();
    for (let nth = 0; nth < 3000; nth += 1)
      expect(assembler.push(Buffer.from(`\r${nth}% ${'#'.repeat(100)}`))).toEqual([]);
    const [line = ''] = assembler.push(Buffer.from('\r100%\n'));
    expect(line.length).toBeLessThan(LINE_LIMIT_BYTES + 1000);
    expect(cleanLogLine(line)).toBe('100%');
  });

  it('one of megabytes is cut and says so; the next is whole', () => {
    const assembler = new LineAssembler();
    const lines: string[] = [];
    for (let nth = 0; nth < 50; nth += 1) lines.push(...assembler.push(Buffer.from(`word${nth} `.repeat(10_000))));
    lines.push(...assembler.push(Buffer.from('\nnext\n')));
    expect(lines).toHaveLength(2);
    const [long = '', next] = lines;
    expect(long.length).toBeLessThan(LINE_LIMIT_BYTES + 100);
    const left = Number(/ … \[(\d+) more bytes\]$/u.exec(long)?.[1]);
    const total = Array.from({ length: 50 }, (_, nth) => `word${nth} `.length * 10_000).reduce(
      (sum, size) => sum + size,
    );
    expect(left + Buffer.byteLength(long.replace(/ … \[\d+ more bytes\]$/u, ''))).toBe(total);
    expect(next).toBe('next');
  });

  it('the cut shows no half of a secret', () => {
    const assembler = new LineAssembler();
    const [line = ''] = assembler.push(
      Buffer.from(`${' '.repeat(LINE_LIMIT_BYTES - 10)}hf_abcdefghijklmnop and more\n`),
    );
    expect(line).not.toContain('hf_');
  });
});

describe('times', () => {
  const noon = Date.UTC(2026, 0, 31, 12, 30, 5);
  it.each([
    ['2026-01-31 12:30:05 [INFO] Provisioning', noon],
    ['2026-01-31 12:30:05,678 INFO spawned: forge', noon + 678],
    ['2026-01-31 12:30:05,678 - log_monitor - INFO - x', noon + 678],
    ['[2026-01-31 12:30:05.5] x', noon + 500],
    ['[I 2026-01-31 12:30:05.001 ServerApp] Jupyter', noon + 1],
    ['[ABCDE] 2026/01/31 12:30:05 INFO: syncthing', noon],
    ['2026-01-31T12:30:05.123456789Z docker', noon + 123],
    ['2026-01-31T13:30:05+01:00 x', noon],
    ['time="2026-01-31T12:30:05Z" level=info', noon],
    [`{"level":"info","ts":${noon / 1000}.25,"msg":"caddy"}`, noon + 250],
    ['Loading weights [31e35c80fc] from x', null],
    ['100%|#####| 20/20 [00:01<00:00]', null],
    ['2026-13-31 12:30:05 no such month', null],
    ['', null],
  ])('%s', (line, wanted) => expect(lineTimeMs(line, 0)).toBe(wanted));

  it('without a zone are those of the machine', () => {
    expect(lineTimeMs('2026-01-31 12:30:05 x', 3600)).toBe(noon - 3_600_000);
    expect(lineTimeMs('2026-01-31T12:30:05Z x', 3600)).toBe(noon);
  });

  it('never fail', () => {
    fc.assert(fc.property(fc.string(), (line) => void lineTimeMs(line, 0)));
  });
});

describe('a log of which only the end can be had', () => {
  const numbers = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, nth) => String(from + nth));

  it('gives each line once, whatever was written between two looks, or says that lines are missing', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 40 }), { minLength: 1 }), fc.integer({ min: 1, max: 25 }), (steps, window) => {
        let written = 0;
        let before: string[] = [];
        const shown: string[] = [];
        let hasGap = false;
        let first: number | null = null;
        for (const step of steps) {
          written += step;
          if (written > 0) first ??= Math.max(0, written - window);
          const now = numbers(Math.max(0, written - window), written);
          const fresh = linesAfter(before, now);
          hasGap ||= fresh === null;
          shown.push(...(fresh ?? now));
          before = now;
        }
        if (hasGap) expect(new Set(shown).size).toBe(shown.length);
        else expect(shown).toEqual(numbers(first ?? 0, written));
      }),
    );
  });

  it('a last line that may still grow is held back, until it has come to rest', () => {
    expect(wholeLines('a\nb\nhal', '')).toEqual(['a', 'b']);
    expect(wholeLines('a\nb\nhalf\n', 'a\nb\nhal')).toEqual(['a', 'b', 'half']);
    expect(wholeLines('a\nend', 'a\nend')).toEqual(['a', 'end']);
  });
});
