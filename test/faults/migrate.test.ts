import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MigrateMachines } from '../support/migrate-machines.ts';
import { isAll, shareOf } from './chosen.ts';

const PRELOAD = fileURLToPath(new URL('./kill-at-journal-write.mjs', import.meta.url));
/** MIGRATE_WRITES=9,10 runs only these. */
const ONLY = (process.env['MIGRATE_WRITES'] ?? '').split(',').filter(Boolean).map(Number);

/** A migration writes its journal this often; each write is a moment to be killed at. */
const WRITES = Array.from({ length: 40 }, (_, at) => at + 1);

describe.runIf(isAll)('whatever happens to a migration, the destination is as it was, or as it should be', () => {
  const machines = new MigrateMachines();
  const { home } = machines;
  let counter = 0;

  beforeAll(async () => {
    await machines.start(100);
    machines.write('old', 'outputs/a.png', 'a');
    machines.write('old', 'stable-diffusion-webui-forge/models/large.safetensors', Buffer.alloc(40_000_000, 'm'));
    machines.write('new', 'outputs/b.png', 'b');
    machines.write('new', 'only here.txt', 'mine');
  });
  afterAll(() => machines.stop());

  /** Both trees differ at the beginning of each case. */
  const change = (): { source: string[]; destination: string[] } => {
    counter += 1;
    machines.write('old', 'outputs/case.txt', `case ${counter}`);
    machines.write('old', `stable-diffusion-webui-forge/models/case ${counter}`, `case ${counter}`);
    rmSync(machines.at('old', `stable-diffusion-webui-forge/models/case ${counter - 1}`), { force: true });
    machines.write('new', 'stable-diffusion-webui-forge/models/of the destination', `case ${counter}`);
    return { source: machines.tree('old'), destination: machines.tree('new') };
  };

  const expectMoved = (source: readonly string[]): void => {
    const isComing = (line: string): boolean => !/^"(?:\/(?:outputs)?)?" /u.test(line);
    const there = new Set(machines.tree('new'));
    expect(source.filter((line) => isComing(line) && !there.has(line))).toEqual([]);
    expect(existsSync(machines.at('new', 'stable-diffusion-webui-forge/models/of the destination'))).toBe(false);
    expect(existsSync(machines.at('new', 'outputs/b.png'))).toBe(true);
    expect(existsSync(machines.at('new', 'only here.txt'))).toBe(true);
  };

  const expectSettled = async (source: readonly string[]): Promise<void> => {
    expect(machines.tree('old')).toEqual(source);
    await expect.poll(() => machines.leftovers()).toEqual([]);
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
    for (const label of ['old', 'new']) {
      const waited = await home.run(['wait', label, '--for', 'forge', '--timeout', '9h']);
      expect(waited.code, waited.stderr).toBe(0);
    }
  };

  const repair = async (how: 'resume' | 'undo'): Promise<'resume' | 'undo' | null> => {
    const [open] = (await home.json(['runs', 'ls', '--cut-off'])) as unknown as { id: string }[];
    if (open === undefined) return null;
    const yes = how === 'undo' ? ['--yes'] : [];
    const repaired = await home.run([how, open.id, '--json', ...yes]);
    if (how === 'undo' && repaired.code !== 0 && repaired.stdout.includes('TOO_LATE')) return repair('resume');
    expect(repaired.code, repaired.stdout + repaired.stderr).toBe(0);
    return how;
  };

  const cases = shareOf(WRITES, ONLY.length === 0 ? 13 : 1)
    .filter((number) => ONLY.length === 0 || ONLY.includes(number))
    .map((number) => ({
      number,
      how: (number % 4 < 2 ? 'undo' : 'resume') as 'undo' | 'resume',
      via: number % 3 === 0 ? 'relay' : 'direct',
    }));

  it.each(cases)('kill -9 at journal write $number, then $how, by $via', async ({ number, how, via }) => {
    const { source, destination } = change();
    const killed = await home.run(['migrate', 'old', 'new', '--yes', '--json', '--via', via], {
      env: {
        NODE_OPTIONS: `--import=${PRELOAD}`,
        KILL_AT_JOURNAL_WRITE: `${number % 2 === 0 ? 'before' : 'after'}:${number}`,
        COUNT_JOURNAL_WRITES: join(home.directory, 'journal-writes'),
      },
    });
    if (killed.signal !== 'SIGKILL') expect(killed.code, killed.stdout + killed.stderr).toBe(0);
    const done = await repair(how);
    if (killed.signal !== 'SIGKILL' || done === 'resume') expectMoved(source);
    else if (done === 'undo') expect(machines.tree('new')).toEqual(destination);
    await expectSettled(source);
  });

  it.each([
    ['direct', 'undo', 0],
    ['direct', 'resume', 20_000_000],
    ['relay', 'resume', 10_000_000],
  ] as const)('kill -9 in the middle of the copy, by %s, then %s', async (via, how, bytes) => {
    const { source, destination } = change();
    const words = ['migrate', 'old', 'new', '--yes', '--json', '--events', '--via', via, '--bwlimit', '15M'];
    const killed = await home.run(words, {
      onStdout: (text, kill) => {
        const moved = Number(/"phase":"copying".*?"bytes":(\d+)/u.exec(text)?.[1] ?? -1);
        if (moved > bytes) kill('SIGKILL');
      },
    });
    expect(killed.signal).toBe('SIGKILL');
    await repair(how);
    if (how === 'resume') expectMoved(source);
    else expect(machines.tree('new')).toEqual(destination);
    await expectSettled(source);
  });

  it('every connection is cut in the middle of the copy: it goes on by itself', async () => {
    const { source } = change();
    let cuts = 0;
    const words = ['migrate', 'old', 'new', '--yes', '--json', '--events', '--via', 'direct', '--bwlimit', '15M'];
    const ran = await home.run(words, {
      onStdout: (text) => {
        if (cuts > 0 || !/"phase":"copying".*?"bytes":\d{7}/u.test(text)) return;
        cuts += 1;
        for (const id of machines.ids) void home.call('PUT', `/sandbox/cut-ssh/${id}/`, {});
      },
    });
    expect(ran.code, ran.stdout.slice(-1500)).toBe(0);
    expectMoved(source);
    await expectSettled(source);
  });

  it("by the platform's copy, which says nothing of its end", async () => {
    const { source } = change();
    rmSync(machines.at('new', 'stable-diffusion-webui-forge/models/large.safetensors'), { force: true });
    const ran = await home.run(['migrate', 'old', 'new', '--yes', '--json', '--via', 'api']);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    const { contracts } = (await home.call('GET', '/sandbox/ledger/')).body as { contracts: object[] };
    expect(contracts).toHaveLength(2);
    expectMoved(source);
    await expectSettled(source);
  });

  it('Ctrl-C starts Forge on the source again, leaves no key, and says how to go on', async () => {
    const { source, destination } = change();
    const ran = await home.run(['migrate', 'old', 'new', '--yes', '--json', '--events'], {
      onStdout: (text, kill) => {
        if (/"stage_done".*"stop_forge"/u.test(text)) kill('SIGINT');
      },
    });
    expect(ran.code, ran.stdout).toBe(130);
    expect(ran.stdout).toContain('forgectl resume migrate-');
    expect((await home.run(['wait', 'old', '--for', 'forge', '--timeout', '9h'])).code).toBe(0);
    expect(machines.leftovers().filter((what) => what.includes('key') || what.includes('passage'))).toEqual([]);
    await repair('undo');
    expect(machines.tree('new')).toEqual(destination);
    await expectSettled(source);
  });
});
