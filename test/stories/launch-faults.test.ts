import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Home } from '../support/forgectl.ts';

interface ErrorDocument {
  error: { code: string; exit: number; hint: string; instance_id?: number };
}

const LAUNCH = ['launch', '--best', '--yes', '--wait-for', 'api'];
const RENT = 'PUT /api/v0/asks/{id}/';

describe('a launch that meets trouble', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1' });
  beforeAll(async () => {
    expect((await home.run(['sandbox', 'start', '--time-scale', '60'])).code).toBe(0);
  });
  beforeEach(async () => {
    await home.call('DELETE', '/sandbox/faults/');
  });
  afterAll(() => home.remove());

  const fault = (body: Record<string, unknown>) => home.call('PUT', '/sandbox/faults/', body);
  const living = async () => {
    const { body } = await home.call('GET', '/sandbox/ledger/');
    return (body as { contracts: { id: number; label: string; destroyed_at: string | null }[] }).contracts.filter(
      (contract) => contract.destroyed_at === null,
    );
  };
  const destroyAll = async () => {
    for (const { id } of await living()) expect((await home.run(['destroy', String(id), '--yes'])).code).toBe(0);
  };

  it('a renting call that was carried out but never answered is found by its label, not sent twice', async () => {
    await fault({ name: 'close-after', route: RENT, count: 1 });
    const done = await home.run([...LAUNCH, '--json']);
    expect(done.code, done.stdout + done.stderr).toBe(0);
    const result = JSON.parse(done.stdout) as { id: number };
    expect((await living()).map(({ id }) => id)).toEqual([result.id]);
    await destroyAll();
  });

  it.each([
    [{ name: 'offer-gone', status: 404 }, 'OFFER_GONE', 5],
    [{ name: 'offer-gone', status: 410 }, 'OFFER_GONE', 5],
    [{ name: 'http-status', status: 500 }, 'API_DOWN', 14],
    [{ name: 'http-status', status: 429 }, 'RATE_LIMITED', 14],
    [{ name: 'http-status', status: 400, message: 'Your account has insufficient credit.' }, 'NO_CREDIT', 6],
    [{ name: 'garbage' }, 'API_NONSENSE', 14],
    [{ name: 'success-false' }, 'API_REFUSED', 14],
    [{ name: 'close-before' }, 'API_UNREACHABLE', 14],
  ])('renting answered by %j ends with %s, and nothing was rented', async (what, code, exit) => {
    await fault({ ...what, route: RENT, count: 1 });
    const { error } = await home.json<ErrorDocument>(LAUNCH);
    expect(error).toMatchObject({ code, exit });
    expect(await living()).toEqual([]);
  });

  it.each([
    [{ name: 'fatal-status-msg' }, 'INSTANCE_FATAL_STATUS'],
    [{ name: 'fatal-status-msg', message: 'write /var/lib: no space left on device' }, 'INSTANCE_FATAL_STATUS'],
    [{ name: 'status-exited' }, 'INSTANCE_EXITED'],
    [{ name: 'status-offline' }, 'INSTANCE_OFFLINE'],
  ])('a machine with %j is given up at once, with its cost and the line that ends it', async (what, code) => {
    await fault({ ...what, count: 1 });
    const { error } = await home.json<ErrorDocument>(LAUNCH);
    expect(error).toMatchObject({ code, exit: 8 });
    const [contract] = await living();
    expect(error.hint).toContain(`forgectl destroy ${contract?.id}`);
    expect(error.instance_id).toBe(contract?.id);
    await destroyAll();
  });

  it('a machine that never leaves loading runs into the time limit, exit 7', async () => {
    await fault({ name: 'stuck-loading' });
    const { error } = await home.json<ErrorDocument>([...LAUNCH, '--timeout', '90s']);
    expect(error).toMatchObject({ code: 'NOT_READY_IN_TIME', exit: 7 });
    await destroyAll();
  });

  it('a key that the host lost is attached again, and the login works', async () => {
    await fault({ name: 'key-not-applied', count: 2 });
    const done = await home.run(['launch', '--best', '--yes', '--wait-for', 'ssh', '--json']);
    expect(done.code, done.stdout + done.stderr).toBe(0);
    await destroyAll();
  });

  it('provisioning that fails is told, and Forge is waited for all the same', async () => {
    const done = await home.run(['launch', '--best', '--yes', '--provisioning', 'https://example.com/none.sh']);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stderr).toContain('Provisioning ended with a failure');
    await destroyAll();
  });

  it('--provisioning none runs no script', async () => {
    const { plan } = await home.json<{ plan: { provisioning: null; environment_names: string[]; template: object } }>([
      'launch',
      '--best',
      '--dry-run',
      '--provisioning',
      'none',
    ]);
    expect(plan.provisioning).toBeNull();
    expect(plan.environment_names).not.toContain('PROVISIONING_SCRIPT');
    expect(plan.template).toMatchObject({ source: 'api', name: 'Stable Diffusion WebUI Forge' });
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    '%s while waiting ends with the price and the line that ends it',
    async (signal) => {
      let sent = false;
      const done = await home.run(['launch', '--best', '--yes'], {
        onStderr: (text, kill) => {
          if (sent || !text.includes('Waiting for the machine')) return;
          sent = true;
          kill(signal);
        },
      });
      expect(done.code).toBe(signal === 'SIGINT' ? 130 : 143);
      const [contract] = await living();
      expect(done.stderr).toContain(`forgectl destroy ${contract?.id}`);
      await destroyAll();
    },
  );

  it('destroying that cannot be confirmed is loud: exit 15', async () => {
    await home.run(LAUNCH);
    const [contract] = await living();
    await fault({ name: 'http-status', status: 500, route: 'DELETE /api/v0/instances/{id}/' });
    const { error } = await home.json<ErrorDocument>(['destroy', String(contract?.id), '--yes']);
    expect(error).toMatchObject({ code: 'DESTROY_UNCONFIRMED', exit: 15 });
    expect(error.hint).toContain('still be billed');
    await home.call('DELETE', '/sandbox/faults/');
    await destroyAll();
  });

  it('a list that lies is never taken for an empty one', async () => {
    for (const name of ['success-false', 'garbage'] as const) {
      await fault({ name, route: 'GET /api/v1/instances/', count: 1 });
      const done = await home.run(['ls', '--json']);
      expect(done.code).toBe(14);
      expect(JSON.parse(done.stdout)).toHaveProperty('error');
    }
  });

  it('of several, some fail: exit 12, and each outcome is told', async () => {
    await home.run([...LAUNCH, '--label', 'one']);
    await home.run([...LAUNCH, '--label', 'two']);
    await fault({ name: 'http-status', status: 400, route: 'PUT /api/v0/instances/{id}/', count: 1 });
    const done = await home.run(['stop', 'one', 'two', '--json']);
    expect(done.code).toBe(12);
    const { instances } = JSON.parse(done.stdout) as { instances: { error: object | null; changed: boolean }[] };
    expect(instances.map(({ changed }) => changed).sort()).toEqual([false, true]);
    await destroyAll();
  });

  it('an interruptible machine is rented with --bid, and the plan says so', async () => {
    const { plan } = await home.json<{ plan: Record<string, unknown> }>([
      'launch',
      '--best',
      '--bid',
      '0.9',
      '--dry-run',
    ]);
    expect(plan).toMatchObject({ interruptible: true, bid_per_hour_usd: 0.9 });
  });
});
