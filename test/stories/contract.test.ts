import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { isAll, isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';

interface ManifestCommand {
  id: string;
  description?: string;
  examples?: unknown[];
  flags: Record<string, { description?: string; summary?: string }>;
  args: Record<string, { description?: string }>;
}

const manifest = JSON.parse(readFileSync(new URL('../../oclif.manifest.json', import.meta.url), 'utf8')) as {
  commands: Record<string, ManifestCommand>;
};
const commands = Object.values(manifest.commands);
/** As typed. One place words usage and help of all, so `npm test` takes a share of them. */
const words = commands.map((command) => command.id.replaceAll(':', ' '));
const home = new Home();
afterAll(() => home.remove());

function expectCleanUsageError(result: { code: number | null; stdout: string }): void {
  expect(result.code).toBe(2);
  const document = JSON.parse(result.stdout) as { error: Record<string, unknown> };
  expect(Object.keys(document)).toEqual(['error']);
  expect(document.error).toMatchObject({
    exit: 2,
    code: expect.any(String),
    message: expect.any(String),
    hint: expect.any(String),
  });
}

describe('every command', () => {
  it('is in the manifest', () => {
    expect(commands.length).toBeGreaterThanOrEqual(26);
  });

  it.each(commands.map((command, at) => [words[at], command] as const))(
    '%s: has a description, examples, and every flag and argument described',
    (_, command) => {
      expect(command.description).toBeTruthy();
      expect(command.examples?.length).toBeGreaterThan(0);
      for (const [name, flag] of Object.entries(command.flags))
        expect(flag.description ?? flag.summary, `--${name}`).toBeTruthy();
      for (const [name, arg] of Object.entries(command.args)) expect(arg.description, name).toBeTruthy();
    },
  );

  it.each(words.filter((_, at) => isAll || at % (isMost ? 2 : 6) === 0))(
    '%s: a wrong flag is exit 2 in words and in JSON, with a clean stdout (long)',
    async (typed) => {
      expectCleanUsageError(await home.run([...typed.split(' '), '--no-such-flag', '--json']));
      // One place words it for all: a share is enough.
      if (typed.length % 4 !== 0) return;
      const human = await home.run([...typed.split(' '), '--no-such-flag']);
      expect(human).toMatchObject({ code: 2, stdout: '' });
      expect(human.stderr).toContain('--no-such-flag');
      expect(human.stderr).not.toMatch(/\n\s+at /u);
    },
  );

  it.each(words.filter((_, at) => isAll || at % 8 === 0))(
    '%s: --help goes to stdout and ends with 0',
    async (typed) => {
      const { code, stdout } = await home.run([...typed.split(' '), '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain('EXAMPLES');
    },
  );
});

describe('the command line as a whole', () => {
  it('an unknown command is exit 2, with the nearest one, in words and in JSON', async () => {
    const human = await home.run(['lunch']);
    expect(human).toMatchObject({ code: 2, stdout: '' });
    expect(human.stderr).toContain('Did you mean forgectl launch?');
    expectCleanUsageError(await home.run(['lunch', '--json']));
    expectCleanUsageError(await home.run(['context', 'frobnicate', '--json']));
  });

  it('without a key it is exit 4 and says what to type, in words and in JSON', async () => {
    const human = await home.run(['ls']);
    expect(human).toMatchObject({ code: 4, stdout: '' });
    expect(human.stderr).toContain('forgectl login');
    expect(await home.json(['ls'])).toMatchObject({ error: { code: 'NOT_SIGNED_IN', exit: 4 } });
  });

  it('FORGECTL_JSON counts like --json', async () => {
    const { stdout, code } = await home.run(['ls'], { env: { FORGECTL_JSON: '1' } });
    expect(JSON.parse(stdout)).toMatchObject({ error: { exit: 4 } });
    expect(code).toBe(4);
  });

  it('--version costs nothing and says what it runs on', async () => {
    const { stdout, code } = await home.run(['--version']);
    expect(stdout).toMatch(/^forgectl\/\d+\.\d+\.\d+ \S+ node-v\d+/u);
    expect(code).toBe(0);
  });

  it('a flag that needs another, or excludes it, is wrong usage', async () => {
    expectCleanUsageError(await home.run(['launch', '--best', '--cheapest', '--json']));
    expectCleanUsageError(await home.run(['ls', '--sandbox', '--context', 'vast', '--json']));
    expect((await home.run(['launch', '--events'])).code).toBe(2);
  });

  it('what is typed wins over the environment, for the context too', async () => {
    const { error } = await home.json<{ error: { code: string; message: string } }>(['ls', '--context', 'vast'], {
      env: { FORGECTL_SANDBOX: '1' },
    });
    expect(error).toMatchObject({ code: 'NOT_SIGNED_IN', message: 'You are not signed in to vast.' });
  });

  it.each([
    ['--timeout', 'soon'],
    ['--max-price', '-1'],
    ['--reliability', '2x'],
    ['--wait-for', 'godot'],
    ['--offer', 'abc'],
  ])('launch %s %s is wrong usage', async (flag, value) => {
    expectCleanUsageError(await home.run(['launch', flag, value, '--json']));
  });
});
