import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { hasPip, hasSsh } from '../support/is-checked.ts';
import { MigrateMachines } from '../support/migrate-machines.ts';
import { describeTree, hasGnuTools, makeAwkwardTree } from '../workflows/copy/support/awkward-tree.ts';

interface Answer {
  error?: { code: string; exit: number; hint: string };
  run?: string;
}

/** Every way to be cut off is in test/faults, real machines are in test/lab. */
describe.skipIf(!hasGnuTools('forgectl migrate'))('migrating a Forge (in order)', () => {
  const machines = new MigrateMachines();
  const { home } = machines;
  /** A machine of the sandbox has the ssh of this computer, if any. */
  const via = hasSsh('the direct way of migrations') ? 'direct' : 'relay';

  beforeAll(async () => {
    await machines.start(100);
    makeAwkwardTree(machines.at('old', 'awkward'));
    machines.write('old', 'outputs/a picture.png', 'old picture');
    machines.write('new', 'outputs/another.png', 'mine');
    machines.write('new', 'notes.txt', 'also mine');
    machines.write('old', '.hf_home/cached', 'cache');
    machines.write('old', 'stable-diffusion-webui-forge/README.md', 'edited here\n');
    machines.write('new', 'stable-diffusion-webui-forge/README.md', 'edited there\n');
  });
  afterAll(() => machines.stop());

  it('says what would move, what stays and why, what is replaced; and changes nothing', async () => {
    const before = [machines.tree('old'), machines.tree('new')];
    const plan = await home.json(['migrate', 'old', 'new', '--dry-run', '--exclude', 'awkward/sub/']);
    expect(plan).toMatchObject({
      dry_run: true,
      refused: null,
      via,
      traffic_free: expect.any(Boolean),
      differences: [],
      source_afterwards: 'keep',
      left_out: expect.arrayContaining([
        expect.objectContaining({ pattern: '/.hf_home/', files: 1 }),
        expect.objectContaining({ pattern: 'awkward/sub/', reason: 'by --exclude' }),
      ]),
      overwrites: expect.arrayContaining([expect.objectContaining({ path: 'stable-diffusion-webui-forge' })]),
      links_out: ['awkward/absolute -> /etc/passwd'],
    });
    expect([machines.tree('old'), machines.tree('new')]).toEqual(before);
    await expect.poll(() => machines.leftovers()).toEqual([]);
  });

  it('moves it: the same tree, commits, edits and packages there; Forge answers; the source is only read', async (test) => {
    if (!(await hasPip('migrations'))) return test.skip();
    const install = await home.run(['venv', 'install', 'old', 'diffusers==0.32.2', '--yes']);
    expect(install.code, install.stderr).toBe(0);
    const source = machines.tree('old');
    const { code, stdout, stderr } = await home.run(['migrate', 'old', 'new', '--yes', '--verify', 'full', '--json']);
    expect(code, stdout + stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      via,
      forge_answers: true,
      source_downtime_s: expect.any(Number),
      packages_error: null,
    });
    expect(machines.tree('old')).toEqual(source);
    const lost = describeTree(machines.at('old', 'awkward'));
    // Nothing there has its owner's rights for whoever runs it.
    expect(describeTree(machines.at('new', 'awkward'))).toEqual(lost.filter((line) => !line.includes('pipe')));
    expect(machines.git('new', 'rev-parse', 'HEAD')).toBe(machines.git('old', 'rev-parse', 'HEAD'));
    expect(machines.git('new', 'diff', 'HEAD')).toBe(machines.git('old', 'diff', 'HEAD'));
    expect(machines.packages('new')).toContain('diffusers-0.32.2.dist-info');
    expect(readdirSync(machines.at('new', 'outputs')).sort()).toEqual(['a picture.png', 'another.png']);
    expect(readFileSync(machines.at('new', 'notes.txt'), 'utf8')).toBe('also mine');
    expect(existsSync(machines.at('new', '.hf_home'))).toBe(false);
    await expect.poll(() => machines.leftovers()).toEqual([]);
    expect((await home.run(['service', 'status', 'old', 'forge'])).code).toBe(0);
  });

  it.runIf(isMost)(
    'where only the source reaches the destination, the source sends; its key is gone afterwards (long)',
    async () => {
      machines.write('old', 'outputs/sent.safetensors', Buffer.alloc(40_000_000, 'sent'));
      await home.call('PUT', '/sandbox/faults/', { name: 'no-ports', instance_id: machines.ids[0] });
      const words = ['migrate', 'old', 'new', '--yes', '--json'];
      const { code, stdout, stderr } = await home.run(words);
      await home.call('DELETE', '/sandbox/faults/');
      expect(code, stdout.slice(-1500) + stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ via: 'direct', direct_by: 'source', via_reason: null });
      const sent = (which: 'old' | 'new') => readFileSync(machines.at(which, 'outputs/sent.safetensors'));
      expect(sent('new').equals(sent('old'))).toBe(true);
      expect(machines.leftovers()).toEqual([]);
    },
  );

  it.runIf(isMost)('asks before the first effect, and refuses what cannot go well (long)', async () => {
    const migrate = (...words: string[]) => home.json<Answer>(['migrate', ...words]);
    expect((await migrate('old', 'new')).error).toMatchObject({ code: 'MISSING_ANSWER', exit: 2 });
    expect((await migrate('old')).error).toMatchObject({ exit: 2 });
    expect((await migrate('old', 'old', '--yes')).error).toMatchObject({ exit: 2 });
    expect((await migrate('old', 'nobody', '--yes')).error).toMatchObject({ exit: 3 });
    expect((await migrate('old', 'new', '--best', '--yes')).error).toMatchObject({ code: 'USAGE', exit: 2 });
    for (const [which, hash] of [
      ['old', 'a'],
      ['new', 'b'],
    ] as const)
      writeFileSync(join(machines.root(which), '.env_hash'), hash);
    expect((await migrate('old', 'new', '--yes')).error).toMatchObject({ code: 'IMAGE_MISMATCH', exit: 9 });
    const lock = { run: 'upgrade-0a0a0a0a', why: 'upgrade to x', who: 'other', since: '2026-01-01T00:00:00.000Z' };
    const place = join(machines.root('new'), 'var', 'lib', 'forgectl');
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'lock'), Buffer.from(JSON.stringify(lock)).toString('base64'));
    expect((await migrate('old', 'new', '--yes')).error).toMatchObject({ code: 'MACHINE_LOCKED', exit: 9 });
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
  });
});
