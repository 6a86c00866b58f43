import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';

interface Audit {
  findings: {
    kind: string;
    run: string | null;
    instance_id: number | null;
    volume_id: number | null;
    safe_to_end: boolean;
    ended: boolean;
    command: string;
    price_per_day_usd: number;
  }[];
}

describe('what is billed without a reason (in order)', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1' });
  beforeAll(async () => {
    expect((await home.run(['sandbox', 'start', '--time-scale', '60'])).code).toBe(0);
  });
  afterAll(() => home.remove());

  const living = async () => {
    const { body } = await home.call('GET', '/sandbox/ledger/');
    return (body as { contracts: { id: number; destroyed_at: string | null }[] }).contracts
      .filter((contract) => contract.destroyed_at === null)
      .map(({ id }) => id);
  };

  it('is nothing on a new account', async () => {
    expect((await home.run(['audit'])).stdout).toBe('Nothing is billed without a reason.\n');
    expect((await home.run(['audit', '--check'])).code).toBe(0);
  });

  it('is a launch that was killed: told by the next command, found, and ended without a question', async () => {
    await home.run(['launch', '--best', '--yes', '--json', '--events'], {
      onStdout: (text, kill) => {
        if (text.includes('"rented"')) kill('SIGKILL');
      },
    });
    const [id] = await living();
    expect(id).toBeDefined();
    const notice = (await home.run(['ls'])).stderr;
    expect(notice).toMatch(/was cut off .* ago and may have left a machine that bills: forgectl resume launch-/u);
    const shown = await home.run(['audit', '--check', '--json']);
    expect(shown.code).toBe(10);
    const { findings } = JSON.parse(shown.stdout) as Audit;
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ kind: 'unfinished', safe_to_end: true, ended: false });
    expect(findings[0]?.command).toBe(`forgectl undo ${findings[0]?.run}`);
    const ended = await home.json<Audit>(['audit', '--fix', '--yes']);
    expect(ended.findings[0]).toMatchObject({ ended: true });
    expect(await living()).toEqual([]);
    expect((await home.run(['ls'])).stderr).not.toContain('cut off');
  });

  it.runIf(isMost)(
    'asks before it ends what somebody may have worked on: without a terminal that takes the name of the kind (long)',
    async () => {
      await home.call('PUT', '/sandbox/faults/', { name: 'status-exited', count: 1 });
      await home.run(['launch', '--best', '--yes', '--keep-failed', '--wait-for', 'api']);
      const [offer] = await home.json<{ id: number }[]>(['offers', '--limit', '1']);
      await home.call('PUT', '/api/v0/volumes/', { id: offer?.id, size: 50, name: 'models' });
      const plain = await home.run(['audit', '--fix']);
      expect(plain.code).toBe(2);
      const safe = await home.json<Audit>(['audit', '--fix', '--yes']);
      expect(safe.findings.map(({ kind, ended }) => [kind, ended])).toEqual([
        ['failed', false],
        ['volume', false],
      ]);
      const dry = await home.json<Audit>(['audit', '--fix', '--kind', 'failed', '--dry-run']);
      expect(dry.findings.map(({ ended }) => ended)).toEqual([false]);
      expect(await living()).toHaveLength(1);
      const named = await home.json<Audit>(['audit', '--fix', '--yes', '--kind', 'failed', '--kind', 'volume']);
      expect(named.findings.map(({ ended }) => ended)).toEqual([true, true]);
      expect(await living()).toEqual([]);
      expect((await home.json<Audit>(['audit'])).findings).toEqual([]);
    },
  );

  it.runIf(isMost)('says exit 15 when something could not be ended (long)', async () => {
    await home.call('PUT', '/sandbox/faults/', { name: 'status-exited', count: 1 });
    await home.run(['launch', '--best', '--yes', '--keep-failed', '--wait-for', 'api']);
    await home.call('PUT', '/sandbox/faults/', {
      name: 'http-status',
      status: 500,
      route: 'DELETE /api/v0/instances/{id}/',
    });
    const failed = await home.run(['audit', '--fix', '--yes', '--kind', 'failed']);
    expect(failed.code).toBe(15);
    await home.call('DELETE', '/sandbox/faults/');
    expect((await home.run(['audit', '--fix', '--yes', '--kind', 'failed'])).code).toBe(0);
    expect(await living()).toEqual([]);
  });
});
