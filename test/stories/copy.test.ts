import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Home } from '../support/forgectl.ts';
import { describeTree, hasGnuTools, makeAwkwardTree } from '../workflows/copy/support/awkward-tree.ts';

const MB = 1_000_000;

interface CopyDocument {
  files: number;
  bytes: number;
  skipped: number;
  verified: string;
  problems: { path: string; kind: string }[];
  mismatches: { path: string; what: string }[];
  error: { code: string; exit: number; message: string; hint: string };
}

describe.skipIf(!hasGnuTools('forgectl cp'))('cp, with two machines in the sandbox', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1' });
  const here = join(home.directory, 'work');
  /** The roots of the machines. */
  const roots: string[] = [];
  const at = (name: string): string => join(here, name);
  const cp = (...words: string[]) => home.json<CopyDocument>(['cp', ...words]);
  const workspace = (machine: number, name: string): string => join(roots[machine] ?? '', 'workspace', name);

  beforeAll(async () => {
    mkdirSync(here);
    await home.run(['sandbox', 'start', '--time-scale', '100']);
    for (const label of ['one', 'two']) {
      const words = ['launch', '--cheapest', '--yes', '--label', label, '--wait-for', 'ssh'];
      const { id } = await home.json<{ id: number }>(words);
      roots.push(join(home.directory, 'sandbox', 'machines', String(id), 'root'));
    }
  });
  afterAll(() => home.remove());

  it('an awkward tree is the same from here to one, to two, and back', async () => {
    makeAwkwardTree(at('tree'));
    const up = await cp(at('tree'), 'one:');
    expect(up).toMatchObject({
      mismatches: [],
      verified: 'fast',
      problems: [{ path: '/workspace/tree/pipe', kind: 'special' }],
    });
    expect(describeTree(workspace(0, 'tree'))).toEqual(describeTree(at('tree')));
    expect(await cp('one:tree', 'two:', '--links')).toMatchObject({ mismatches: [], problems: [] });
    expect(await cp('two:/workspace/tree', at('back'), '--links', '--verify', 'full')).toMatchObject({
      mismatches: [],
    });
    expect(describeTree(at('back'))).toEqual(describeTree(at('tree')));
    for (const copy of [workspace(0, 'tree'), workspace(1, 'tree'), at('back')])
      expect(statSync(join(copy, 'holes')).blocks, copy).toBeLessThan(2000);
    expect(await cp(`${at('tree')}/.`, 'one:tree')).toMatchObject({ files: 0, bytes: 0, mismatches: [] });
  });

  it('a copy that was killed goes on where it stopped', async () => {
    writeFileSync(at('model'), randomBytes(50 * MB));
    const killed = await home.run(['cp', at('model'), 'one:', '--json', '--events', '--bwlimit', '25M'], {
      onStdout: (text, kill) => {
        const bytes = Number(/"bytes":(\d+)/u.exec(text)?.[1] ?? 0);
        if (bytes > 20 * MB) kill('SIGKILL');
      },
    });
    expect(killed.signal).toBe('SIGKILL');
    expect(existsSync(workspace(0, 'model'))).toBe(false);
    const rest = await cp(at('model'), 'one:');
    expect(rest.mismatches).toEqual([]);
    expect(rest.bytes).toBeLessThan(45 * MB);
    expect(readFileSync(workspace(0, 'model')).equals(readFileSync(at('model')))).toBe(true);
    expect(readdirSync(workspace(0, '')).filter((name) => name.startsWith('.forgectl-part'))).toEqual([]);
  });

  it('a comparison of contents sees one byte that has changed', async () => {
    utimesSync(at('model'), 1_700_000_000, 1_700_000_000);
    utimesSync(workspace(0, 'model'), 1_700_000_000, 1_700_000_000);
    const file = openSync(workspace(0, 'model'), 'r+');
    writeSync(file, Buffer.from([readFileSync(at('model'))[40 * MB] === 0 ? 1 : 0]), 0, 1, 40 * MB);
    utimesSync(workspace(0, 'model'), 1_700_000_000, 1_700_000_000);
    expect(await cp(at('model'), 'one:')).toMatchObject({ skipped: 1, mismatches: [] });
    const { code, stdout } = await home.run(['cp', at('model'), 'one:', '--verify', 'full']);
    expect(code).toBe(12);
    expect(stdout).toContain('Differs: /workspace/model: content');
    const mended = await cp(at('model'), 'one:', '--no-resume', '--verify', 'full');
    expect(mended).toMatchObject({ files: 1, mismatches: [] });
  });

  it('Ctrl-C ends it in order and says how to go on', async () => {
    const words = ['cp', 'one:model', at('a copy'), '--json', '--events', '--bwlimit', '20M'];
    const { code, stdout } = await home.run(words, {
      onStdout: (text, kill) => text.includes('"progress"') && kill('SIGINT'),
    });
    expect(code).toBe(130);
    const lines = stdout.trimEnd().split('\n');
    const events = lines.map((line) => JSON.parse(line) as { event: string; error?: { code: string; hint: string } });
    expect(events.map(({ event }) => event)).toContain('progress');
    expect(events.at(-1)).toMatchObject({ event: 'failed', error: { code: 'INTERRUPTED' } });
    expect(events.at(-1)?.error?.hint).toContain(`forgectl cp one:model '${at('a copy')}'`);
    expect(existsSync(at('a copy'))).toBe(false);
  });

  it('says what it would do, and does nothing', async () => {
    const { code, stdout } = await home.run(['cp', at('tree'), 'two:new', '--dry-run', '--exclude', 'sub/']);
    expect(code).toBe(0);
    expect(stdout).toContain('/workspace/new/plain.txt');
    expect(stdout).toMatch(/Would copy \d+ files/u);
    expect(stdout).not.toContain('sub/data');
    expect(existsSync(workspace(1, 'new'))).toBe(false);
  });

  it('a disk that fills up is an error of its own, and nothing half is left under its name', async () => {
    const tar = join(roots[1] ?? '', 'opt/instance-tools/bin/tar');
    writeFileSync(
      tar,
      '#!/bin/sh\ncase "$*" in *-x*) cat >/dev/null; echo "tar: 0: Cannot write: No space left on device" >&2; exit 2;; esac\nexec /bin/tar "$@"\n',
    );
    chmodSync(tar, 0o755);
    const { error } = await cp(at('tree/plain.txt'), 'two:');
    rmSync(tar);
    expect(error).toMatchObject({ code: 'DISK_FULL', exit: 8 });
    expect(existsSync(workspace(1, 'plain.txt'))).toBe(false);
    expect(readdirSync(workspace(1, '')).filter((name) => name.startsWith('.forgectl-part'))).toEqual([]);
  });

  it.each([
    [['a', 'b'], 2, 'USAGE'],
    [['one:a'], 2, 'USAGE'],
    [['one:a', 'two:b', 'c'], 2, 'USAGE'],
    [['nobody:a', 'b'], 3, 'INSTANCE_NOT_FOUND'],
    [[':a', 'b'], 2, 'INSTANCE_NEEDED'],
    [['one:no such', 'b'], 3, 'COPY_NO_PATH'],
    [['one:tree', 'two:/root'], 2, 'USAGE'],
    [['one:tree', 'one:tree/sub/deep'], 2, 'USAGE'],
    [['one:tree', 'b', '--exclude', '[z-a]'], 2, 'BAD_PATTERN'],
    [['one:tree', 'b', '--exclude-from', '/none'], 2, 'USAGE'],
    [['one:tree', 'b', '--bwlimit', 'fast'], 2, 'USAGE'],
    [['one:tree', 'b', '--no-clobber', '--update'], 2, 'USAGE'],
  ])('%j is exit %i', async (words, exit, code) => {
    const { error } = await cp(...words);
    expect(error).toMatchObject({ code, exit, hint: expect.any(String) });
  });

  it('links of a machine lead nowhere else here, unless that is wanted', async () => {
    mkdirSync(workspace(0, 'linked'));
    writeFileSync(workspace(0, 'linked/model'), 'model');
    symlinkSync('model', workspace(0, 'linked/inside'));
    symlinkSync('/etc/passwd', workspace(0, 'linked/outside'));
    const left = await home.run(['cp', 'one:linked', at('from one')]);
    expect(left).toMatchObject({ code: 0, stdout: expect.stringContaining('1 path not copied') });
    expect(left.stderr).toContain('outside: left out: a link that leads out of what is copied (--links');
    expect(readdirSync(at('from one')).sort()).toEqual(['inside', 'model']);
    expect((await cp('one:linked', at('all of one'), '--links')).problems).toEqual([]);
    expect(readlinkSync(at('all of one/outside'))).toBe('/etc/passwd');

    const { error } = await cp('one:linked/outside', at('planted'));
    expect(error).toMatchObject({ code: 'COPY_LINK', exit: 2, hint: expect.stringContaining('-H') });
    expect(await cp('one:linked/inside', at('followed'), '-H')).toMatchObject({ files: 1 });
    expect(readFileSync(at('followed'), 'utf8')).toBe('model');
    expect((await cp('one:linked/model/', at('x'))).error).toMatchObject({ code: 'USAGE', exit: 2 });
    // What is copied from here is the user's own.
    expect((await cp(at('all of one'), 'two:')).problems).toEqual([]);
    expect(readlinkSync(workspace(1, 'all of one/outside'))).toBe('/etc/passwd');
  });

  it('a machine does not choose how a copy is called', async () => {
    mkdirSync(workspace(0, 'pictures'));
    writeFileSync(workspace(0, 'pictures/.bashrc'), 'echo PWNED');
    const liar = join(roots[0] ?? '', 'opt/instance-tools/bin/realpath');
    const real = join(roots[0] ?? '', 'workspace/pictures');
    mkdirSync(at('home/pictures'), { recursive: true });
    for (const [said, code] of [
      [`${real}/x/..`, 'REMOTE_ANSWER_UNREADABLE'],
      [`${real}/..`, 'REMOTE_ANSWER_UNREADABLE'],
      [real, null],
    ] as const) {
      const answer = `case "$*" in *-mz*) printf '%s\\0' '${said}'; exit;; esac\nexec /usr/bin/realpath "$@"\n`;
      writeFileSync(liar, `#!/bin/bash\n${answer}`);
      chmodSync(liar, 0o755);
      for (const place of [at('home/pictures'), 'two:']) {
        const { error } = await cp('one:other name/', place);
        expect(error?.code ?? null).toBe(code);
      }
      expect(readdirSync(at('home'))).toEqual(['pictures']);
      expect(existsSync(workspace(1, '../.bashrc'))).toBe(false);
    }
    rmSync(liar);
    expect(readdirSync(at('home/pictures'))).toEqual(['other name']);
    expect(readdirSync(workspace(1, 'other name'))).toEqual(['.bashrc']);
  });

  it('a file here may have a colon in its name, and one on a machine any bytes that a shell dislikes', async () => {
    writeFileSync(at('a:b'), 'colon');
    const { code } = await home.run(['cp', `${here}/a:b`, "one:$(touch pwned) 'x'"]);
    expect(code).toBe(0);
    expect(readFileSync(workspace(0, "$(touch pwned) 'x'"), 'utf8')).toBe('colon');
    expect(existsSync(workspace(0, 'pwned'))).toBe(false);
    expect(statSync(workspace(0, "$(touch pwned) 'x'")).mode & 0o777).toBe(statSync(at('a:b')).mode & 0o777);
  });
});
