import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** What a clean clone does not have, and what only the repository has. */
const NOT_CLONED = new Set(['node_modules', 'dist', '.git', 'coverage']);

const parent = mkdtempSync(join(tmpdir(), 'forgectl package '));
const clone = join(parent, 'clone');
const prefix = join(parent, 'prefix');
const home = join(parent, 'home');
/** Nothing but Node, npm and what the system ships; the npm that runs the tests is the one that packs. */
const node = join(parent, 'node');
const env = {
  HOME: home,
  PATH: `${node}:/usr/bin:/bin`,
  FORGECTL_SANDBOX_DIR: join(home, 'sandbox'),
  FORGECTL_SANDBOX_IMAGES: process.env['FORGECTL_SANDBOX_IMAGES'],
};

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

function program(file: string, words: string[], more: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return run(file, words, { cwd: home, env: { ...env, ...more } }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Ran) => ({ code: error.code, stdout: error.stdout, stderr: error.stderr }),
  );
}

/** The installed program, started as its user starts it. */
const forgectl = (words: string[], more?: NodeJS.ProcessEnv): Promise<Ran> =>
  program(join(prefix, 'bin', 'forgectl'), words, more);

const npm = (cwd: string, words: string[]): Promise<{ stdout: string }> => {
  const cli = process.env['npm_execpath'];
  const [file, first] = cli === undefined ? ['npm', []] : [process.execPath, [cli]];
  return run(file, [...first, ...words], { cwd, env: { ...env, PATH: `${node}:${process.env['PATH']}` } });
};

beforeAll(async () => {
  for (const folder of [home, node]) mkdirSync(folder);
  symlinkSync(process.execPath, join(node, 'node'));
  cpSync(ROOT, clone, { recursive: true, filter: (path) => !NOT_CLONED.has(relative(ROOT, path).split('/')[0] ?? '') });
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
});
afterAll(async () => {
  await forgectl(['sandbox', 'stop']);
  rmSync(parent, { recursive: true, force: true });
});

it('a clone that is not built says what to type', async () => {
  const entry = join(clone, 'bin', 'run.js');
  expect(await program(entry, ['ls'])).toEqual({
    code: 1,
    stdout: '',
    stderr: 'Error: This copy of forgectl is not built.\n  npm ci && npm run build\n',
  });
  const { code, stdout } = await program(entry, ['ls', '--json']);
  expect([code, JSON.parse(stdout)]).toMatchObject([1, { error: { code: 'NOT_BUILT', exit: 1 } }]);
});

it('npm pack in a clean clone builds what it packs: the program and its licenses, nothing else, one package to install', async () => {
  const { stdout } = await npm(clone, ['pack', '--json', '--pack-destination', parent]);
  const answer = JSON.parse(stdout.slice(stdout.search(/^[[{]/mu))) as Packed[] | Record<string, Packed>;
  const [packed] = Object.values(answer);
  const paths = packed?.files.map(({ path }) => path) ?? [];
  expect(paths).toEqual(expect.arrayContaining(['bin/run.js', 'dist/cli/run.js', 'dist/third-party-licenses.txt']));
  expect(
    paths.filter(
      (path) => !/^(bin\/run\.js|dist\/.*|package\.json|oclif\.manifest\.json|README\.md|LICENSE)$/u.test(path),
    ),
  ).toEqual([]);
  // 1.2 MB when this was written: all packages that forgectl is made of, without source maps.
  expect(packed?.size).toBeLessThan(2_000_000);
  await npm(home, ['install', '--global', '--offline', '--prefix', prefix, join(parent, packed?.filename ?? '')]);
  expect(readdirSync(join(prefix, 'lib', 'node_modules'))).toEqual(['forgectl']);
  expect(existsSync(join(prefix, 'lib', 'node_modules', 'forgectl', 'node_modules'))).toBe(false);
});

interface Packed {
  filename: string;
  size: number;
  files: { path: string }[];
}

it('the installed program starts, and does the main job in the sandbox', async () => {
  expect(await forgectl(['--version'])).toMatchObject({ code: 0, stdout: expect.stringContaining(process.version) });
  expect((await forgectl(['sandbox', 'start', '--time-scale', '40'])).code).toBe(0);
  const words = ['launch', '--best', '--yes', '--label', 'here', '--sandbox'];
  const launched = await forgectl(words);
  expect(launched.code, launched.stderr).toBe(0);
  const ran = await forgectl(['exec', 'here', '--sandbox', '--', 'echo', 'there']);
  expect(ran).toMatchObject({ code: 0, stdout: 'there\n' });
  expect(await forgectl(['destroy', 'here', '--yes', '--sandbox'])).toMatchObject({ code: 0 });
});

it('Node reads none of its words: --env-file is forgectl’s own', async () => {
  const missing = await forgectl(['launch', '--best', '--yes', '--sandbox', '--json', '--env-file', 'nope']);
  expect(missing.code, missing.stderr).toBe(2);
  expect(JSON.parse(missing.stdout)).toMatchObject({ error: { code: 'ENV_FILE', exit: 2 } });
  // Its variables are for the machine, not for this process.
  writeFileSync(join(home, 'vars.env'), 'NODE_OPTIONS=--no-such-option\nFORGECTL_JSON=1\n');
  const plan = await forgectl(['launch', '--best', '--dry-run', '--sandbox', '--env-file=vars.env']);
  expect(plan.code, plan.stderr).toBe(0);
  expect(plan.stdout.startsWith('{')).toBe(false);
});

it('a shell without env -S starts it too, by a link, from a folder and under a name with spaces', async () => {
  const link = join(home, 'a link');
  symlinkSync(join(prefix, 'bin', 'forgectl'), link);
  expect((await program(link, ['--version'])).code).toBe(0);
  expect((await program('/bin/sh', [join(clone, '..', 'prefix', 'bin', 'forgectl'), '--version'])).code).toBe(0);
  expect((await forgectl(['--version'], { PATH: '/nowhere' })).code).toBe(127);
});
