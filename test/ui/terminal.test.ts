import { describe, expect, it } from 'vitest';
import { describeTerminal } from '../../src/ui/terminal.ts';

const terminal = (env: NodeJS.ProcessEnv, stdout = { isTTY: true, columns: 100, rows: 40 }) =>
  describeTerminal({ stdin: stdout, stdout, stderr: stdout, env });

describe('what the terminal can show', () => {
  it.each([
    [{ LANG: 'en_US.UTF-8' }, true],
    [{ LANG: 'C.utf8' }, true],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'C', LC_CTYPE: 'de_DE.UTF-8' }, true],
    [{ LANG: 'C', LC_CTYPE: 'UTF-8', LC_ALL: '' }, true],
    [{ LANG: 'en_US.UTF-8', TERM: 'dumb' }, false],
    [{ LANG: 'de_DE.ISO-8859-1' }, false],
    [{}, false],
  ])('more than ASCII with %j: %s', (env, unicode) => expect(terminal(env).unicode).toBe(unicode));

  it('has a size, unless it is a pipe', () => {
    expect(terminal({})).toMatchObject({ columns: 100, rows: 40 });
    expect(terminal({}, { isTTY: false, columns: 100, rows: 40 })).toMatchObject({
      columns: Number.POSITIVE_INFINITY,
      rows: null,
    });
  });
});
