import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { type ErrorDocument, LAUNCH, LaunchTrouble } from '../support/launch-trouble.ts';

describe('a launch that is interrupted or kept waiting', () => {
  const trouble = new LaunchTrouble();
  beforeAll(() => trouble.start());
  beforeEach(() => trouble.clear());
  afterAll(() => trouble.home.remove());

  it('a machine that never leaves loading runs into the time limit, exit 7, and is kept and named', async () => {
    await trouble.fault({ name: 'stuck-loading' });
    const { error } = await trouble.home.json<ErrorDocument>([...LAUNCH, '--timeout', '90s']);
    expect(error).toMatchObject({ code: 'NOT_READY_IN_TIME', exit: 7 });
    expect(error.hint).toContain(`forgectl destroy ${(await trouble.living())[0]?.id}`);
    await trouble.destroyAll();
  });

  it.runIf(isMost)('a key that the host lost is attached again, and the login works (long)', async () => {
    await trouble.fault({ name: 'key-not-applied', count: 2 });
    const done = await trouble.home.run(['launch', '--best', '--yes', '--wait-for', 'ssh', '--json']);
    expect(done.code, done.stdout + done.stderr).toBe(0);
    await trouble.destroyAll();
  });

  it.runIf(isMost)('provisioning that fails is told, and Forge is waited for all the same (long)', async () => {
    const done = await trouble.home.run(['launch', '--best', '--yes', '--provisioning', 'https://example.com/none.sh']);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stderr).toContain('Provisioning ended with a failure');
    await trouble.destroyAll();
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('%s while waiting destroys what was rented, and says so', async (signal) => {
    let sent = false;
    const done = await trouble.home.run(['launch', '--best', '--yes'], {
      onStderr: (text, kill) => {
        if (sent || !text.includes('Waiting for the machine')) return;
        sent = true;
        kill(signal);
      },
    });
    expect(done.code).toBe(signal === 'SIGINT' ? 130 : 143);
    expect(done.stderr).toContain('was destroyed; nothing is billed any more');
    expect(await trouble.living()).toEqual([]);
  });

  it('a second SIGINT ends it at once and prints the line that destroys', async () => {
    await trouble.fault({ name: 'hang', route: 'DELETE /api/v0/instances/{id}/' });
    let sent = 0;
    const done = await trouble.home.run(['launch', '--best', '--yes'], {
      onStderr: (text, kill) => {
        if (sent === 0 && text.includes('Waiting for the machine')) sent = 1;
        else if (sent === 1 && text.includes('Destroying instance')) sent = 2;
        else return;
        kill('SIGINT');
      },
    });
    expect(done.code).toBe(130);
    const [contract] = await trouble.living();
    expect(done.stderr).toContain(`To end it: forgectl destroy ${contract?.id}`);
    await trouble.home.call('DELETE', '/sandbox/faults/');
    expect((await trouble.home.run(['undo', '--yes'])).code).toBe(0);
    expect(await trouble.living()).toEqual([]);
  });

  it.runIf(isMost)('destroying that cannot be confirmed is loud: exit 15 (long)', async () => {
    await trouble.home.run(LAUNCH);
    const [contract] = await trouble.living();
    await trouble.fault({ name: 'http-status', status: 500, route: 'DELETE /api/v0/instances/{id}/' });
    const { error } = await trouble.home.json<ErrorDocument>(['destroy', String(contract?.id), '--yes']);
    expect(error).toMatchObject({ code: 'DESTROY_UNCONFIRMED', exit: 15 });
    expect(error.hint).toContain('still be billed');
    await trouble.home.call('DELETE', '/sandbox/faults/');
    await trouble.destroyAll();
  });

  it('a list that lies is never taken for an empty one', async () => {
    for (const name of ['success-false', 'garbage'] as const) {
      await trouble.fault({ name, route: 'GET /api/v1/instances/', count: 1 });
      const done = await trouble.home.run(['ls', '--json']);
      expect(done.code).toBe(14);
      expect(JSON.parse(done.stdout)).toHaveProperty('error');
    }
  });

  it.runIf(isMost)('of several, some fail: exit 12, and each outcome is told (long)', async () => {
    await trouble.home.run([...LAUNCH, '--label', 'one']);
    await trouble.home.run([...LAUNCH, '--label', 'two']);
    await trouble.fault({ name: 'http-status', status: 400, route: 'PUT /api/v0/instances/{id}/', count: 1 });
    const done = await trouble.home.run(['stop', 'one', 'two', '--json']);
    expect(done.code).toBe(12);
    const { instances } = JSON.parse(done.stdout) as { instances: { error: object | null; changed: boolean }[] };
    expect(instances.map(({ changed }) => changed).sort()).toEqual([false, true]);
    await trouble.destroyAll();
  });
});
