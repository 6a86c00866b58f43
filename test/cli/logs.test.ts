import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseLogs } from '../../src/cli/log-choice.ts';
import { lineFilter } from '../../src/cli/log-filter.ts';
import { type LogLine, linesSince, mergeByTime, readLine } from '../../src/cli/log-lines.ts';
import { type LineSink, LogOutput } from '../../src/cli/log-output.ts';
import { parseSince, parseTail, tailLines } from '../../src/cli/log-request.ts';
import { logTarget } from '../../src/cli/log-target.ts';
import { nearest } from '../../src/cli/nearest.ts';
import type { Catalog } from '../../src/instance/log-reader/frames.ts';
import { redactSecrets } from '../../src/secrets/redact.ts';
import type { Instance } from '../../src/vast/model.ts';

const reading = { redact: redactSecrets, color: false, utcOffsetS: 0 };

function catalogOf(names: readonly string[], more: Partial<Catalog> = {}): Catalog {
  const logs = names.map((name) => ({ name, path: name, bytes: 1, changed: 1, portal: !name.startsWith('sys') }));
  return { t: 'catalog', logs, provisioning: false, provisioning_failed: false, utc_offset_s: 0, ...more };
}

const words = { services: [], all: false, follow: false };

describe('which logs', () => {
  it('without a name: forge, and the provisioning while it runs or when it failed', () => {
    const names = ['caddy', 'forge', 'forge.old', 'provisioning'];
    expect(chooseLogs(catalogOf(names), words)).toEqual({
      names: ['forge'],
      note: 'Showing forge. Also there: caddy, provisioning.',
    });
    expect(chooseLogs(catalogOf(names, { provisioning: true }), words)).toMatchObject({
      names: ['forge', 'provisioning'],
      note: 'Showing forge and provisioning, which runs. Also there: caddy.',
    });
    expect(chooseLogs(catalogOf(names, { provisioning_failed: true }), words).note).toContain('which failed');
    expect(chooseLogs(catalogOf(['provisioning', 'caddy']), words).names).toEqual(['provisioning']);
  });

  it('by name, as the file is called too, each once; and one that is yet to come only when it is followed', () => {
    const catalog = catalogOf(['forge', 'forge.old', 'My App']);
    const services = ['forge.log', 'forge.log.old', 'forge', 'my app'];
    expect(chooseLogs(catalog, { ...words, services }).names).toEqual(['forge', 'forge.old', 'My App']);
    expect(() => chooseLogs(catalog, { ...words, services: ['caddy'] })).toThrow();
    expect(chooseLogs(catalog, { ...words, follow: true, services: ['caddy'] }).note).toContain('not there yet');
  });

  it('a name that is not there is exit 3, with the nearest and with all', () => {
    const catalog = catalogOf(['forge', 'instance_portal', 'provisioning']);
    for (const [typed, meant] of [
      ['froge', 'forge'],
      ['portal', 'instance_portal'],
      ['provisionning', 'provisioning'],
    ] as const)
      expect(() => chooseLogs(catalog, { ...words, services: [typed] })).toThrow(
        expect.objectContaining({ exit: 3, hint: expect.stringContaining(`Did you mean ${meant}?`) }),
      );
    expect(() => chooseLogs(catalog, { ...words, services: ['../../etc/passwd\u001b[2J'] })).toThrow(
      expect.objectContaining({ exit: 3, message: 'There is no log "../../etc/passwd" on the machine.' }),
    );
  });

  it('all: those of the portal, whichever they are', () => {
    expect(chooseLogs(catalogOf(['x']), { ...words, all: true })).toEqual({ names: null, note: null });
    expect(() => chooseLogs(catalogOf(['syslog']), { ...words, all: true })).toThrow(
      expect.objectContaining({ exit: 3 }),
    );
  });

  it('the nearest of nothing is nothing', () => {
    expect(nearest('forge', [])).toBeNull();
    expect(nearest('zzzzzzzz', ['forge'])).toBeNull();
  });
});

describe('the first word', () => {
  const one = { id: 7, label: 'my-forge' } as Instance;
  const two = { id: 8, label: 'other' } as Instance;

  it('is the instance when it can be one; with a single instance it may be a log', () => {
    expect(logTarget([one, two], ['my', 'caddy'], null)).toMatchObject({ instance: one, services: ['caddy'] });
    expect(logTarget([one], ['caddy', 'cron'], null)).toEqual({
      instance: one,
      services: ['caddy', 'cron'],
      isGuess: true,
    });
    expect(logTarget([one], [], null)).toEqual({ instance: one, services: [], isGuess: false });
  });

  it('a number is never a log, and with several instances one must be named', () => {
    expect(() => logTarget([one], ['9'], null)).toThrow(expect.objectContaining({ code: 'INSTANCE_NOT_FOUND' }));
    expect(() => logTarget([one, two], ['caddy'], null)).toThrow(expect.objectContaining({ exit: 3 }));
    expect(() => logTarget([], ['caddy'], null)).toThrow(expect.objectContaining({ exit: 3 }));
    expect(() => logTarget([one, two], [], null)).toThrow(expect.objectContaining({ code: 'INSTANCE_NEEDED' }));
  });
});

describe('what was typed', () => {
  it('--since: back from now, or a time', () => {
    expect(parseSince('10m')).toEqual({ ago_s: 600 });
    expect(parseSince('1h30m')).toEqual({ ago_s: 5400 });
    expect(parseSince('2026-01-31T12:30:00Z')).toEqual({ epoch_s: Date.UTC(2026, 0, 31, 12, 30) / 1000 });
    expect(parseSince('2026-01-31 12:30')).toEqual({ epoch_s: new Date(2026, 0, 31, 12, 30).getTime() / 1000 });
    expect(parseSince('2026-01-31')).toEqual({ epoch_s: new Date(2026, 0, 31).getTime() / 1000 });
    for (const text of ['soon', '', '2026-99-31', '10 minutes', '-5m'])
      expect(() => parseSince(text), text).toThrow(expect.objectContaining({ exit: 2 }));
  });

  it('--tail: a number, all, or what fits the rest', () => {
    expect([parseTail('0'), parseTail('25'), parseTail('all')]).toEqual([0, 25, 'all']);
    for (const text of ['-1', '1.5', 'many', ''])
      expect(() => parseTail(text)).toThrow(expect.objectContaining({ exit: 2 }));
    expect([
      tailLines(undefined, false),
      tailLines(undefined, true),
      tailLines('all', false),
      tailLines(3, true),
    ]).toEqual([100, null, null, 3]);
  });

  it('--grep: a regular expression; what is none is taken as it stands, and that is said', () => {
    const plain = { ignoreCase: false, invert: false };
    expect(lineFilter('err(or)?', plain).matches('an error')).toBe(true);
    expect(lineFilter('ERR', { ...plain, ignoreCase: true }).matches('an error')).toBe(true);
    expect(lineFilter('err', { ...plain, invert: true }).matches('an error')).toBe(false);
    expect(lineFilter('a(b', plain)).toMatchObject({ note: expect.stringContaining('"a(b"') });
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (text) => {
        const filter = lineFilter(`(${text.replaceAll(')', '')}`, plain);
        expect(filter.note === null || filter.matches(`x(${text.replaceAll(')', '')}y`)).toBe(true);
      }),
    );
  });

  it('--grep: what the API may filter by is never more than every match holds', () => {
    const plain = { ignoreCase: false, invert: false };
    expect(lineFilter('Loading weights', plain).plainText).toBe('Loading');
    for (const pattern of ['a.b', 'x|y', '[redacted]', 'redact', 'é', 'ab'])
      expect(lineFilter(pattern, plain).plainText, pattern).toBeNull();
    expect(lineFilter('error', { ...plain, ignoreCase: true }).plainText).toBeNull();
    expect(lineFilter('error', { ...plain, invert: true }).plainText).toBeNull();
  });
});

describe('lines of several logs', () => {
  const line = (service: string, timeMs: number | null, text = ''): LogLine => ({ service, timeMs, text, shown: text });

  it('come in the order of their times, and within a log as they stand', () => {
    const merged = mergeByTime([
      [line('a', 10, '1'), line('a', null, '2'), line('a', 30, '3')],
      [line('b', 20, '4'), line('b', 5, '5'), line('b', 40, '6')],
    ]);
    expect(merged.map(({ text }) => text)).toEqual(['1', '2', '4', '5', '3', '6']);
    fc.assert(
      fc.property(fc.array(fc.array(fc.option(fc.nat({ max: 50 })))), (logs) => {
        const lines = logs.map((times, nth) => times.map((time, at) => line(String(nth), time, String(at))));
        const all = mergeByTime(lines);
        expect(all).toHaveLength(lines.flat().length);
        for (const [nth, own] of lines.entries())
          expect(all.filter(({ service }) => service === String(nth))).toEqual(own);
      }),
    );
  });

  it('--since keeps what is not known to be older', () => {
    const lines = [line('a', null), line('a', 5000), line('a', null), line('a', 9000), line('a', null)];
    expect(linesSince(lines, { epoch_s: 7 })).toEqual(lines.slice(2));
    expect(linesSince(lines, { epoch_s: 1 })).toEqual(lines);
    expect(linesSince(lines, { epoch_s: 99 })).toEqual(lines.slice(4));
    expect(linesSince(lines, null)).toBe(lines);
  });
});

describe('what is shown', () => {
  function outputOf(options: { grep?: string; limit?: number; together?: string[] }): {
    output: LogOutput;
    shown: string[];
  } {
    const shown: string[] = [];
    const sink: LineSink = {
      line: ({ service, text }) => shown.push(`${service} ${text}`),
      partial: (service, text) => shown.push(`${service} (${text})`),
      note: (text) => shown.push(text),
      flush: async () => {},
    };
    const { grep, limit = null, together = ['a'] } = options;
    const filter = grep === undefined ? null : lineFilter(grep, { ignoreCase: false, invert: false });
    return { output: new LogOutput({ sink, filter, historyLimit: limit, together }, reading), shown };
  }

  it('of one log: each line as it comes', () => {
    const { output, shown } = outputOf({});
    output.line('a', 'x\u001b[31m');
    output.caughtUp('a');
    output.line('a', 'token=abcdef');
    expect(shown).toEqual(['a x', 'a token=[redacted]']);
  });

  it('of several: what was there as one, then the rest as it comes', () => {
    const { output, shown } = outputOf({ together: ['a', 'b'] });
    output.line('a', '2026-01-31 12:00:02 second');
    output.caughtUp('a');
    output.line('a', 'new of a');
    output.line('b', '2026-01-31 12:00:01 first');
    expect(shown).toEqual([]);
    output.caughtUp('b');
    output.line('b', 'new of b');
    expect(shown.map((line) => line.split(' ').at(-1))).toEqual(['first', 'second', 'a', 'b']);
  });

  it('with a pattern and a number: the last that match of what was there, and all that match later', () => {
    const { output, shown } = outputOf({ grep: 'x', limit: 2 });
    for (let nth = 0; nth < 5000; nth += 1) output.line('a', nth % 2 === 0 ? `x ${nth}` : `y ${nth}`);
    output.caughtUp('a');
    output.line('a', 'x later');
    output.line('a', 'y later');
    expect(shown).toEqual(['a x 4996', 'a x 4998', 'a x later']);
  });

  it('the end of an unfinished line, without the word that may be half a secret', () => {
    const { output, shown } = outputOf({});
    output.partial('a', ' 10%|##  | 1.0G [118MB/s]');
    output.partial('a', 'key is hf_abc');
    output.partial('a', '');
    expect(shown).toEqual(['a ( 10%|##  | 1.0G [118MB/s])', 'a (key is )', 'a ()']);
  });

  it('a secret that only its value tells', () => {
    expect(
      readLine('a', 'the word is xyzzy12', { ...reading, redact: (text) => text.replace('xyzzy12', '*') }).text,
    ).toBe('the word is *');
  });
});
