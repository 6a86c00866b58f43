import { randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type UpgradeError, UpgradeMachine } from '../support/upgrade-machine.ts';
import { describeTree, makeAwkwardTree } from '../workflows/copy/support/awkward-tree.ts';
import { isAll, shareOf } from './chosen.ts';

const PRELOAD = fileURLToPath(new URL('./kill-at-journal-write.mjs', import.meta.url));

describe.runIf(isAll)('whatever happens to a snapshot or a restore, nothing is lost', () => {
  const machine = new UpgradeMachine();
  const { home } = machine;
  const folder = join(home.directory, 'snapshots');
  const workspace = (...names: string[]): string => join(machine.root, 'workspace', ...names);
  const words = (...more: string[]): string[] => ['snapshot', ...more, '--dir', folder];
  /** All that a restore may change: the files but for what Forge itself writes, the checkout and the packages. */
  const state = (): Record<string, unknown> => ({
    ...machine.state(),
    // What pip installs again has the same version, and metadata of its own.
    packageFiles: null,
    files: describeTree(workspace()).filter(
      (line) => !/^"(?:\/\.venv-backups|\/[^"]*__pycache__|\/[^"]*\.git["/])|^"" /u.test(line),
    ),
  });
  const expectTidy = async (): Promise<void> => {
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
    expect(machine.isLocked()).toBe(false);
    expect(readdirSync(workspace()).filter((name) => name.startsWith('.forgectl'))).toEqual([]);
  };
  const killedAt = (number: number, env: NodeJS.ProcessEnv = {}) => ({
    env: {
      NODE_OPTIONS: `--import=${PRELOAD}`,
      KILL_AT_JOURNAL_WRITE: `${number % 2 === 0 ? 'before' : 'after'}:${number}`,
      ...env,
    },
  });
  const states: Record<string, Record<string, unknown>> = {};
  /** What differs from a state that was recorded; the whole of both would fill screens. */
  const unlike = (name: string): string[] => {
    const lines = (one: Record<string, unknown>): string[] =>
      Object.entries(one).flatMap(([key, value]) =>
        [value].flat().map((line) => `${key}: ${String(line).slice(0, 200)}`),
      );
    const [now, then] = [lines(state()), lines(states[name] ?? {})];
    return [
      ...now.filter((line) => !then.includes(line)).map((line) => `+ ${line}`),
      ...then.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ];
  };
  const bring = async (name: string): Promise<void> => {
    const brought = await home.run(words('restore', name, 'web', '--yes'));
    expect(brought.code, brought.stderr).toBe(0);
  };

  beforeAll(async () => {
    await machine.start(60);
    makeAwkwardTree(workspace('tree'), { withPipe: false });
    const make = async (name: string): Promise<void> => {
      const made = await home.run(words('create', 'web', '--name', name));
      expect(made.code, made.stderr).toBe(0);
      states[name] = state();
    };
    await make('image');
    expect((await home.run(['upgrade', '--yes'])).code).toBe(0);
    appendFileSync(workspace('tree', 'plain.txt'), 'more');
    rmSync(workspace('tree', 'sub'), { recursive: true });
    writeFileSync(workspace('tree', 'sub'), 'a file now');
    await make('main');
    const crash = machine.read('launch.py');
    machine.write('launch.py', 'raise SystemExit("broken on purpose")\n');
    await make('broken');
    machine.write('launch.py', crash);
    await bring('image');
    expect(unlike('image')).toEqual([]);
    // pip leaves more of what it replaces than a restore does.
    await bring('main');
    expect(unlike('main').filter((line) => !line.includes('packages'))).toEqual([]);
    states['main'] = state();
  });
  beforeEach(async () => {
    if (unlike('image').length > 0) await bring('image');
    expect(unlike('image')).toEqual([]);
  });
  afterAll(() => machine.stop());

  it('a snapshot with which Forge does not start is put back, and Forge proved: exit 11', async () => {
    const { error } = await home.json<UpgradeError>(words('restore', 'broken', 'web', '--yes'));
    expect(error, JSON.stringify(error)).toMatchObject({ code: 'FORGE_UNHEALTHY', exit: 11 });
    expect(error.hint).toContain('broken on purpose');
    expect(unlike('image')).toEqual([]);
    expect((await home.run(['wait', 'web', '--for', 'forge'])).code).toBe(0);
    await expectTidy();
  });

  it('a disk that fills up in the middle: put back, exit 11', async () => {
    const tar = join(machine.root, 'opt/instance-tools/bin/tar');
    writeFileSync(
      tar,
      '#!/bin/sh\ncase "$*" in *-x*) cat >/dev/null; echo "tar: 0: Cannot write: No space left on device" >&2; exit 2;; esac\nexec /bin/tar "$@"\n',
    );
    chmodSync(tar, 0o755);
    const { error } = await home.json<UpgradeError>(words('restore', 'main', 'web', '--yes'));
    rmSync(tar);
    expect(error, JSON.stringify(error)).toMatchObject({ code: 'DISK_FULL', exit: 11 });
    expect(unlike('image')).toEqual([]);
    await expectTidy();
  });

  it('SIGINT while it copies: put back, exit 130', async () => {
    const cut = await home.run(words('restore', 'main', 'web', '--yes', '--json', '--events'), {
      onStdout: (text, kill) => /"stage_done".*"aside"/u.test(text) && kill('SIGINT'),
    });
    expect(cut.code, cut.stdout).toBe(130);
    expect(unlike('image')).toEqual([]);
    await expectTidy();
  });

  const RESTORE_WRITES = Array.from({ length: 30 }, (_, at) => at + 1);
  it.each(shareOf(RESTORE_WRITES, 7).map((number) => ({ number, repair: number % 4 < 2 ? 'resume' : 'undo' })))(
    'restore, kill -9 at journal write $number, then $repair',
    async ({ number, repair }) => {
      const killed = await home.run(words('restore', 'main', 'web', '--yes', '--json'), killedAt(number));
      if (killed.signal === 'SIGKILL') {
        const [open] = (await home.json(['runs', 'ls', '--cut-off'])) as unknown as { id: string }[];
        if (open !== undefined) {
          const repaired = await home.run([repair, open.id, '--json', ...(repair === 'undo' ? ['--yes'] : [])]);
          // Once the state before has begun to go, there is only the way on.
          if (repaired.stdout.includes('RUN_PROVED')) expect((await home.run(['resume', open.id])).code).toBe(0);
          else expect(repaired.code, repaired.stdout + repaired.stderr).toBe(0);
        }
      } else expect(killed.code, killed.stdout + killed.stderr).toBe(0);
      const differs = [unlike('image'), unlike('main')].sort((one, other) => one.length - other.length);
      expect(differs[0]).toEqual([]);
      await expectTidy();
    },
  );

  const REPAIRS = ['again', 'resume', 'undo'];
  const CREATE_WRITES = Array.from({ length: 9 }, (_, at) => at + 1);
  it.each(shareOf(CREATE_WRITES, 4).map((number) => ({ number, repair: REPAIRS[number % 3] ?? 'again' })))(
    'create with Forge stopped, kill -9 at journal write $number, then $repair',
    async ({ number, repair }) => {
      const name = `cut-${number}`;
      const line = words('create', 'web', '--name', name, '--stop-forge', '--yes');
      const killed = await home.run([...line, '--json'], killedAt(number));
      const [open] = (await home.json(['runs', 'ls', '--cut-off'])) as unknown as { id: string }[];
      if (killed.signal === 'SIGKILL' && open !== undefined) {
        const way = repair === 'again' ? line : [repair, open.id, ...(repair === 'undo' ? ['--yes'] : [])];
        const repaired = await home.run(way);
        // The last write comes behind a snapshot that is complete.
        const isThere = repair === 'again' && repaired.stderr.includes('already in');
        if (isThere) expect((await home.run(['resume', open.id])).code).toBe(0);
        else expect(repaired.code, repaired.stdout + repaired.stderr).toBe(0);
      }
      const { snapshots } = await home.json<{ snapshots: { name: string; complete: boolean }[] }>(words('ls'));
      for (const one of snapshots) expect(one.complete, one.name).toBe(true);
      if (snapshots.some((one) => one.name === name))
        expect(await home.json(words('show', name, '--verify'))).toMatchObject({ verified: true });
      expect((await home.run(['wait', 'web', '--for', 'forge'])).code).toBe(0);
      await expectTidy();
    },
  );

  it('killed while it copies: unfinished, never restored, and the same line goes on', async () => {
    writeFileSync(workspace('model.bin'), randomBytes(200_000_000));
    const killed = await home.run(words('create', 'web', '--json', '--events'), {
      onStdout: (text, kill) => text.includes('"progress"') && kill('SIGKILL'),
    });
    expect(killed.signal).toBe('SIGKILL');
    const ls = () => home.json<{ snapshots: { name: string; complete: boolean }[] }>(words('ls'));
    const half = (await ls()).snapshots.find(({ complete }) => !complete);
    expect(half).toBeDefined();
    expect(await home.json(words('restore', half?.name ?? '', 'web', '--yes'))).toMatchObject({
      error: { code: 'SNAPSHOT_UNFINISHED', exit: 9 },
    });
    const done = await home.json(words('create', 'web'));
    expect(done, JSON.stringify(done)).toMatchObject({ name: half?.name, complete: true });
    expect(await home.json(words('show', half?.name ?? '', '--verify'))).toMatchObject({ verified: true });
    expect(readdirSync(join(folder, 'incoming'))).toEqual([]);
    rmSync(workspace('model.bin'));
    await expectTidy();
  });

  it('into a folder of the machine itself, and back from there', async () => {
    const place = ['--dir', 'web:kept', '--name', 'there'];
    expect(await home.json(['snapshot', 'create', 'web', ...place])).toMatchObject({ complete: true });
    const again = await home.json(['snapshot', 'create', 'web', '--dir', 'web:kept', '--name', 'second']);
    expect(again).toMatchObject({ new_bytes: 0 });
    appendFileSync(workspace('tree', 'plain.txt'), 'changed');
    const back = await home.json(['snapshot', 'restore', 'there', 'web', '--dir', 'web:kept', '--yes']);
    expect(back, JSON.stringify(back)).toMatchObject({
      name: 'there',
      replaced: expect.arrayContaining(['tree/plain.txt']),
    });
    expect(readFileSync(workspace('tree', 'plain.txt'), 'utf8')).toBe('hello\n');
    expect(existsSync(workspace('kept', 'snapshots'))).toBe(true);
    rmSync(workspace('kept'), { recursive: true });
  });
});
