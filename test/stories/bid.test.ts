import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';

interface ErrorDocument {
  error: { code: string; exit: number; message: string };
}
interface BidDocument {
  on_demand_per_hour_usd: number;
  least_bid_per_hour_usd: number;
  bid_per_hour_before_usd: number;
  price_per_hour_after_usd: number;
  warnings: string[];
}

describe('an interruptible machine', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1' });
  let id = 0;
  beforeAll(async () => {
    expect((await home.run(['sandbox', 'start', '--time-scale', '100'])).code).toBe(0);
    const { plan, ...launched } = await home.json<{ id: number; plan: Record<string, number> }>([
      'launch',
      '--cheapest',
      '--bid',
      '0.1',
      '--yes',
      '--label',
      'spot',
      '--wait-for',
      'api',
    ]);
    id = launched.id;
    expect(plan).toMatchObject({ interruptible: true, bid_per_hour_usd: 0.1 });
  });
  afterAll(() => home.remove());

  const show = () => home.json<{ state: string; outbid: boolean }>(['show', 'spot']);
  const outbid = (price: number | null) => home.call('PUT', '/sandbox/outbid/', { instance_id: id, price });
  const settles = (status: 'running' | 'exited') => home.statusSettles(id, status);

  it('bid: compares with the price on demand and the least bid, and changes nothing with --dry-run', async () => {
    const plan = await home.json<BidDocument>(['bid', 'spot', '0.2', '--dry-run']);
    expect(plan).toMatchObject({ dry_run: true, changed: false, bid_per_hour_before_usd: 0.1, bid_per_hour_usd: 0.2 });
    expect(plan.on_demand_per_hour_usd).toBeGreaterThan(plan.least_bid_per_hour_usd);
    expect(plan.price_per_hour_after_usd).toBeGreaterThan(0.2);
    expect(await show()).toMatchObject({ bid_per_hour_usd: 0.1, outbid: false });
  });

  it.runIf(isMost)('asks before it bids, and takes only amounts of dollars (long)', async () => {
    const wrong = [
      [['bid', 'spot', '0.2'], 'MISSING_ANSWER'],
      [['bid', 'spot', '99999', '--yes'], 'BAD_BID'],
      [['bid', 'spot', '$(id)', '--yes'], 'USAGE'],
    ] as const;
    for (const [words, code] of wrong)
      expect((await home.json<ErrorDocument>([...words])).error).toMatchObject({ code, exit: 2 });
  });

  it('that is outbid is named so by ls, show, audit and wait, with the command that bids more', async () => {
    await outbid(0.15);
    await settles('exited');
    const listed = await home.run(['ls']);
    expect(listed.stdout).toMatch(/spot +outbid/u);
    expect(listed.stderr).toContain(`forgectl bid ${id} USD`);
    expect(listed.stderr).toContain('the least bid is $0.150/h now');
    expect(await show()).toMatchObject({ outbid: true, intended_status: 'stopped', least_bid_per_hour_usd: 0.15 });
    const { findings } = await home.json<{ findings: object[] }>(['audit']);
    expect(findings).toMatchObject([{ kind: 'outbid', instance_id: id }]);
    const waited = await home.json<ErrorDocument>(['wait', 'spot', '--for', 'api']);
    expect(waited.error).toMatchObject({ code: 'INSTANCE_OUTBID', exit: 8 });
  });

  it('comes back by itself when its bid is the highest, and not before', async () => {
    const low = await home.json<BidDocument>(['bid', 'spot', '0.12', '--yes']);
    expect(low).toMatchObject({
      changed: true,
      outbid: true,
      warnings: expect.arrayContaining([expect.stringContaining('stays stopped')]),
    });
    expect((await show()).state).toBe('outbid');
    const enough = await home.run(['bid', 'spot', '0.16', '--yes']);
    expect(enough.code, enough.stderr).toBe(0);
    expect(enough.stdout).toMatch(/Bid +\$0\.120\/h → \$0\.160\/h\n.*On demand +\$[\d.]+\/h, the same machine/su);
    expect(enough.stderr).toContain(`forgectl wait ${id}`);
    await settles('running');
    expect((await home.run(['bid', 'spot', '0.16', '--yes'])).stdout).toContain('already');
  });

  it.runIf(isMost)('that its owner has stopped is stopped, and was not outbid (long)', async () => {
    expect(await home.json(['stop', 'spot'])).toMatchObject({ instances: [{ changed: true, state: 'stopped' }] });
    expect((await home.run(['ls'])).stdout).toMatch(/spot +stopped/u);
    expect(await show()).toMatchObject({ state: 'stopped', outbid: false, intended_status: 'stopped' });
    expect((await home.json<{ findings: object[] }>(['audit']))['findings']).toEqual([]);
    // A bid that wins starts nothing that its owner has stopped.
    expect((await home.run(['bid', 'spot', '0.3', '--yes'])).code).toBe(0);
    expect(await show()).toMatchObject({ state: 'stopped', bid_per_hour_usd: 0.3 });
  });

  it.runIf(isMost)('started by other hands and then outbid is outbid again (long)', async () => {
    await home.call('PUT', `/api/v0/instances/${id}/`, { state: 'running' });
    await settles('running');
    expect((await home.run(['ls'])).code).toBe(0);
    await outbid(0.4);
    await settles('exited');
    expect((await show()).state).toBe('outbid');
  });

  it.runIf(isMost)('rented on demand takes no bid: exit 9 (long)', async () => {
    const words = ['launch', '--cheapest', '--yes', '--label', 'firm', '--wait-for', 'api'];
    expect((await home.run(words)).code).toBe(0);
    const { error } = await home.json<ErrorDocument>(['bid', 'firm', '0.2', '--yes']);
    expect(error).toMatchObject({ code: 'NOT_INTERRUPTIBLE', exit: 9 });
  });
});
