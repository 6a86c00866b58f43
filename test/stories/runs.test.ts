import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';

interface RunDocument {
  id: string;
  state: string;
  instance_ids: number[];
}

const LAUNCH = ['launch', '--best', '--yes', '--wait-for', 'api'];

describe('what launches have written down', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1' });
  beforeAll(async () => {
    expect((await home.run(['sandbox', 'start', '--time-scale', '60'])).code).toBe(0);
  });
  beforeEach(async () => {
    await home.call('DELETE', '/sandbox/faults/');
  });
  afterAll(() => home.remove());

  const contracts = async () => {
    const { body } = await home.call('GET', '/sandbox/ledger/');
    return (body as { contracts: { id: number; destroyed_at: string | null }[] }).contracts;
  };
  const living = async () => (await contracts()).filter(({ destroyed_at }) => destroyed_at === null);
  const killedLaunch = (words: string[] = []) =>
    home.run([...LAUNCH, '--json', '--events', ...words], {
      onStdout: (text, kill) => {
        if (text.includes('"rented"')) kill('SIGKILL');
      },
    });

  it('resume goes on with the machine that is there: one contract, and the run is done', async () => {
    expect((await killedLaunch(['--env', 'HF_TOKEN=hf_secret123456'])).signal).toBe('SIGKILL');
    const [run] = (await home.json(['runs', 'ls', '--cut-off'])) as unknown as RunDocument[];
    expect(run).toMatchObject({ state: 'cut_off', instance_ids: (await living()).map(({ id }) => id) });
    const human = await home.run(['runs', 'ls']);
    expect(human.stdout).toContain(run?.id);
    expect(await home.json(['resume', '--dry-run'])).toMatchObject({ dry_run: true, run: { id: run?.id } });
    const resumed = await home.run(['resume', '--json']);
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(JSON.parse(resumed.stdout)).toMatchObject({ id: run?.instance_ids[0], reached: 'api' });
    expect(await contracts()).toHaveLength(1);
    expect(await home.json(['runs', 'show', run?.id as string])).toMatchObject({ state: 'done' });
    expect((await home.run(['resume'])).code).toBe(3);
    expect((await home.run(['undo', run?.id as string, '--yes'])).code).toBe(9);
  });

  it('holds no secret', () => {
    const directory = join(home.directory, '.local', 'state', 'forgectl', 'runs', 'sandbox');
    const text = readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8'));
    expect(text.join()).toContain('HF_TOKEN');
    expect(text.join()).not.toContain('hf_secret');
  });

  it('undo asks, then destroys; forgetting a run that was cut off takes --force', async () => {
    await home.run(['destroy', String((await living())[0]?.id), '--yes']);
    await killedLaunch();
    const [run] = (await home.json(['runs', 'ls', '--cut-off'])) as unknown as RunDocument[];
    const id = run?.id as string;
    expect((await home.run(['runs', 'rm', id])).code).toBe(9);
    expect((await home.run(['undo'])).code).toBe(2);
    expect(await living()).toHaveLength(1);
    expect(await home.json(['undo', '--yes'])).toMatchObject({ run: id, destroyed_instance_ids: run?.instance_ids });
    expect(await living()).toEqual([]);
    expect((await home.run(['runs', 'rm', '--ended'])).code).toBe(0);
    expect(await home.json(['runs', 'ls'])).toEqual([]);
    expect((await home.run(['runs', 'show', id])).code).toBe(3);
  });

  it('a run that another process works on is left alone', async () => {
    await home.call('PUT', '/sandbox/faults/', { name: 'stuck-loading', count: 1 });
    const refused: Promise<unknown>[] = [];
    const checks = async (kill: (signal: NodeJS.Signals) => void): Promise<void> => {
      const [run] = (await home.json(['runs', 'ls'])) as unknown as RunDocument[];
      expect(run).toMatchObject({ state: 'running' });
      expect(await home.json(['undo', run?.id as string, '--yes'])).toMatchObject({ error: { code: 'RUN_LOCKED' } });
      expect((await home.run(['runs', 'rm', run?.id as string, '--force'])).code).toBe(9);
      kill('SIGINT');
    };
    const interrupted = await home.run([...LAUNCH, '--json', '--events'], {
      onStdout: (text, kill) => {
        if (text.includes('"rented"')) refused.push(checks(kill));
      },
    });
    await Promise.all(refused);
    expect(refused).toHaveLength(1);
    expect(interrupted.code).toBe(130);
    expect(await living()).toEqual([]);
  });

  it.runIf(isMost)('two launches at the same time on one computer take two machines (long)', async () => {
    const [one, other] = await Promise.all([home.json<{ id: number }>(LAUNCH), home.json<{ id: number }>(LAUNCH)]);
    expect(one.id).toEqual(expect.any(Number));
    expect(other.id).toEqual(expect.any(Number));
    const { body } = await home.call('GET', '/sandbox/ledger/');
    const offers = (body as { contracts: { offer_id: number; destroyed_at: string | null }[] }).contracts
      .filter(({ destroyed_at }) => destroyed_at === null)
      .map(({ offer_id: offer }) => offer);
    expect(new Set(offers).size).toBe(2);
    for (const { id } of await living()) await home.run(['destroy', String(id), '--yes']);
  });

  it.runIf(isMost)(
    'hosts: a machine that failed is avoided, with reason and expiry, and can be let in again (long)',
    async () => {
      await home.call('PUT', '/sandbox/faults/', { name: 'status-exited', count: 1 });
      const { plan } = await home.json<{ plan: { machine_id: number } }>([...LAUNCH, '--dry-run']);
      const done = await home.json<{ id: number }>(LAUNCH);
      await home.run(['destroy', String(done.id), '--yes']);
      const hosts = (await home.json(['hosts', 'ls'])) as unknown as { machine_id: number; reason: string }[];
      expect(hosts.some(({ reason }) => reason.includes('exited'))).toBe(true);
      const machine = String(hosts[0]?.machine_id);
      expect((await home.run(['hosts', 'ls'])).stdout).toMatch(new RegExp(`${machine} .*a failed launch`, 'u'));
      expect((await home.run(['hosts', 'unban', machine])).code).toBe(0);
      expect((await home.run(['hosts', 'unban', machine])).code).toBe(3);
      const text = 'slow "disk" $(touch pwned)\n☃';
      expect((await home.run(['hosts', 'ban', machine, '--for', '1d', '--reason', text])).code).toBe(0);
      expect(await home.json(['hosts', 'ls'])).toMatchObject([{ machine_id: Number(machine) }]);
      const next = await home.json<{ plan: { machine_id: number } }>([...LAUNCH, '--dry-run']);
      expect(next.plan.machine_id).not.toBe(Number(machine));
      expect(plan).toBeDefined();
    },
  );
});
