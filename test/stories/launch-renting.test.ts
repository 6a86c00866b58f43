import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { type ErrorDocument, LAUNCH, LaunchTrouble, RENT } from '../support/launch-trouble.ts';

describe('renting that meets trouble', () => {
  const trouble = new LaunchTrouble();
  beforeAll(() => trouble.start());
  beforeEach(() => trouble.clear());
  afterAll(() => trouble.home.remove());

  it('a renting call that was carried out but never answered is found by its label, not sent twice', async () => {
    await trouble.fault({ name: 'close-after', route: RENT, count: 1 });
    const done = await trouble.home.run([...LAUNCH, '--json']);
    expect(done.code, done.stdout + done.stderr).toBe(0);
    const result = JSON.parse(done.stdout) as { id: number };
    expect((await trouble.living()).map(({ id }) => id)).toEqual([result.id]);
    await trouble.destroyAll();
  });

  it.each([
    [{ name: 'http-status', status: 500 }, 'API_DOWN', 14],
    [{ name: 'http-status', status: 400, message: 'Your account has insufficient credit.' }, 'NO_CREDIT', 6],
    [{ name: 'garbage' }, 'API_NONSENSE', 14],
    [{ name: 'success-false' }, 'API_REFUSED', 14],
    [{ name: 'close-before' }, 'API_UNREACHABLE', 14],
  ])('renting answered by %j ends with %s, and nothing was rented', async (what, code, exit) => {
    await trouble.fault({ ...what, route: RENT, count: 1 });
    const { error } = await trouble.home.json<ErrorDocument>(LAUNCH);
    expect(error).toMatchObject({ code, exit });
    expect(await trouble.living()).toEqual([]);
  });

  it.each([404, 410])('an offer that is gone (%i) is not the end: the next one is taken', async (status) => {
    await trouble.fault({ name: 'offer-gone', status, route: RENT, count: 2 });
    const { plan } = await trouble.home.json<{ plan: { offer: { id: number } } }>([...LAUNCH, '--dry-run']);
    const done = await trouble.home.json<{ id: number; plan: { offer: { id: number } } }>(LAUNCH);
    expect(done.plan.offer.id).not.toBe(plan.offer.id);
    expect((await trouble.living()).map(({ id }) => id)).toEqual([done.id]);
    await trouble.destroyAll();
  });

  it.runIf(isMost)(
    'a bid that is refused and rented all the same leaves nothing behind; the next is taken (long)',
    async () => {
      await trouble.fault({ name: 'error-with-contract', status: 400, route: RENT, count: 1 });
      const done = await trouble.home.json<{ id: number }>([...LAUNCH, '--bid', '0.9']);
      expect((await trouble.living()).map(({ id }) => id)).toEqual([done.id]);
      const { body } = await trouble.home.call('GET', '/sandbox/ledger/');
      const { contracts } = body as { contracts: { id: number; destroyed_at: string | null }[] };
      expect(contracts.filter(({ id }) => id < done.id).at(-1)?.destroyed_at).not.toBeNull();
      await trouble.destroyAll();
    },
  );

  it('an offer that was named and refuses the bid so is exit 6, with the contract that was ended', async () => {
    await trouble.fault({ name: 'error-with-contract', route: RENT, count: 1 });
    const { plan } = await trouble.home.json<{ plan: { offer: { id: number } } }>([...LAUNCH, '--dry-run']);
    const words = ['launch', '--offer', String(plan.offer.id), '--bid', '0.9', '--yes'];
    const { error } = await trouble.home.json<{
      error: { code: string; exit: number; destroyed_instance_ids: number[] };
    }>(words);
    expect(error).toMatchObject({ code: 'BID_TOO_LOW', exit: 6, destroyed_instance_ids: [expect.any(Number)] });
    expect(await trouble.living()).toEqual([]);
  });

  it.runIf(isMost)("a team's API key, which cannot put the SSH key on the account, is no obstacle (long)", async () => {
    const { body } = await trouble.home.call('GET', '/api/v0/ssh/');
    for (const { id } of body as { id: number }[]) await trouble.home.call('DELETE', `/api/v0/ssh/${id}/`);
    await trouble.fault({
      name: 'http-status',
      status: 400,
      message: 'team_ssh_keys_not_supported',
      route: 'POST /api/v0/ssh/',
    });
    const done = await trouble.home.run(LAUNCH);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stderr).toContain("A team's API key");
    await trouble.destroyAll();
  });

  it.runIf(isMost)(
    'another machine that answers at the address is found out by its host key, and nothing is kept (long)',
    async () => {
      await trouble.fault({ name: 'foreign-host-key', count: 1 });
      const words = ['launch', '--best', '--yes', '--wait-for', 'ssh', '--attempts', '1'];
      const { error } = await trouble.home.json<ErrorDocument>(words);
      expect(error).toMatchObject({ code: 'SSH_HOST_KEY_MISMATCH', exit: 13 });
      expect(await trouble.living()).toEqual([]);
    },
  );

  it.runIf(isMost)('an offer that was named and is gone is exit 5; no other one is taken (long)', async () => {
    await trouble.fault({ name: 'offer-gone', status: 404, route: RENT });
    const { plan } = await trouble.home.json<{ plan: { offer: { id: number } } }>([...LAUNCH, '--dry-run']);
    const words = ['launch', '--offer', String(plan.offer.id), '--yes'];
    expect((await trouble.home.json<ErrorDocument>(words)).error).toMatchObject({ code: 'OFFER_GONE', exit: 5 });
    expect(await trouble.living()).toEqual([]);
  });

  it.runIf(isMost)(
    'a renting call that came too soon is sent again, once the label was looked for (long)',
    async () => {
      await trouble.fault({ name: 'http-status', status: 429, route: RENT, count: 2 });
      const done = await trouble.home.json<{ id: number }>(LAUNCH);
      expect((await trouble.living()).map(({ id }) => id)).toEqual([done.id]);
      await trouble.destroyAll();
    },
  );

  it.runIf(isMost)('--provisioning none runs no script (long)', async () => {
    const { plan } = await trouble.home.json<{
      plan: { provisioning: null; environment_names: string[]; template: object };
    }>(['launch', '--best', '--dry-run', '--provisioning', 'none']);
    expect(plan.provisioning).toBeNull();
    expect(plan.environment_names).not.toContain('PROVISIONING_SCRIPT');
    expect(plan.template).toMatchObject({ source: 'api', name: 'Stable Diffusion WebUI Forge' });
  });

  it.runIf(isMost)('an interruptible machine is rented with --bid, and the plan says so (long)', async () => {
    const { plan } = await trouble.home.json<{ plan: Record<string, unknown> }>([
      'launch',
      '--best',
      '--bid',
      '0.9',
      '--dry-run',
    ]);
    expect(plan).toMatchObject({
      interruptible: true,
      bid_per_hour_usd: 0.9,
      least_bid_per_hour_usd: expect.any(Number),
      on_demand_per_hour_usd: expect.any(Number),
    });
    expect(plan['on_demand_per_hour_usd']).toBeGreaterThan(plan['least_bid_per_hour_usd'] as number);
    const words = await trouble.home.run(['launch', '--best', '--bid', '0.9', '--dry-run']);
    expect(words.stdout).toMatch(/On demand \$[\d.]+\/h: the bid is \d+ % (more|less)/u);
  });

  it.runIf(isMost)('a bid that no machine takes, or that is above the limit, is exit 6 (long)', async () => {
    const low = await trouble.home.json<ErrorDocument>([...LAUNCH, '--bid', '0.001']);
    expect(low.error).toMatchObject({ code: 'BID_TOO_LOW', exit: 6 });
    const dear = await trouble.home.json<ErrorDocument>([...LAUNCH, '--bid', '0.9', '--max-price', '0.5']);
    expect(dear.error).toMatchObject({ code: 'PRICE_LIMIT', exit: 6 });
  });
});
