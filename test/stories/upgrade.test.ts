import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isAll, isMost } from '../faults/chosen.ts';
import { hasPip } from '../support/is-checked.ts';
import { type UpgradeError, UpgradeMachine } from '../support/upgrade-machine.ts';

interface Plan {
  up_to_date: boolean;
  from: { sha: string };
  to: { sha: string; ref: string };
}

/** The other ways to fail, and every way to be cut off, are in test/faults. */
describe('upgrading Forge', () => {
  const machine = new UpgradeMachine();
  const { home } = machine;

  beforeAll(() => machine.start(60));
  beforeEach(() => machine.reset());
  afterAll(() => machine.stop());

  it.runIf(isMost)(
    'the plan: commits, requirements, edits of the image; nothing is changed by looking (long)',
    async () => {
      const before = machine.state();
      const { plans } = await home.json<{ plans: Plan[] }>(['upgrade', 'web', '--dry-run']);
      expect(plans[0]).toMatchObject({
        up_to_date: false,
        from: { sha: machine.imageSha },
        to: { sha: machine.mainSha, ref: 'branch main' },
        commit_count: 3,
        local_edits: [{ path: 'requirements_versions.txt', by: 'image', outcome: 'applies' }],
        requirements: { to_install: ['diffusers==0.32.2', 'gradio==4.44.1'] },
      });
      expect((await home.run(['upgrade', '--check'])).code).toBe(10);
      expect((await home.run(['upgrade', '--ref', machine.imageSha.slice(0, 8), '--check'])).code).toBe(0);
      expect(await home.json(['upgrade', 'web'])).toMatchObject({ error: { exit: 2 } });
      expect(await home.json(['upgrade', '--ref', 'no-such'])).toMatchObject({
        error: { code: 'REF_NOT_FOUND', exit: 3 },
      });
      expect(await home.json(['upgrade', '--ref=--upload-pack=x'])).toMatchObject({
        error: { code: 'BAD_REF', exit: 2 },
      });
      expect(await home.json(['upgrade', '--remote', 'ext::sh'])).toMatchObject({
        error: { code: 'BAD_REMOTE', exit: 2 },
      });
      expect(machine.state()).toEqual(before);
    },
  );

  it('goes to the tip and back: edits kept, packages moved, torch untouched, Forge proved', async (test) => {
    if (!(await hasPip('an upgrade that changes packages'))) return test.skip();
    appendFileSync(join(machine.tree, 'README.md'), 'my own line\n');
    // pip installs the old versions again, which are not the same to the byte.
    const { packageFiles: _, ...before } = machine.state();
    const done = await home.json<{ instances: { result: string; downtime_s: number }[] }>(['upgrade', '--yes']);
    expect(done.instances, JSON.stringify(done)).toMatchObject([{ result: 'done', downtime_s: expect.any(Number) }]);
    expect(machine.git('rev-parse', 'HEAD')).toBe(machine.mainSha);
    expect(machine.read('README.md')).toContain('my own line');
    expect(machine.read('requirements_versions.txt')).toMatch(/^torch$/mu);
    expect(machine.read('requirements_versions.txt')).not.toMatch(/^torchvision/mu);
    expect(machine.packages()).toContain('gradio-4.44.1.dist-info');
    expect(machine.packages().filter((name) => name.startsWith('torch'))).toEqual(
      (before['packages'] as string[]).filter((name) => name.startsWith('torch')),
    );
    const { upgrades } = await home.json<{ upgrades: unknown[] }>(['upgrade', 'history', 'web']);
    expect(upgrades[0]).toMatchObject({ from: { sha: machine.imageSha }, result: 'done' });
    const back = await home.json<{ instances: { result: string }[] }>(['upgrade', 'web', '--rollback', '--yes']);
    expect(back.instances, JSON.stringify(back)).toMatchObject([{ result: 'done' }]);
    expect(machine.state()).toMatchObject(before);
    expect(machine.isLocked()).toBe(false);
  });

  it.runIf(isAll)(
    'a commit that crashes at the start is put back, packages included, and Forge proved: exit 11 (long)',
    async () => {
      const before = machine.state();
      machine.remote.branch('crash', { 'launch.py': 'raise SystemExit("broken on purpose")\n' });
      const { error } = await home.json<UpgradeError>(['upgrade', '--ref', 'crash', '--yes']);
      expect(error, JSON.stringify(error)).toMatchObject({
        code: 'FORGE_UNHEALTHY',
        exit: 11,
        rolled_back_to: machine.imageSha,
      });
      expect(error.hint).toContain('broken on purpose');
      expect(machine.state()).toEqual(before);
      expect((await home.run(['wait', '--for', 'forge'])).code).toBe(0);
      expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
      expect(machine.isLocked()).toBe(false);
    },
  );

  it.runIf(isMost)(
    'another variant: --remote says so plainly, and follows what that one follows; a Forge that draws is told (long)',
    async () => {
      const neo = machine.remote.variant('neo');
      const looked = await home.run(['upgrade', 'web', '--remote', neo.url, '--dry-run']);
      expect(looked.stdout).toContain(`ANOTHER ONE: ${neo.url}, instead of`);
      expect(looked.stdout).toContain(`${neo.sha.slice(0, 9)} `);
      expect(looked.stdout).toContain('branch neo');
      machine.draw(60_000);
      expect((await home.run(['upgrade', 'web', '--dry-run'])).stdout).toContain('IS DRAWING SOMETHING NOW');
      expect(await home.json(['upgrade', 'web', '--yes', '--if-busy', 'stop'])).toMatchObject({
        error: { code: 'FORGE_BUSY', exit: 8 },
      });
      expect(machine.git('rev-parse', 'HEAD')).toBe(machine.imageSha);
      const drawsNoMore = await home.run(['service', 'restart', 'web', 'forge', '--wait', '--yes']);
      expect(drawsNoMore.code, drawsNoMore.stderr).toBe(0);
    },
  );

  it.runIf(isMost)(
    'extensions: those with a repository of their own move to their tip; one with edits is left alone, with the reason (long)',
    async () => {
      const extensions = join(machine.tree, 'extensions');
      for (const name of ['one ext', 'edited']) {
        const remote = join(home.directory, `${name}.git`);
        const work = join(extensions, name);
        mkdirSync(work, { recursive: true });
        const git = (...words: string[]) =>
          execFileSync('git', ['-C', work, '-c', 'user.name=x', '-c', 'user.email=x@sandbox.invalid', ...words]);
        git('init', '-q', '-b', 'main');
        writeFileSync(join(work, 'a.py'), 'one\n');
        git('add', '-A');
        git('commit', '-q', '-m', 'First');
        git('commit', '-q', '--allow-empty', '-m', 'Second');
        execFileSync('git', ['clone', '-q', '--bare', work, remote]);
        git('remote', 'add', 'origin', remote);
        git('fetch', '-q');
        git('reset', '-q', '--hard', 'HEAD~1');
        git('branch', '-q', '-u', 'origin/main');
      }
      writeFileSync(join(extensions, 'edited', 'a.py'), 'mine\n');
      const plan = await home.json(['upgrade', '--extensions', '--dry-run']);
      expect(plan).toMatchObject({
        extensions: [{ name: 'one ext', commit_count: 1, subjects: ['Second'] }],
        skipped: [{ name: 'edited', reason: 'it has local edits' }],
      });
      expect(await home.json(['upgrade', '--extension', 'none', '--yes'])).toMatchObject({
        error: { code: 'EXTENSION_NOT_FOUND', exit: 3 },
      });
      const done = await home.run(['upgrade', '--extension', 'one ext', '--yes']);
      expect(done.code, done.stderr).toBe(0);
      expect((await home.run(['upgrade', '--extension', 'one ext', '--check'])).code).toBe(0);
      rmSync(extensions, { recursive: true });
    },
  );

  it.runIf(isMost)(
    'edits that do not fit, files in the way, submodules, another’s lock: refused before anything is touched (long)',
    async () => {
      machine.write('launch.py', machine.read('launch.py').replace("VERSION = '2.0.1'", "VERSION = 'mine'"));
      expect(await home.json(['upgrade', '--yes'])).toMatchObject({ error: { code: 'LOCAL_EDITS_CONFLICT', exit: 9 } });
      expect((await home.run(['upgrade', '--dry-run'])).stdout).toMatch(/launch\.py: yours, DOES NOT FIT/u);
      machine.reset();
      machine.remote.branch('more', { 'notes.txt': 'theirs\n' });
      machine.write('notes.txt', 'mine\n');
      expect(await home.json(['upgrade', '--ref', 'more', '--yes'])).toMatchObject({
        error: { code: 'UNTRACKED_FILES' },
      });
      expect(machine.read('notes.txt')).toBe('mine\n');
      rmSync(join(machine.tree, 'notes.txt'));
      machine.remote.branch('lfs', { '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n' });
      expect(await home.json(['upgrade', '--ref', 'lfs', '--yes'])).toMatchObject({
        error: { code: 'NO_LFS', exit: 9 },
      });
      machine.remote.branch('modules', {
        '.gitmodules': '[submodule "x"]\n\tpath = x\n\turl = https://host.invalid/x\n',
      });
      expect(await home.json(['upgrade', '--ref', 'modules', '--yes'])).toMatchObject({
        error: { code: 'SUBMODULES' },
      });
      const lock = { run: 'upgrade-0a0a0a0a', why: 'upgrade to x', who: 'other', since: '2026-01-01T00:00:00.000Z' };
      const file = join(machine.root, 'var', 'lib', 'forgectl', 'lock');
      writeFileSync(file, Buffer.from(JSON.stringify(lock)).toString('base64'));
      const { error } = await home.json<UpgradeError>(['upgrade', '--yes']);
      expect(error).toMatchObject({ code: 'MACHINE_LOCKED', exit: 9 });
      expect(error.message).toContain('by other since 2026');
      expect(machine.git('rev-parse', 'HEAD')).toBe(machine.imageSha);
      rmSync(file);
    },
  );
});
