import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { type UpgradeError, UpgradeMachine } from '../support/upgrade-machine.ts';
import { describeTree, hasGnuTools, makeAwkwardTree } from '../workflows/copy/support/awkward-tree.ts';

interface Created extends UpgradeError {
  name: string;
  files: number;
  bytes: number;
  new_bytes: number;
  most_new_bytes: number;
  unchanged_files: number;
  forge: { head: string; edited_files: number };
  launch: { secret_names: string[]; env: Record<string, string> };
  changed_while_read: string[];
  problems: { path: string; kind: string }[];
}

/** Being killed, and every other way to fail, is in test/faults. */
describe.skipIf(!hasGnuTools('forgectl snapshot'))('snapshots of a machine (in order)', () => {
  const machine = new UpgradeMachine();
  const { home } = machine;
  const folder = join(home.directory, 'my snapshots');
  const snapshot = <T = Created>(...words: string[]) => home.json<T>(['snapshot', ...words, '--dir', folder]);
  const workspace = (...names: string[]): string => join(machine.root, 'workspace', ...names);
  const manifestFile = (name: string): string => join(folder, 'snapshots', name, 'manifest.json');
  /** The tree without what Forge writes while it runs. */
  const tree = (): string[] =>
    describeTree(workspace()).filter(
      (line) => !/^"(?:\/\.venv-backups|\/[^"]*__pycache__|\/[^"]*\.git["/])|^"" /u.test(line),
    );

  beforeAll(async () => {
    await machine.start(60);
    makeAwkwardTree(workspace('tree'));
    writeFileSync(workspace('.env'), 'export HF_TOKEN=hf_secret_of_the_user\n');
    appendFileSync(join(machine.tree, 'README.md'), 'my own line\n');
  });
  afterAll(() => machine.stop());

  it('a dry run says what it holds and what it would copy, and makes nothing', async () => {
    const plan = await snapshot('create', 'web', '--name', 'first', '--dry-run');
    expect(plan).toMatchObject({ dry_run: true, name: 'first', unchanged_files: 0, special: ['tree/pipe'] });
    expect(plan.most_new_bytes).toBe(plan.bytes);
    expect(existsSync(folder)).toBe(false);
  });

  it('keeps everything, names of any bytes too, private and without secrets; the next one copies only what is new', async () => {
    const made = await snapshot('create', 'web', '--name', 'first');
    expect(made, JSON.stringify(made.error)).toMatchObject({
      complete: true,
      forge: { head: machine.imageSha, edited_files: 2 },
      changed_while_read: [],
      problems: [{ path: 'tree/pipe', kind: 'special' }],
    });
    expect(made.launch.secret_names).toContain('OPEN_BUTTON_TOKEN');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const manifest = readFileSync(manifestFile('first'), 'utf8');
    expect(manifest + readFileSync(join(folder, 'snapshots', 'first', 'files.jsonl'), 'utf8')).not.toMatch(
      /hf_secret|"\.env"/u,
    );
    writeFileSync(workspace('new file'), 'n'.repeat(1000));
    const next = await snapshot('create', 'web', '--name', 'second');
    expect(next, JSON.stringify(next.error)).toMatchObject({ new_bytes: 1000, files: made.files + 1 });
    expect(await snapshot('create', 'web', '--name', 'SECOND')).toMatchObject({
      error: { code: 'SNAPSHOT_EXISTS', exit: 9 },
    });
    const { snapshots } = await snapshot<{ snapshots: { name: string; complete: boolean }[] }>('ls');
    expect(snapshots.map(({ name, complete }) => [name, complete])).toEqual([
      ['first', true],
      ['second', true],
    ]);
  });

  it.runIf(isMost)(
    'a copy of the folder, read by somebody without an account, is as good: compared by hashes (long)',
    async () => {
      const copy = join(home.directory, 'a copy');
      cpSync(folder, copy, { recursive: true });
      const env = { FORGECTL_SANDBOX: '', FORGECTL_SNAPSHOT_DIR: copy };
      expect(await home.json(['snapshot', 'show', 'first', '--verify'], { env })).toMatchObject({
        name: 'first',
        verified: true,
        damaged: [],
        launch_line: expect.stringMatching(/^forgectl launch --best --template \S+ --disk \d+/u),
      });
      rmSync(copy, { recursive: true });
    },
  );

  it.runIf(isMost)(
    'restores what was changed, removed and upgraded since, byte for byte, and Forge answers (long)',
    async () => {
      const before = tree();
      const state = machine.state();
      appendFileSync(workspace('tree', 'plain.txt'), 'changed');
      writeFileSync(workspace('tree', 'run.sh'), '#!/bin/ss\n', { flag: 'r+' });
      chmodSync(workspace('tree', 'empty'), 0o600);
      rmSync(workspace('tree', 'sub'), { recursive: true });
      writeFileSync(workspace('tree', 'sub'), 'a file where a directory was');
      writeFileSync(workspace('mine'), 'stays');
      machine.git('checkout', '-q', '-f', '--detach', machine.mainSha);
      const plan = await snapshot<{ forge: { from: string } }>('restore', 'second', 'web', '--dry-run');
      expect(plan).toMatchObject({ dry_run: true, forge: { from: machine.mainSha, to: machine.imageSha } });
      expect(machine.git('rev-parse', 'HEAD')).toBe(machine.mainSha);
      const done = await snapshot('restore', 'second', 'web', '--yes');
      expect(done.error, JSON.stringify(done)).toBeUndefined();
      expect(tree().filter((line) => !line.startsWith('"/mine"'))).toEqual(before);
      expect(machine.state()).toEqual(state);
      expect(readFileSync(workspace('mine'), 'utf8')).toBe('stays');
      expect(readdirSync(workspace()).filter((name) => name.startsWith('.forgectl'))).toEqual([]);
      expect((await home.run(['wait', 'web', '--for', 'forge'])).code).toBe(0);
      expect(machine.isLocked()).toBe(false);
    },
  );

  it.runIf(isMost)(
    'onto a machine that is rented for it: as the first was launched, the same tree, and Forge answers (long)',
    async () => {
      const words = ['restore', 'second', '--to-new', '--cheapest', '--label', 'fresh'];
      const plan = await snapshot<{ launch: { disk_gb: number } }>(...words, '--dry-run');
      expect(plan, JSON.stringify(plan)).toMatchObject({ dry_run: true, name: 'second', launch: { label: 'fresh' } });
      expect(await snapshot(...words)).toMatchObject({ error: { code: 'MISSING_ANSWER', exit: 2 } });
      expect(await snapshot('restore', 'second', 'web', '--best', '--yes')).toMatchObject({ error: { exit: 2 } });
      expect(await snapshot('restore', 'second', 'web', '--to-new', '--yes')).toMatchObject({ error: { exit: 2 } });
      const done = await snapshot<{ instance_id: number }>(...words, '--yes', '--timeout', '9h');
      expect(done.instance_id, JSON.stringify(done)).toEqual(expect.any(Number));
      const there = new Set(
        describeTree(join(home.directory, 'sandbox', 'machines', String(done.instance_id), 'root', 'workspace')),
      );
      // Its pipe is in no snapshot; the machine's own top directory and first pictures are its own.
      expect(tree().filter((line) => !there.has(line) && !/^"\/(?:\.keep|mine|\.env)"/u.test(line))).toEqual([]);
      expect((await home.run(['wait', 'fresh', '--for', 'forge'])).code).toBe(0);
      expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
      expect((await home.run(['destroy', 'fresh', '--yes'])).code).toBe(0);
    },
  );

  it.runIf(isMost)('a flipped byte, and one that is unfinished: refused, and nothing is touched (long)', async () => {
    const before = tree();
    const refused = async (name: string, code: string, exit: number): Promise<UpgradeError['error']> => {
      const { error } = await snapshot<UpgradeError>('restore', name, 'web', '--yes');
      expect(error, JSON.stringify(error)).toMatchObject({ code, exit });
      return error;
    };
    const line = readFileSync(join(folder, 'snapshots', 'second', 'files.jsonl'), 'utf8')
      .split('\n')
      .find((one) => one.includes('"new file"')) as string;
    const { sha256 } = JSON.parse(line) as { sha256: string };
    const object = join(folder, 'objects', sha256.slice(0, 2), sha256);
    writeFileSync(object, 'N', { flag: 'r+' });
    writeFileSync(workspace('new file'), 'other');
    expect((await refused('second', 'SNAPSHOT_DAMAGED', 8)).message).toContain('new file');
    expect(await snapshot('show', 'second', '--verify')).toMatchObject({ verified: false, damaged: ['new file'] });
    writeFileSync(object, 'n', { flag: 'r+' });
    expect(readFileSync(workspace('new file'), 'utf8')).toBe('other');
    writeFileSync(workspace('new file'), 'n'.repeat(1000));
    renameSync(manifestFile('second'), manifestFile('second').replace('manifest', 'unfinished'));
    await refused('second', 'SNAPSHOT_UNFINISHED', 9);
    renameSync(manifestFile('second').replace('manifest', 'unfinished'), manifestFile('second'));
    expect(tree().map((one) => one.replace(/^("\/new file" \d+) \d+/u, '$1'))).toEqual(
      before.map((one) => one.replace(/^("\/new file" \d+) \d+/u, '$1')),
    );
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
  });

  it.runIf(isMost)('removing one keeps what others have (long)', async () => {
    const dry = await snapshot<{ freed_bytes: number }>('rm', 'second', '--dry-run');
    expect(dry).toMatchObject({ dry_run: true, freed_bytes: 1000 });
    expect(await snapshot('rm', 'second')).toMatchObject({ error: { exit: 2 } });
    expect(await snapshot('rm', 'second', '--yes')).toMatchObject({ freed_bytes: 1000 });
    expect(await snapshot('show', 'first', '--verify')).toMatchObject({ verified: true });
  });
});
