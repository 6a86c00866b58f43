import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ensurePort, hideCredentials } from '../../src/instance/forge-args.ts';

/** How the image's wrapper reads the variable: a shell splits it. */
const shellWords = (text: string): string[] =>
  execFileSync('bash', ['-c', `eval "set -- $1"; for word; do printf '%s\\0' "$word"; done`, 'bash', text])
    .toString()
    .split('\0')
    .slice(0, -1);

describe('FORGE_ARGS', () => {
  it.each([
    ['', '--port 17860', null],
    ['--api', '--api --port 17860', null],
    ['--port 7860 --api', '--api --port 17860', '7860'],
    ['--api --port=9 --xformers', '--api --xformers --port 17860', '9'],
    ['--port 17860', '--port 17860', null],
    ['--ckpt-dir "/work space/models" --port "1"', '--ckpt-dir "/work space/models" --port 17860', '1'],
    ['--portable', '--portable --port 17860', null],
  ])('%s', (typed, args, replacedPort) => {
    expect(ensurePort(typed)).toEqual({ args, replacedPort });
  });

  it('a shell reads exactly one port, at the end, and the other words as the user gave them', () => {
    const word = fc.constantFrom(
      '--api',
      '--xformers',
      '--theme dark',
      "--x 'a b'",
      '--y "c d"',
      '--port 1',
      '--port=2',
      '--listen',
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        const read = shellWords(ensurePort(words.join(' ')).args);
        expect(read.slice(-2)).toEqual(['--port', '17860']);
        expect(read.slice(0, -2)).toEqual(shellWords(words.filter((item) => !item.startsWith('--port')).join(' ')));
      }),
      { numRuns: 40 },
    );
  });

  it('keeps quoted text whole, and gives back what it gave', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        let once = '';
        try {
          once = ensurePort(text).args;
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_FORGE_ARGS', exit: 2 });
          return;
        }
        expect(ensurePort(once).args).toBe(once);
      }),
    );
  });

  it.each(['--api # no port', '--api; reboot', '--api && x', '--x http://h/?a&b', '--x $(id)', '`id`', "'open", 'x\\'])(
    'refuses %s, which would swallow the port',
    (typed) => {
      expect(() => ensurePort(typed)).toThrow(expect.objectContaining({ code: 'BAD_FORGE_ARGS', exit: 2 }));
    },
  );

  it.each(["--x 'http://h/?a&b'", '--y "a;b # c"', '--z a\\&b', '--w a#b'])('keeps %s', (typed) => {
    expect(shellWords(ensurePort(typed).args)).toHaveLength(4);
  });

  it('hides user names and passwords from output', () => {
    expect(hideCredentials('--api --gradio-auth me:pw --port 17860')).toBe(
      '--api --gradio-auth [redacted] --port 17860',
    );
  });
});
