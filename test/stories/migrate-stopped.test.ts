import { existsSync, linkSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { MigrateMachines } from '../support/migrate-machines.ts';
import { describeTree, hasGnuTools, makeAwkwardTree } from '../workflows/copy/support/awkward-tree.ts';

interface Answer {
  error?: { code: string; exit: number; hint: string; message: string };
}

/** Its GPU is somebody else's by now: it cannot start, and what lies on it is wanted all the same. */
describe.runIf(isMost && hasGnuTools('forgectl migrate'))('migrating from a machine that is stopped (in order)', () => {
  const machines = new MigrateMachines();
  const { home } = machines;
  const migrate = (...words: string[]) => home.json<Answer>(['migrate', 'old', 'new', ...words]);
  const fault = (name: string) => home.call('PUT', '/sandbox/faults/', { name });
  const awkward = (which: 'old' | 'new') =>
    describeTree(machines.at(which, 'awkward')).filter((line) => !line.includes('pipe'));

  beforeAll(async () => {
    await machines.start(100);
    makeAwkwardTree(machines.at('old', 'awkward'));
    machines.write('old', 'outputs/a picture.png', 'old picture');
    machines.write('old', 'outputs/large.safetensors', Buffer.alloc(3_000_000, 'x'));
    linkSync(machines.at('old', 'outputs/large.safetensors'), machines.at('old', 'outputs/second name'));
    machines.write('old', '.hf_home/cached', 'cache');
    machines.write('old', 'stable-diffusion-webui-forge/README.md', 'edited here\n');
    machines.write('new', 'notes.txt', 'mine');
    const frozen = await home.run(['venv', 'freeze', 'old']);
    if (frozen.code !== 0) throw new Error(frozen.stderr);
    const stopped = await home.run(['stop', 'old', '--yes']);
    if (stopped.code !== 0) throw new Error(stopped.stderr);
  });
  afterAll(() => machines.stop());

  it('is asked for by name, is never enough to destroy it, and cannot compare contents', async () => {
    expect((await migrate('--yes')).error).toMatchObject({
      code: 'SOURCE_STOPPED',
      exit: 8,
      hint: expect.stringMatching(/forgectl start \d+\n.*--via api/u),
    });
    expect((await migrate('--yes', '--via', 'api', '--verify', 'full')).error).toMatchObject({ exit: 2 });
    expect((await migrate('--yes', '--via', 'api', '--destroy-source')).error).toMatchObject({ exit: 2 });
    const before = [machines.tree('old'), machines.tree('new')];
    expect(await migrate('--dry-run', '--via', 'api')).toMatchObject({
      refused: null,
      via: 'api',
      source_stopped: true,
    });
    const told = await home.run(['migrate', 'old', 'new', '--dry-run', '--via', 'api']);
    expect(told.stdout).toContain('CONTENTS CANNOT BE COMPARED');
    const words = ['migrate', 'old', '--to-new', '--cheapest', '--dry-run'];
    expect((await home.json<Answer>(words)).error).toMatchObject({ code: 'SOURCE_STOPPED' });
    expect(await home.json([...words, '--via', 'api'])).toMatchObject({ files: expect.any(Number), dry_run: true });
    expect([machines.tree('old'), machines.tree('new')]).toEqual(before);
  });

  it('a copy that ends in the middle is noticed; undo, and the destination is as it was', async () => {
    const before = machines.tree('new');
    await fault('copy-fails');
    const { error } = await migrate('--yes', '--via', 'api');
    await home.call('DELETE', '/sandbox/faults/');
    expect(error).toMatchObject({ code: 'PLATFORM_COPY_STALLED', exit: 7 });
    const undone = await home.run(['undo', '--yes']);
    expect(undone.code, undone.stderr).toBe(0);
    expect(machines.tree('new')).toEqual(before);
    expect(machines.leftovers()).toEqual([]);
  });

  it('moves it as it lies there, compared with the list of the platform; the source stays stopped and as it is', async () => {
    const source = machines.tree('old');
    const { code, stdout, stderr } = await home.run(['migrate', 'old', 'new', '--yes', '--json', '--via', 'api']);
    expect(code, stdout + stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      via: 'api',
      source_stopped: true,
      forge_answers: true,
      packages_error: null,
    });
    expect(machines.tree('old')).toEqual(source);
    expect(awkward('new')).toEqual(awkward('old'));
    expect(describeTree(machines.at('new', 'outputs'))).toEqual(describeTree(machines.at('old', 'outputs')));
    expect(readFileSync(machines.at('new', 'stable-diffusion-webui-forge/README.md'), 'utf8')).toBe('edited here\n');
    expect(machines.git('new', 'rev-parse', 'HEAD')).toBe(machines.git('old', 'rev-parse', 'HEAD'));
    expect(existsSync(machines.at('new', '.hf_home'))).toBe(false);
    expect(readdirSync(machines.at('new'))).toContain('notes.txt');
    expect(await home.json<{ actual_status: string }>(['show', 'old'])).toMatchObject({ actual_status: 'exited' });
    expect(machines.leftovers()).toEqual([]);
  });

  it('goes no further once the source was started, and the destination is given back', async () => {
    const before = machines.tree('new');
    machines.write('old', 'outputs/later.png', 'later');
    rmSync(machines.at('old', 'outputs/a picture.png'));
    let started: Promise<unknown> | null = null;
    const ran = await home.run(['migrate', 'old', 'new', '--yes', '--json', '--events', '--via', 'api'], {
      onStdout: (text) => {
        if (!text.includes('"freeze"')) return;
        started ??= home.call('PUT', `/api/v0/instances/${machines.ids[0]}/`, { state: 'running' });
      },
    });
    await started;
    expect(ran.code, ran.stdout.slice(-800)).toBe(9);
    expect(ran.stdout).toContain('SOURCE_STARTED');
    const undone = await home.run(['undo', '--yes']);
    expect(undone.code, undone.stderr).toBe(0);
    expect(machines.tree('new')).toEqual(before);
  });
});
