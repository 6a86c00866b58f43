import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isAll, isMost } from '../faults/chosen.ts';
import { type ErrorDocument, LAUNCH, LaunchTrouble } from '../support/launch-trouble.ts';

const DEADLY = [
  [{ name: 'fatal-status-msg' }, 'INSTANCE_FATAL_STATUS'],
  [{ name: 'stuck-loading' }, 'STALLED'],
  [{ name: 'fatal-status-msg', message: 'write /var/lib: no space left on device' }, 'INSTANCE_FATAL_STATUS'],
  [{ name: 'fatal-status-msg', message: 'pull: unauthorized: authentication required' }, 'INSTANCE_FATAL_STATUS'],
  [{ name: 'status-exited' }, 'INSTANCE_EXITED'],
  [{ name: 'status-offline' }, 'INSTANCE_OFFLINE'],
] as const;
/** `npm run test:faults` goes through them all. */
const TRIED = isAll ? DEADLY : DEADLY.slice(0, 2);

describe.runIf(isMost)('a machine that fails is replaced', () => {
  const trouble = new LaunchTrouble();
  beforeAll(() => trouble.start());
  beforeEach(() => trouble.clear());
  afterAll(() => trouble.home.remove());

  it.each(TRIED)('a machine with %j is destroyed, remembered, and another one is taken', async (what, code) => {
    await trouble.fault({ ...what, count: 1 });
    const done = await trouble.home.json<{
      id: number;
      attempts: { state: string; code: string | null; machine_id: number }[];
    }>(LAUNCH);
    expect(done.attempts).toMatchObject([
      { state: 'destroyed', code },
      { state: 'rented', code: null },
    ]);
    expect((await trouble.living()).map(({ id }) => id)).toEqual([done.id]);
    const hosts = await trouble.home.json<never>(['hosts', 'ls']);
    expect(hosts).toContainEqual(expect.objectContaining({ machine_id: done.attempts[0]?.machine_id, by: 'launch' }));
    await trouble.home.run(['hosts', 'unban', String(done.attempts[0]?.machine_id)]);
    await trouble.destroyAll();
  });

  it.each(TRIED.filter(([, code]) => code !== 'STALLED'))(
    'with --attempts 1 a machine with %j is destroyed, and its own failure told',
    async (what, code) => {
      await trouble.fault({ ...what, count: 1 });
      const { error } = await trouble.home.json<ErrorDocument>([...LAUNCH, '--attempts', '1']);
      expect(error).toMatchObject({ code, exit: 8 });
      expect(error.hint).toContain('nothing is billed any more');
      expect(await trouble.living()).toEqual([]);
    },
  );

  it('when every machine fails, all are listed with their reasons, and none is left: exit 8', async () => {
    await trouble.fault({ name: 'status-offline' });
    const { error } = await trouble.home.json<{ error: { attempts: object[]; code: string; exit: number } }>(LAUNCH);
    expect(error).toMatchObject({ code: 'ALL_MACHINES_FAILED', exit: 8 });
    expect(error.attempts).toHaveLength(3);
    expect(await trouble.living()).toEqual([]);
    for (const { machine_id: id } of error.attempts as { machine_id: number }[])
      await trouble.home.run(['hosts', 'unban', String(id)]);
  });

  it('--keep-failed keeps the machine, with its cost and the line that ends it', async () => {
    await trouble.fault({ name: 'status-offline', count: 1 });
    const { error } = await trouble.home.json<ErrorDocument>([...LAUNCH, '--keep-failed']);
    const [contract] = await trouble.living();
    expect(error).toMatchObject({ code: 'INSTANCE_OFFLINE', exit: 8, instance_id: contract?.id });
    expect(error.hint).toContain(`forgectl destroy ${contract?.id}`);
    await trouble.destroyAll();
  });

  it('an image that does not exist is not tried on another machine', async () => {
    await trouble.fault({ name: 'fatal-status-msg', message: 'manifest for x:y not found: manifest unknown' });
    const { error } = await trouble.home.json<ErrorDocument>(LAUNCH);
    expect(error).toMatchObject({ code: 'INSTANCE_FATAL_STATUS', exit: 8 });
    expect(await trouble.living()).toEqual([]);
  });

  it('--budget ends it when the money is spent: exit 6, nothing is left', async () => {
    await trouble.fault({ name: 'stuck-loading' });
    const { error } = await trouble.home.json<ErrorDocument>([...LAUNCH, '--budget', '0.0001']);
    expect(error).toMatchObject({ code: 'BUDGET_SPENT', exit: 6 });
    expect(await trouble.living()).toEqual([]);
  });

  it('never another machine while the end of one is unconfirmed: exit 15, and undo finishes it', async () => {
    await trouble.fault({ name: 'status-offline', count: 1 });
    await trouble.fault({ name: 'http-status', status: 500, route: 'DELETE /api/v0/instances/{id}/' });
    const { error } = await trouble.home.json<ErrorDocument>(LAUNCH);
    expect(error).toMatchObject({ code: 'DESTROY_UNCONFIRMED', exit: 15 });
    expect(await trouble.living()).toHaveLength(1);
    await trouble.home.call('DELETE', '/sandbox/faults/');
    expect((await trouble.home.run(['ls'])).stderr).toContain('forgectl undo launch-');
    expect((await trouble.home.run(['undo', '--yes'])).code).toBe(0);
    expect(await trouble.living()).toEqual([]);
    expect((await trouble.home.run(['ls'])).stderr).not.toContain('forgectl undo');
  });
});
