import { describe, expect, it } from 'vitest';
import { EXIT, ForgeError } from '../../src/errors.ts';
import type { Instance } from '../../src/vast/model.ts';
import { KEY_APPLIES_MS, type LoginDependencies, loginWithRepair } from '../../src/workflows/repair-login.ts';
import { FakeClock } from '../support/fake-clock.ts';

const row = (sshPort: number): Instance => ({ id: 7, sshPort }) as Instance;
const refused = (): ForgeError =>
  new ForgeError('SSH login failed: refused.', { code: 'SSH_AUTH', exit: EXIT.sshFailed });

/** A machine that takes the key only some time after it was attached. */
function machine(options: { appliesMs?: number; failsWith?: Error; attachFails?: Error; gone?: boolean } = {}) {
  const clock = new FakeClock();
  const seen: string[] = [];
  let takesAtMs = Number.POSITIVE_INFINITY;
  const deps: LoginDependencies<string> = {
    readInstance: async () => (options.gone ? null : row(2)),
    connect: async ({ sshPort }) => {
      seen.push(`connect ${sshPort}`);
      if (options.failsWith !== undefined && seen.length > 2) throw options.failsWith;
      if (clock.now() < takesAtMs) throw refused();
      return `connection ${sshPort}`;
    },
    attachKey: async () => {
      seen.push('attach');
      if (options.attachFails !== undefined) throw options.attachFails;
      takesAtMs = clock.now() + (options.appliesMs ?? 0);
    },
    clock,
    signal: new AbortController().signal,
  };
  return { deps, seen, accept: () => (takesAtMs = 0), clock };
}

describe('a login with repair', () => {
  it('that works touches nothing', async () => {
    const { deps, seen, accept } = machine();
    accept();
    expect(await loginWithRepair(deps, row(1))).toMatchObject({ connection: 'connection 1', repaired: false });
    expect(seen).toEqual(['connect 1']);
  });

  it('that is refused attaches the key, and a fresh login at the address of that moment proves it', async () => {
    const { deps, seen } = machine({ appliesMs: KEY_APPLIES_MS - 1 });
    expect(await loginWithRepair(deps, row(1))).toEqual({
      connection: 'connection 2',
      instance: row(2),
      repaired: true,
    });
    expect(seen).toEqual(['connect 1', 'attach', 'connect 2']);
  });

  it('is tried again once, not more, and names the command that goes on', async () => {
    const { deps, seen } = machine({ appliesMs: 60 * 60_000 });
    const error = await loginWithRepair(deps, row(1)).catch((thrown: ForgeError) => thrown);
    expect(error).toMatchObject({ code: 'SSH_AUTH', exit: 13, details: { key_attached: true, instance_id: 7 } });
    expect((error as ForgeError).hint).toContain('forgectl keys repair 7');
    expect(seen).toEqual(['connect 1', 'attach', 'connect 2']);
  });

  it.each(['SSH_NETWORK', 'SSH_HANDSHAKE', 'SSH_HOST_KEY_CHANGED', 'SSH_NAME'])(
    '%s is thrown as it came: no key can help',
    async (code) => {
      const failure = new ForgeError('no', { code, exit: EXIT.sshFailed });
      const { deps, seen } = machine();
      const going = loginWithRepair({ ...deps, connect: () => Promise.reject(failure) }, row(1));
      await expect(going).rejects.toBe(failure);
      expect(seen).toEqual([]);
    },
  );

  it('a failure of the second login that is not about the key is thrown as it came', async () => {
    const failure = new ForgeError('no', { code: 'SSH_NETWORK', exit: EXIT.sshFailed });
    const { deps } = machine({ failsWith: failure });
    await expect(loginWithRepair(deps, row(1))).rejects.toBe(failure);
  });

  it.each([
    [
      { code: 'API_DOWN', exit: EXIT.apiFailed },
      { code: 'SSH_AUTH', exit: 13 },
    ],
    [
      { code: 'NOT_PERMITTED', exit: EXIT.notPermitted },
      { code: 'NOT_PERMITTED', exit: 4 },
    ],
  ] as const)('a key that cannot be attached (%j) tells both failures', async (said, told) => {
    const { deps, seen } = machine({ attachFails: new ForgeError('The API said no.', said) });
    const error = await loginWithRepair(deps, row(1)).catch((thrown: ForgeError) => thrown);
    expect(error).toMatchObject({ ...told, details: { key_attached: false, attach_error: said.code } });
    expect((error as ForgeError).message).toMatch(/refused\. It could not be attached again: The API said no\./u);
    expect(seen).toEqual(['connect 1', 'attach']);
  });

  it('a machine that is gone by then is told so', async () => {
    const { deps } = machine({ gone: true });
    await expect(loginWithRepair(deps, row(1))).rejects.toMatchObject({ code: 'INSTANCE_VANISHED', exit: 3 });
  });

  it('ends at an interruption, before the second login', async () => {
    const stop = new AbortController();
    const { deps, seen } = machine();
    const attachKey = async (): Promise<void> => stop.abort(new Error('enough'));
    await expect(loginWithRepair({ ...deps, attachKey, signal: stop.signal }, row(1))).rejects.toThrow('enough');
    expect(seen).toEqual(['connect 1']);
  });
});
