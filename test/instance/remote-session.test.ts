import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLine, shellOutsideTmux } from '../../src/instance/remote-session.ts';
import { MachineRoot } from './support/machine-root.ts';

const machine = new MachineRoot();

/** As sshd does: the line is one argument of the login shell. */
function login(line: string, input: string | Buffer = '', env: Record<string, string> = {}) {
  const done = spawnSync('bash', ['-c', line], {
    input,
    cwd: machine.path,
    env: { PATH: process.env['PATH'], FORGECTL_ROOT: machine.path, HOME: machine.path, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  return {
    out: String(done.stdout),
    bytes: done.stdout,
    err: String(done.stderr),
    code: done.status,
    signal: done.signal,
  };
}

const run = (words: string[], input: string | Buffer = '') =>
  login(commandLine({ words, raw: false, directory: null }), input);

beforeAll(() => {
  mkdirSync(join(machine.path, 'workspace/sub dir'), { recursive: true });
  machine.write(
    'etc/environment',
    '# Template controlled environment for C.1\nFORGE_ARGS="--port 17860"\nUSER_TEXT="$(id)"\n',
  );
  machine.write('workspace/.env', 'echo noise; echo noise >&2; cat\nHF_HOME="/somewhere else"\n');
  machine.tool(
    'activate',
    `VIRTUAL_ENV="$FORGECTL_ROOT/venv/main"; export VIRTUAL_ENV; PATH="$VIRTUAL_ENV/bin:$PATH"; echo activated; cat`,
    'venv/main/bin',
  );
  machine.tool('pip', 'echo the pip of the venv', 'venv/main/bin');
});
afterAll(() => machine.remove());

describe('a command', () => {
  it('gets several words exactly, whatever they hold', () => {
    const awkward = fc.constantFrom(
      "'",
      '"',
      '`',
      '$(id)',
      '$HOME',
      '\\',
      '\n',
      '\r',
      '\t',
      ' ',
      '!',
      '*',
      '~',
      '-n',
      '--',
    );
    const word = fc
      .array(fc.oneof(awkward, fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 6 })
      .map((parts) => parts.join(''))
      .filter((text) => !text.includes('\0') && !/\p{Surrogate}/u.test(text));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 24 }), (words) => {
        expect(run(['printf', '%s\\0', ...words]).out).toBe(`${words.join('\0')}\0`);
      }),
      { numRuns: 8 },
    );
  });

  it('gets one word as a line for bash, also raw', () => {
    for (const raw of [false, true]) {
      const line = commandLine({ words: ['echo "a  b" | tr a c; exit 3'], raw, directory: null });
      expect(login(line)).toMatchObject({ out: 'c  b\n', err: '', code: 3 });
    }
  });

  it('runs as services run: variables as data, venv, node, in $WORKSPACE, and nothing is printed on the way', () => {
    expect(
      run(['bash', '-c', 'echo "$FORGE_ARGS|$USER_TEXT|$HF_HOME|$(basename "$VIRTUAL_ENV")|$(basename "$PWD")"']),
    ).toMatchObject({
      out: '--port 17860|$(id)|/somewhere else|main|workspace\n',
      err: '',
    });
    expect(run(['pip']).out).toBe('the pip of the venv\n');
  });

  it('raw: runs as ssh runs it', () => {
    const raw = (words: string[]) => login(commandLine({ words, raw: true, directory: null }));
    expect(raw(['bash', '-c', 'echo "<$FORGE_ARGS$VIRTUAL_ENV>"']).out).toBe('<>\n');
    expect(raw(['printf', '%s|', 'a b', "c'd"]).out).toBe("a b|c'd|");
  });

  it('has its own stdin: nothing on the way reads of it', () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 31) & 255));
    expect(run(['cat'], bytes).bytes.equals(bytes)).toBe(true);
  });

  it('is the process itself: its code and its signal are what comes back', () => {
    expect(run(['bash', '-c', 'exit 42']).code).toBe(42);
    expect(run(['bash', '-c', 'kill -KILL $$']).signal).toBe('SIGKILL');
    expect(run(['kill -TERM $$']).signal).toBe('SIGTERM');
  });

  it('may be a builtin, and is told from one that does not exist or may not run', () => {
    expect(run(['type', 'cd']).out).toBe('cd is a shell builtin\n');
    expect(run(['nosuch', 'x'])).toMatchObject({ code: 127, err: 'bash: nosuch: command not found\n', out: '' });
    expect(run(['-c', 'x'])).toMatchObject({ code: 127, err: 'bash: -c: command not found\n' });
    expect(run(['/etc/passwd', 'x']).code).toBe(126);
    // Names of the preamble are no commands.
    expect(run(['forgectl_load', '/etc/passwd']).code).toBe(127);
  });

  it('runs in the directory that was asked for, below $WORKSPACE when it is relative, or not at all', () => {
    const where = (directory: string) => login(commandLine({ words: ['pwd', '-P'], raw: false, directory }));
    expect(where('sub dir').out).toMatch(/\/workspace\/sub dir\n$/u);
    expect(where('/').out).toBe('/\n');
    expect(where('-')).toMatchObject({ out: '', code: 1 });
    expect(where('$(touch x)')).toMatchObject({ out: '', code: 1 });
  });

  it('that is too long is refused before anything is sent, and says what to do', () => {
    const line = commandLine({ words: ['printf', '%s', 'x'.repeat(100_000)], raw: false, directory: null });
    expect(login(line).out.length).toBe(100_000);
    expect(() => commandLine({ words: ['echo', 'x'.repeat(128 * 1024)], raw: false, directory: null })).toThrow(
      expect.objectContaining({ code: 'COMMAND_TOO_LONG', exit: 2 }),
    );
  });
});

describe('node from nvm', () => {
  const version = (root: MachineRoot, env = {}) => {
    const line = commandLine({ words: ['bash', '-c', 'command -v node || echo none'], raw: false, directory: null });
    const done = spawnSync('bash', ['-c', line], { env: { PATH: '/usr/bin:/bin', FORGECTL_ROOT: root.path, ...env } });
    return /versions\/node\/([^/]+)\//u.exec(String(done.stdout))?.[1] ?? null;
  };
  const withNode = (aliases: Record<string, string>, versions: string[]) => {
    const root = new MachineRoot();
    for (const [name, text] of Object.entries(aliases)) root.write(join('opt/nvm/alias', name), text);
    for (const name of versions) root.tool('node', 'true', `opt/nvm/versions/node/${name}/bin`);
    const found = version(root);
    root.remove();
    return found;
  };

  it.each([
    ['an alias of an alias', { default: 'lts/*\n', 'lts/*': 'lts/jod\n', 'lts/jod': 'v22.11.0\n' }, 'v22.11.0'],
    ['a line without an end', { default: 'v9.11.2' }, 'v9.11.2'],
    ['a part of a version', { default: '22\n' }, 'v22.11.0'],
    ['a name that says "the newest"', { default: 'node\n' }, 'v24.1.0'],
    ['no alias', {}, 'v24.1.0'],
    ['an alias of itself', { default: 'default\n' }, 'v24.1.0'],
    ['an attack', { default: '$(touch pwned) ../../..\n' }, 'v24.1.0'],
  ])('%s', (_, aliases, expected) => {
    expect(withNode(aliases, ['v9.11.2', 'v22.2.0', 'v22.11.0', 'v24.1.0'])).toBe(expected);
  });

  it('is no error where there is none', () => {
    expect(version(machine)).toBe(null);
  });
});

describe('a shell outside of tmux', () => {
  it('reads the start-up files in the belief to be in tmux, and takes that back', () => {
    machine.write('.bashrc', 'echo "rc <$TMUX>"; PS1=""\n');
    const { out } = login(shellOutsideTmux(), '[ -v TMUX ] || echo shell has none; exit 5\n', { TERM: 'dumb' });
    expect(out).toContain('rc <none>');
    expect(out).toContain('shell has none');
  });
});
