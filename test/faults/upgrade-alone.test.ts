import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type UpgradeError, UpgradeMachine } from '../support/upgrade-machine.ts';
import { isAll, isMost, shareOf } from './chosen.ts';

const preload = (name: string): string => `--import=${fileURLToPath(new URL(name, import.meta.url))}`;
/** A minute of the sandbox is a second. */
const LEASE = ['--put-back-after', '6m'];

/** Moments with the way back armed: 5 is the end of that step, 17 the proof that Forge answers. */
const CASES = [9, 6, 8, 12, 14, 17].flatMap((number) =>
  (['resume', 'undo'] as const).map((repair) => ({ number, repair })),
);

/** Milliseconds from the end of the lease. */
const AROUND = [-2500, -2000, -1500, -1000, -500, 0, 250, 500, 750, 1000, 1500, 2000];

describe.runIf(isMost)('an upgrade that is left alone: its machine puts itself back', () => {
  const machine = new UpgradeMachine();
  const { home } = machine;
  const cutOff = async () => (await home.json(['runs', 'ls', '--cut-off'])) as unknown as { id: string }[];
  const kept = (run: string, name: string) => join(machine.root, 'var', 'lib', 'forgectl', 'upgrades', run, name);
  const outcome = async (run: string): Promise<string> => {
    for (let look = 0; look < 1200; look += 1) {
      if (existsSync(kept(run, 'outcome'))) return readFileSync(kept(run, 'outcome'), 'utf8').trim();
      await delay(50);
    }
    throw new Error(`no end after a minute: ${readFileSync(kept(run, 'watchdog/log'), 'utf8')}`);
  };
  const appears = async (path: string, isThere = true): Promise<void> => {
    for (let look = 0; look < 6000 && existsSync(path) !== isThere; look += 1) await delay(10);
    expect(existsSync(path), path).toBe(isThere);
  };
  const disappears = (path: string) => appears(path, false);
  const page = async () => {
    const port = readFileSync(join(machine.root, 'run', 'ports', '17860'), 'utf8').split(' ')[0];
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(async (error) => {
      const log = await home.run([
        'exec',
        'web',
        '--',
        'supervisorctl status; tail -n 20 /var/log/portal/forge.log "$FORGECTL_ROOT"/var/log/portal/forge.log; tail "$FORGECTL_ROOT"/var/lib/forgectl/upgrades/*/watchdog/log; date',
      ]);
      throw new Error(`${error}\n${log.stdout}`);
    });
    return { status: answer.status, text: await answer.text() };
  };
  const killedAt = async (when: string, lease = LEASE): Promise<string> => {
    const env = { NODE_OPTIONS: preload('./kill-at-journal-write.mjs'), KILL_AT_JOURNAL_WRITE: when };
    const struck = await home.run(['upgrade', 'web', '--yes', '--json', ...lease], { env });
    expect(struck.signal, struck.stdout + struck.stderr).toBe('SIGKILL');
    return String((await cutOff())[0]?.id);
  };

  beforeAll(() => machine.start(60));
  beforeEach(() => {
    machine.reset();
    appendFileSync(join(machine.tree, 'README.md'), 'my own line\n');
  });
  afterAll(() => machine.stop());

  it.each(shareOf(CASES, 12))(
    'killed at journal write $number, and nobody comes until it is over: then $repair',
    async ({ number, repair }) => {
      const before = machine.state();
      const run = await killedAt(`${number % 2 === 0 ? 'before' : 'after'}:${number}`);
      expect(await outcome(run)).toMatch(/^back \d/u);
      expect(machine.state()).toEqual(before);
      expect(await page()).toMatchObject({ status: 200, text: expect.stringContaining('forge 2.0.1') });
      expect(machine.isLocked()).toBe(false);
      const { upgrades } = await home.json<{ upgrades: unknown[] }>(['upgrade', 'history', 'web']);
      expect(upgrades[0]).toMatchObject({
        run,
        result: 'rolled_back',
        reason: expect.stringContaining('put itself back'),
      });
      const ran = await home.run([repair, run, '--json', ...(repair === 'undo' ? ['--yes'] : [])]);
      expect(ran.code, ran.stdout + ran.stderr).toBe(repair === 'undo' ? 0 : 11);
      if (repair === 'resume')
        expect((JSON.parse(ran.stdout) as UpgradeError).error).toMatchObject({
          code: 'PUT_BACK_BY_MACHINE',
          rolled_back_to: machine.imageSha,
        });
      expect(machine.state()).toEqual(before);
      expect(await cutOff()).toEqual([]);
    },
  );

  const cutAt = (number: number, forMs: number) =>
    home.run(['upgrade', 'web', '--yes', '--json', ...LEASE], {
      env: {
        NODE_OPTIONS: preload('./cut-at-journal-write.mjs'),
        CUT_AT_JOURNAL_WRITE: String(number),
        CUT_FOR_MS: String(forMs),
      },
    });

  it('the line is gone for good: exit 13 with what the machine will do; resume then says exit 11', async () => {
    const before = machine.state();
    const cut = await cutAt(9, 0);
    expect(cut.code, cut.stdout + cut.stderr).toBe(13);
    const { error } = JSON.parse(cut.stdout) as UpgradeError;
    expect(error).toMatchObject({ code: 'PUTS_ITSELF_BACK', puts_itself_back_at: expect.any(String) });
    const run = String(error.run);
    expect(await outcome(run)).toMatch(/^back /u);
    expect(machine.state()).toEqual(before);
    expect((await home.run(['resume', run])).code).toBe(11);
  });

  it.runIf(isAll)('the line comes back when the machine has put itself back: exit 11, seen', async () => {
    const before = machine.state();
    const cut = await cutAt(14, 9_000);
    expect(cut.code, cut.stdout + cut.stderr).toBe(11);
    expect((JSON.parse(cut.stdout) as UpgradeError).error.rolled_back_to).toBe(machine.imageSha);
    expect(machine.state()).toEqual(before);
    expect(await cutOff()).toEqual([]);
  });

  it.runIf(isAll).each(['resume', 'undo'] as const)(
    'comes back while the machine puts itself back: %s waits for it, and proves it',
    async (repair) => {
      const before = machine.state();
      const run = await killedAt('after:9');
      await appears(kept(run, 'claimed'));
      const ran = await home.run([repair, run, '--json', ...(repair === 'undo' ? ['--yes'] : [])]);
      expect(ran.code, ran.stdout + ran.stderr).toBe(repair === 'undo' ? 0 : 11);
      expect(await outcome(run)).toMatch(/^back /u);
      expect(machine.state()).toEqual(before);
    },
  );

  it.each(shareOf(AROUND, 12))(
    'comes back %i ms from the end of the lease: one of the two has done all of it',
    async (offsetMs) => {
      const before = machine.state();
      const run = await killedAt('after:9');
      await delay(6_000 + offsetMs);
      const ran = await home.run(['resume', run, '--json']);
      expect([0, 11], ran.stdout + ran.stderr).toContain(ran.code);
      if (ran.code === 11) expect(machine.state()).toEqual(before);
      else {
        expect(machine.git('rev-parse', 'HEAD')).toBe(machine.mainSha);
        expect(machine.packages()).toContain('gradio-4.44.1.dist-info');
        // It stays: the watchdog is gone.
        await delay(7_000);
        expect(machine.git('rev-parse', 'HEAD')).toBe(machine.mainSha);
        expect((await home.run(['upgrade', 'web', '--rollback', '--yes'])).code).toBe(0);
      }
      expect(await page()).toMatchObject({ status: 200 });
      expect(machine.isLocked()).toBe(false);
      expect(await cutOff()).toEqual([]);
    },
  );

  it.runIf(isAll)('a watchdog that dies half-way: the next forgectl takes over, and only goes back', async () => {
    const before = machine.state();
    const run = await killedAt('after:14');
    await appears(kept(run, 'claimed'));
    const pid = Number(readFileSync(kept(run, 'watchdog/process'), 'utf8').split(' ')[0]);
    process.kill(-pid, 'SIGKILL');
    expect(existsSync(kept(run, 'outcome'))).toBe(false);
    const ran = await home.run(['resume', run, '--json']);
    expect(ran.code, ran.stdout + ran.stderr).toBe(11);
    expect(machine.state()).toEqual(before);
    expect(machine.isLocked()).toBe(false);
    expect(await page()).toMatchObject({ status: 200, text: expect.stringContaining('forge 2.0.1') });
  });

  it.runIf(isAll)('after a reboot supervisor starts the watchdog again', async () => {
    const before = machine.state();
    const run = await killedAt('after:9', ['--put-back-after', '20m']);
    const pid = Number(readFileSync(kept(run, 'watchdog/process'), 'utf8').split(' ')[0]);
    process.kill(-pid, 'SIGKILL');
    expect((await home.run(['reboot', 'web', '--yes'])).code).toBe(0);
    expect(await outcome(run)).toMatch(/^back /u);
    expect(machine.state()).toEqual(before);
    expect((await home.run(['undo', run, '--yes'])).code).toBe(0);
  });

  it.runIf(isAll)('a machine that somebody else has taken since is left to them', async () => {
    const run = await killedAt('after:9');
    rmSync(join(machine.root, 'var', 'lib', 'forgectl', 'lock'));
    const now = machine.state();
    await disappears(kept(run, 'lease'));
    expect(existsSync(kept(run, 'claimed'))).toBe(false);
    expect(machine.state()).toEqual(now);
    expect((await home.run(['undo', run, '--yes'])).code).toBe(0);
  });

  it.runIf(isAll)('extensions are put back as well', async () => {
    const work = join(machine.tree, 'extensions', 'one');
    mkdirSync(work, { recursive: true });
    const git = (...words: string[]): string =>
      execFileSync('git', ['-C', work, '-c', 'user.name=x', '-c', 'user.email=x@sandbox.invalid', ...words], {
        encoding: 'utf8',
      }).trim();
    git('init', '-q', '-b', 'main');
    for (const subject of ['First', 'Second']) git('commit', '-q', '--allow-empty', '-m', subject);
    const remote = join(home.directory, 'one.git');
    git('clone', '-q', '--bare', work, remote);
    git('remote', 'add', 'origin', remote);
    git('fetch', '-q');
    git('reset', '-q', '--hard', 'HEAD~1');
    git('branch', '-q', '-u', 'origin/main');
    const before = git('rev-parse', 'HEAD');
    const env = { NODE_OPTIONS: preload('./kill-at-journal-write.mjs'), KILL_AT_JOURNAL_WRITE: 'after:6' };
    const struck = await home.run(['upgrade', '--extensions', '--yes', ...LEASE], { env });
    expect(struck.signal, struck.stderr).toBe('SIGKILL');
    expect(git('rev-parse', 'HEAD')).not.toBe(before);
    const run = String((await cutOff())[0]?.id);
    expect(await outcome(run)).toMatch(/^back /u);
    expect(git('rev-parse', 'HEAD')).toBe(before);
    expect(git('branch', '--show-current')).toBe('main');
    expect(await page()).toMatchObject({ status: 200 });
    expect((await home.run(['resume', run])).code).toBe(11);
    expect((await home.run(['upgrade', '--extensions', '--yes'])).code).toBe(0);
    expect(machine.isLocked()).toBe(false);
    rmSync(join(machine.tree, 'extensions'), { recursive: true });
  });
});
