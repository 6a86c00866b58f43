import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type UpgradeError, UpgradeMachine } from '../support/upgrade-machine.ts';
import { isAll } from './chosen.ts';

/** A commit that is broken on the machines that have this file. */
const CRASHES_ON_SOME = `import os
if os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'models', 'crash')):
    raise SystemExit('broken on purpose')
`;

interface Answer {
  instances: { label: string; result: string; error: { code: string; exit: number } | null }[];
}

describe.runIf(isAll)('upgrades of several machines, to another variant, while Forge draws, and of extensions', () => {
  const first = new UpgradeMachine();
  const { home } = first;
  const fleet = [first, new UpgradeMachine(home), new UpgradeMachine(home)];
  const labels = ['web', 'b', "c $(x) '"];
  const heads = () => fleet.map((machine) => machine.git('rev-parse', 'HEAD'));
  const upgrade = async (...words: string[]) => {
    const ran = await home.run(['upgrade', ...words, '--yes', '--json']);
    return { code: ran.code, ...(JSON.parse(ran.stdout) as Answer) };
  };

  beforeAll(async () => {
    await first.start(60);
    for (const [at, machine] of fleet.entries()) {
      if (machine === first) continue;
      const id = await machine.launch(labels[at]);
      machine.adopt(join(home.directory, 'sandbox', 'machines', String(id), 'root'));
      machine.imageSha = machine.git('rev-parse', 'HEAD');
    }
  });
  afterAll(async () => {
    for (const machine of fleet.slice(1)) machine.remote?.remove();
    await first.stop();
  });

  it('a canary that fails is put back, and the others are not touched: exit 12', async () => {
    first.remote.branch('next', { 'launch.py': (old) => `${CRASHES_ON_SOME}${old}` });
    mkdirSync(join(first.tree, 'models'), { recursive: true });
    writeFileSync(join(first.tree, 'models', 'crash'), '');
    const before = fleet.map((machine) => machine.state());
    const done = await upgrade(...labels, '--ref', 'next', '--canary', '--parallel', '2');
    expect(done.code).toBe(12);
    expect(done.instances).toMatchObject([
      { label: 'web', result: 'rolled_back', error: { code: 'FORGE_UNHEALTHY', exit: 11 } },
      { label: 'b', result: 'not_started', error: null },
      { label: labels[2], result: 'not_started', error: null },
    ]);
    expect(fleet.map((machine) => machine.state())).toEqual(before);
  });

  it('one of two at a time fails: what has begun ends, nothing more begins, the failed one is put back', async () => {
    const done = await upgrade('b', 'web', labels[2] as string, '--ref', 'next', '--parallel', '1');
    expect(done.code).toBe(12);
    expect(done.instances.map(({ result }) => result)).toEqual(['done', 'rolled_back', 'not_started']);
    expect(heads()).toEqual([first.imageSha, expect.not.stringMatching(first.imageSha), first.imageSha]);
  });

  it('a good canary, then the others two at a time: all of them; a second time there is nothing to do', async () => {
    const done = await upgrade(...labels, '--ref', 'v2.1.0', '--canary', '--parallel', '2');
    expect(done.code, JSON.stringify(done)).toBe(0);
    expect(done.instances.map(({ result }) => result)).toEqual(['done', 'done', 'done']);
    expect(heads()).toEqual([first.mainSha, first.mainSha, first.mainSha]);
    const again = await upgrade(...labels, '--ref', 'v2.1.0');
    expect(again.instances.map(({ result }) => result)).toEqual(['up_to_date', 'up_to_date', 'up_to_date']);
  });

  it('another variant is fetched and followed, and --rollback brings the old remote back', async () => {
    const before = first.git('remote', 'get-url', 'origin');
    const neo = first.remote.variant('neo');
    expect(await upgrade('web', '--remote', neo.url)).toMatchObject({ code: 0, instances: [{ result: 'done' }] });
    expect([first.git('rev-parse', 'HEAD'), first.git('remote', 'get-url', 'origin')]).toEqual([neo.sha, neo.url]);
    expect((await home.run(['upgrade', 'web', '--check'])).code).toBe(0);
    expect(await upgrade('web', '--rollback')).toMatchObject({ code: 0, instances: [{ result: 'done' }] });
    expect([first.git('rev-parse', 'HEAD'), first.git('remote', 'get-url', 'origin')]).toEqual([first.mainSha, before]);
    const { upgrades } = await home.json<{ upgrades: { remote_url: string }[] }>(['upgrade', 'history', 'web']);
    expect(upgrades.slice(0, 2).map(({ remote_url: url }) => url)).toEqual([before, neo.url]);
  });

  it('Forge draws: waits for the end by default, is exit 7 when it takes too long, goes on when told to', async () => {
    first.draw(2400);
    const late = await home.json<UpgradeError>(['upgrade', 'web', '--ref', 'v2.0.1', '--yes', '--busy-timeout', '1s']);
    expect(late.error).toMatchObject({ code: 'FORGE_BUSY', exit: 7 });
    expect(first.git('rev-parse', 'HEAD')).toBe(first.mainSha);
    const waited = await home.run(['upgrade', 'web', '--ref', 'v2.0.1', '--yes']);
    expect(waited.code, waited.stderr).toBe(0);
    expect(waited.stderr).toContain('is drawing; waiting');
    first.draw(60_000);
    expect(await upgrade('web', '--ref', 'v2.1.0', '--if-busy', 'go')).toMatchObject({
      code: 0,
      instances: [{ generating: true, result: 'done' }],
    });
  });

  it('extensions: one that cannot be checked out puts all of them back: exit 11', async () => {
    const extensions = join(first.tree, 'extensions');
    const tips = ['a one', 'b two'].map((name) => makeExtension(extensions, name, home.directory));
    const lock = join(extensions, 'b two', '.git', 'index.lock');
    writeFileSync(lock, '');
    const { error } = await home.json<UpgradeError>(['upgrade', 'web', '--extensions', '--yes']);
    expect(error, JSON.stringify(error)).toMatchObject({ exit: 11 });
    expect(tips.map(({ head }) => head())).toEqual(tips.map(({ from }) => from));
    rmSync(lock);
    expect((await home.run(['upgrade', 'web', '--extensions', '--yes'])).code).toBe(0);
    expect(tips.map(({ head }) => head())).toEqual(tips.map(({ tip }) => tip));
    expect(existsSync(join(first.root, 'var', 'lib', 'forgectl', 'lock'))).toBe(false);
  });
});

/** A repository of its own in the tree, one commit behind its remote. */
function makeExtension(extensions: string, name: string, remotes: string) {
  const work = join(extensions, name);
  mkdirSync(work, { recursive: true });
  const git = (...words: string[]) =>
    execFileSync('git', ['-C', work, '-c', 'user.name=x', '-c', 'user.email=x@sandbox.invalid', ...words], {
      encoding: 'utf8',
    }).trim();
  git('init', '-q', '-b', 'main');
  writeFileSync(join(work, 'a.py'), 'one\n');
  git('add', '-A');
  git('commit', '-q', '-m', 'First');
  writeFileSync(join(work, 'a.py'), 'two\n');
  git('commit', '-q', '-a', '-m', 'Second');
  const remote = join(remotes, `${name}.git`);
  execFileSync('git', ['clone', '-q', '--bare', work, remote]);
  git('remote', 'add', 'origin', remote);
  git('fetch', '-q');
  const tip = git('rev-parse', 'HEAD');
  git('reset', '-q', '--hard', 'HEAD~1');
  git('branch', '-q', '-u', 'origin/main');
  return { from: git('rev-parse', 'HEAD'), tip, head: () => git('rev-parse', 'HEAD') };
}
