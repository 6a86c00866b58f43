import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newMarker, readMarked, runScript, wrapScript } from '../../src/instance/remote-script.ts';
import { MachineRoot } from './support/machine-root.ts';

let machine: MachineRoot;
beforeEach(() => {
  machine = new MachineRoot();
});
afterEach(() => machine.remove());

const run = (work: string) => runScript(machine, work, { timeoutMs: 5000 });
const show = async (name: string): Promise<string> => (await run(`printf %s "\${${name}-unset}"`)).output;

describe('the environment of a remote script', () => {
  it('is /etc/environment read as data: nothing in it runs, and no broken line ends anything', async () => {
    const trap = join(machine.path, 'trapped');
    machine.write(
      'etc/environment',
      [
        '# Template controlled environment for C.1',
        'PLAIN="one two"',
        'BARE=three',
        'EMPTY=""',
        `SHELL_TEXT="$(touch '${trap}') \`touch '${trap}'\` \${HOME} $HOME"`,
        'INNER="say "hi" \\ there"',
        `a[$(touch '${trap}')]=x`,
        `$(touch '${trap}')`,
        'export NOT_ONE="x"',
        '=nothing',
        '9LIVES="x"',
        'KEYS="ssh-ed25519 AAAA one',
        'ssh-ed25519 BBBB two"',
        'OPEN="never closed',
        'garbage; exit 9',
        'UID="0"',
        'BASH_ENV="/x"',
        'IFS="x"',
        'LAST="equals=inside"',
      ].join('\n'),
    );
    const names = ['PLAIN', 'BARE', 'EMPTY', 'SHELL_TEXT', 'INNER', 'KEYS', 'OPEN', 'LAST', 'BASH_ENV', 'NOT_ONE'];
    expect(Object.fromEntries(await Promise.all(names.map(async (name) => [name, await show(name)])))).toEqual({
      PLAIN: 'one two',
      BARE: 'three',
      EMPTY: '',
      SHELL_TEXT: `$(touch '${trap}') \`touch '${trap}'\` \${HOME} $HOME`,
      INNER: 'say "hi" \\ there',
      KEYS: 'ssh-ed25519 AAAA one\nssh-ed25519 BBBB two',
      OPEN: 'never closed',
      LAST: 'equals=inside',
      BASH_ENV: 'unset',
      NOT_ONE: 'unset',
    });
    expect(existsSync(trap)).toBe(false);
  });

  it('whatever a value holds, it comes back as it is', async () => {
    const value = fc.string({ unit: 'binary' }).filter((text) => !/[\0\n]/u.test(text) && !/\p{Surrogate}/u.test(text));
    await fc.assert(
      fc.asyncProperty(value, async (text) => {
        machine.write('etc/environment', `BEFORE="1"\nVALUE="${text}"\nAFTER="2"\n`);
        expect((await run('printf "%s|%s|%s" "$BEFORE" "$VALUE" "$AFTER"')).output).toBe(`1|${text}|2`);
      }),
      { numRuns: 60 },
    );
  });

  it('the .env of the workspace is shell and wins; its exit, its output and its errors end nothing', async () => {
    machine.write('etc/environment', `WORKSPACE="${machine.path}/work space/"\nFORGE_ARGS="--api"\nBASE="b"\n`);
    for (const end of [
      'exit 3',
      'kill -TERM $BASHPID',
      'if then',
      'set -eu; false; $x',
      'echo noise; cat',
      'IFS=x; UID=3; TMOUT=1',
    ]) {
      machine.write('work space/.env', `FORGE_ARGS='--api --listen'\nDERIVED="$BASE$BASE"\n${end}\n`);
      const done = await run('printf "%s|%s|%s" "$FORGE_ARGS" "$DERIVED" "$WORKSPACE"');
      expect(done.output, end).toBe(`--api --listen|bb|${machine.path}/work space`);
    }
  });

  it('python is the machine’s own, silently; without anything there it still runs', async () => {
    expect((await run('echo "$WORKSPACE"')).output).toBe(`${machine.path}/workspace\n`);
    machine.write('venv/main/bin/activate', `echo Activated; VIRTUAL_ENV=${"'"}yes${"'"}; export VIRTUAL_ENV`);
    expect(await show('VIRTUAL_ENV')).toBe('yes');
  });
});

describe('the output of a remote script', () => {
  it('is what stands between the markers, with the work’s own exit code', async () => {
    machine.noise = 'Welcome to C.1\nno newline at the end';
    expect(await run('echo out; echo err >&2; exit 7')).toMatchObject({
      output: 'out\n',
      exitCode: 7,
      stderr: 'err\n',
    });
    expect(await run('printf "no newline"')).toMatchObject({ output: 'no newline', exitCode: 0 });
    expect(await run(':')).toMatchObject({ output: '', exitCode: 0 });
  });

  it('commands that read stdin get nothing, and not the rest of the script', async () => {
    expect((await run('cat; read x; echo "[$x]"; cat')).output).toBe('[]\n');
  });

  it('a script that was cut on its way does nothing', () => {
    const script = wrapScript('touch "$ROOT/ran"', newMarker(), { withEnvironment: true });
    for (const end of [script.indexOf(') </dev/null'), script.indexOf('touch') + 10])
      machine.runNow(script.slice(0, end));
    expect(existsSync(join(machine.path, 'ran'))).toBe(false);
  });

  it('an answer that was cut is an error', async () => {
    const cut = {
      run: async (script: string) => ({
        ...machine.runNow(script),
        stdout: machine.runNow(script).stdout.slice(0, -3),
      }),
    };
    await expect(runScript(cut, 'echo x', { timeoutMs: 1 })).rejects.toMatchObject({ code: 'SSH_LOST', exit: 13 });
  });

  it('is read from any noise around it, and a part of it is known as a part', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(text, text, fc.nat(255), fc.nat(), (noise, output, code, cut) => {
        const marker = newMarker();
        const whole = `${noise}\n${marker}:begin\n${output}\n${marker}:end:${code}\n`;
        expect(readMarked(`${whole}${noise}`, marker)).toEqual({ output, exitCode: code });
        const part = readMarked(whole.slice(0, cut % whole.length), marker);
        expect(part?.exitCode ?? null).toBeNull();
        expect(readMarked(noise, marker)).toBeNull();
      }),
    );
  });
});
