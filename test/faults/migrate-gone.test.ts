import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finished } from '../support/forgectl.ts';
import { guestsOf } from '../support/machine-processes.ts';
import { leftOn, MigrateMachines } from '../support/migrate-machines.ts';
import { isAll, isMost } from './chosen.ts';

const PRELOAD = fileURLToPath(new URL('./kill-at-journal-write.mjs', import.meta.url));

interface Failure {
  error: { code: string; exit: number; message: string; hint: string };
}

describe.runIf(isMost)('a machine that is gone when a migration goes on', () => {
  const machines = new MigrateMachines();
  const { home } = machines;
  const [first, second, third] = ['old', 'new', 'third'] as const;

  beforeAll(async () => {
    const rent = async (label: string): Promise<number> =>
      (await home.json<{ id: number }>(['launch', '--cheapest', '--yes', '--label', label, '--timeout', '9h'])).id;
    await machines.start(100);
    machines.ids.push(await rent(third));
    machines.write('old', 'stable-diffusion-webui-forge/models/large.safetensors', Buffer.alloc(30_000_000, 'm'));
    machines.write('old', 'outputs/a.png', 'a');
    machines.write('new', 'only here.txt', 'mine');
  });
  afterAll(() => machines.stop());

  const killedIn = (words: string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> =>
    home.run(['migrate', ...words, '--yes', '--json', '--events', '--bwlimit', '15M'], {
      env,
      onStdout: (text, kill) => {
        if (Object.keys(env).length === 0 && /"phase":"copying".*?"bytes":\d{7}/u.test(text)) kill('SIGKILL');
      },
    });
  const destroy = async (label: string): Promise<void> => {
    expect((await home.run(['destroy', label, '--yes'])).code).toBe(0);
  };
  const expectTidy = async (index: number): Promise<void> => {
    const root = machines.rootOf(machines.ids[index] as number);
    await expect.poll(() => [...leftOn(root), ...guestsOf(root)]).toEqual([]);
  };

  it('the destination: said, and nothing of the run is left on the source, whose Forge runs', async () => {
    const tree = machines.tree('old');
    expect((await killedIn([first, third, '--via', 'direct'])).signal).toBe('SIGKILL');
    await destroy(third);
    const { error } = await home.json<Failure>(['resume']);
    expect(error).toMatchObject({ code: 'INSTANCE_VANISHED', exit: 3 });
    expect(error.message).toContain('no lock, key or process of the run is left there');
    await expectTidy(0);
    expect(machines.tree('old')).toEqual(tree);
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
    expect((await home.run(['wait', first, '--for', 'forge', '--timeout', '9h'])).code).toBe(0);
  });

  it.runIf(isAll)('the source, which was destroyed by the run itself: it ends as if nothing had happened', async () => {
    const rented = await home.json<{ id: number }>(['launch', '--cheapest', '--yes', '--label', third]);
    machines.ids[2] = rented.id;
    const env = { NODE_OPTIONS: `--import=${PRELOAD}`, KILL_BEFORE_STEP: 'source:done' };
    const killed = await killedIn([first, third, '--destroy-source', '--via', 'relay'], env);
    expect(killed.signal, killed.stdout.slice(-1500)).toBe('SIGKILL');
    const { contracts } = (await home.call('GET', '/sandbox/ledger/')).body as {
      contracts: { id: number; destroyed_at: string | null }[];
    };
    expect(contracts.find(({ id }) => id === machines.ids[0])?.destroyed_at).toEqual(expect.any(String));
    expect(await home.json(['resume'])).toMatchObject({ source_kept_reason: null, forge_answers: true });
    await expectTidy(2);
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
  });

  it.runIf(isAll)('the source, before the copy was whole: no way on, but the way back', async () => {
    const before = machines.tree('new');
    expect((await killedIn([third, second, '--via', 'direct'])).signal).toBe('SIGKILL');
    await destroy(third);
    const { error } = await home.json<Failure>(['resume']);
    expect(error).toMatchObject({ code: 'INSTANCE_VANISHED', exit: 3 });
    expect(error.hint).toContain('forgectl undo migrate-');
    expect(await home.json(['undo', '--yes'])).toMatchObject({ destination_id: machines.ids[1] });
    expect(machines.tree('new')).toEqual(before);
    await expectTidy(1);
    expect((await home.run(['wait', second, '--for', 'forge', '--timeout', '9h'])).code).toBe(0);
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
  });
});
