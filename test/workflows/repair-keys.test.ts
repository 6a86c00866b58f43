import { describe, expect, it } from 'vitest';
import { EXIT, ForgeError } from '../../src/errors.ts';
import type { Instance } from '../../src/vast/model.ts';
import { attachKey } from '../../src/workflows/attach-key.ts';
import { diagnose, isHealthy, type RepairDependencies, repairKeys } from '../../src/workflows/repair-keys.ts';
import { FakeClock } from '../support/fake-clock.ts';

const KEY = 'ssh-ed25519 AAAAOWN me';
const instance = { id: 7, label: 'x', actualStatus: 'running', intendedStatus: 'running' } as Instance;
const failure = (code: string, details = {}): ForgeError =>
  new ForgeError(`${code}.`, { code, exit: EXIT.sshFailed, details });
const apiError = (code: string, exit: 4 | 14): ForgeError => new ForgeError(`${code}.`, { code, exit });

interface World {
  account: string[];
  attached: string[];
  /** What the host lets in; null follows what is attached, after a while. */
  applied: string[] | null;
  appliesMs: number;
  network: ForgeError | null;
  shown: string;
  pinned: string;
  named: boolean | null;
  addFails: ForgeError | null;
  attachFails: ForgeError | null;
}

/** A platform with one machine. */
function platform(more: Partial<World> = {}) {
  const world: World = {
    account: [KEY],
    attached: [KEY],
    applied: null,
    appliesMs: 0,
    network: null,
    shown: 'A',
    pinned: 'A',
    named: null,
    addFails: null,
    attachFails: null,
    ...more,
  };
  const clock = new FakeClock();
  const calls: string[] = [];
  let attachedMs = Number.NEGATIVE_INFINITY;
  const accepted: string[] = [];
  const deps: RepairDependencies = {
    publicKey: KEY,
    listAccountKeys: async () => world.account.map((publicKey, id) => ({ id, publicKey, createdAt: null })),
    addAccountKey: async () => {
      calls.push('add');
      if (world.addFails !== null) throw world.addFails;
      world.account.push(KEY);
    },
    listInstanceKeys: async () => world.attached.map((publicKey, id) => ({ id, publicKey })),
    attachKey: async () => {
      calls.push('attach');
      if (world.attachFails !== null) throw world.attachFails;
      world.attached.push(KEY);
      world.applied = null;
      attachedMs = clock.now();
    },
    readInstance: async () => instance,
    connect: async () => {
      calls.push('login');
      if (world.network !== null) throw world.network;
      if (world.shown !== world.pinned && !accepted.includes(world.shown))
        throw failure('SSH_HOST_KEY_CHANGED', { pinned: world.pinned, shown: world.shown });
      const lets = world.applied ?? (clock.now() - attachedMs >= world.appliesMs ? world.attached : []);
      if (!lets.includes(KEY)) throw failure('SSH_AUTH');
      return { via: 'direct', close: () => void calls.push('close') };
    },
    namesHostKey: async () => world.named,
    acceptHostKey: (_id, shown) => void accepted.push(shown),
    proveHostKey: async () => (world.named === true ? 'verified' : 'first seen'),
    clock,
    signal: new AbortController().signal,
  };
  const run = async (acceptHostKey = false) => {
    const diagnosis = await diagnose(deps, instance, await deps.listAccountKeys());
    const before = [...calls];
    const { steps, error } = await repairKeys(deps, diagnosis, { acceptHostKey });
    return { diagnosis, before, error, states: steps.map(({ step, state }) => `${step} ${state}`), steps };
  };
  return { deps, calls, clock, world, run, accepted };
}

const FINE = ['account ok', 'instance ok', 'login ok', 'host_key ok'];

describe('keys repair', () => {
  it('changes nothing where nothing is wrong', async () => {
    const { run, calls } = platform();
    const { states, diagnosis, error } = await run();
    expect([states, isHealthy(diagnosis), error]).toEqual([FINE, true, null]);
    expect(calls).toEqual(['login', 'close']);
  });

  it('puts the key on the account and on the instance, waits for the host, and proves it by a fresh login', async () => {
    const { run, calls, world } = platform({ account: [], attached: [], appliesMs: 20_000 });
    const { states, before, error } = await run();
    expect(error).toBeNull();
    expect(before).toEqual(['login']);
    expect(states).toEqual(['account fixed', 'instance fixed', 'login fixed', 'host_key ok']);
    expect(calls).toEqual(['login', 'add', 'attach', 'login', 'login', 'login', 'close']);
    expect(world.account).toEqual([KEY]);
  });

  it('attaches again what the API lists and the host has lost', async () => {
    const { run, calls } = platform({ applied: [] });
    expect((await run()).states).toEqual(['account ok', 'instance ok', 'login fixed', 'host_key ok']);
    expect(calls).toEqual(['login', 'attach', 'login', 'close']);
  });

  it('a host that never applies the key is given up after a minute, with what may help', async () => {
    const { run, clock, deps } = platform({ attached: [], appliesMs: 1e9 });
    const startedMs = clock.now();
    const { error, states } = await run();
    expect(error).toMatchObject({
      code: 'SSH_KEY_NOT_APPLIED',
      exit: 13,
      hint: expect.stringContaining('forgectl reboot 7'),
    });
    expect(states.at(-1)).toBe('login failed');
    expect(deps.clock.now() - startedMs).toBeLessThanOrEqual(60_000);
  });

  it('an account that takes no keys does not matter to the instance', async () => {
    const { run } = platform({ account: [], attached: [], addFails: apiError('TEAM_KEYS', 4) });
    const { states, error } = await run();
    expect([states, error]).toEqual([['account skipped', 'instance fixed', 'login fixed', 'host_key ok'], null]);
  });

  it('an API key that may not look at the account leaves it alone', async () => {
    const { deps } = platform({ account: [] });
    const diagnosis = await diagnose(deps, instance, null);
    const { steps } = await repairKeys(deps, diagnosis, { acceptHostKey: false });
    expect(steps[0]).toMatchObject({ step: 'account', state: 'skipped' });
  });

  it.each([
    ['account', { account: [], addFails: apiError('API_DOWN', 14) }],
    ['instance', { attached: [], attachFails: apiError('API_DOWN', 14) }],
    ['login', { network: failure('SSH_NETWORK') }],
  ])('says that it failed at %s, and stops there', async (step, more) => {
    const { run } = platform(more);
    const { states, error } = await run();
    expect(states.at(-1)).toBe(`${step} failed`);
    expect(error?.code).toMatch(/API_DOWN|SSH_NETWORK/u);
  });

  it.each([
    [true, /names the new key/u],
    [null, /Nothing vouches/u],
  ])('a changed host key is not taken by itself (named: %s)', async (named, words) => {
    const { run, accepted } = platform({ shown: 'B', named });
    const { states, error } = await run();
    expect(states.at(-1)).toBe('host_key failed');
    expect(error).toMatchObject({
      code: 'SSH_HOST_KEY_CHANGED',
      exit: 13,
      message: expect.stringMatching(words),
      hint: expect.stringContaining('--accept-host-key'),
      details: { pinned: 'A', shown: 'B', named_by_instance: named },
    });
    expect(accepted).toEqual([]);
  });

  it('is taken when the user says so', async () => {
    const { run, accepted } = platform({ shown: 'B', named: true });
    const { states, error } = await run(true);
    expect(error).toBeNull();
    expect(states).toEqual(['account ok', 'instance ok', 'host_key fixed', 'login fixed', 'host_key ok']);
    expect(accepted).toEqual(['B']);
  });

  it('is never taken when the instance names another one, whatever the user says', async () => {
    const { run, accepted, calls } = platform({ shown: 'B', named: false });
    const { states, error } = await run(true);
    expect(error).toMatchObject({ code: 'SSH_HOST_KEY_MISMATCH', exit: 13 });
    expect(states.at(-1)).toBe('host_key failed');
    expect(accepted).toEqual([]);
    expect(calls).toEqual(['login']);
  });

  it('a machine that does not run gets its key, and no login', async () => {
    const { deps, calls } = platform({ attached: [] });
    const stopped = { ...instance, actualStatus: 'exited', intendedStatus: 'stopped' } as Instance;
    const diagnosis = await diagnose(deps, stopped, await deps.listAccountKeys());
    const { steps, error } = await repairKeys(deps, diagnosis, { acceptHostKey: false });
    expect(error).toBeNull();
    expect(steps.map(({ state }) => state)).toEqual(['ok', 'fixed', 'skipped']);
    expect(calls).toEqual(['attach']);
  });
});

describe('keys attach', () => {
  it('attaches, waits for the host, and proves it', async () => {
    const { deps, calls } = platform({ attached: [], appliesMs: 10_000 });
    expect(await attachKey(deps, instance, null)).toEqual({
      wasAttached: false,
      verified: true,
      unverifiedBecause: null,
      via: 'direct',
    });
    expect(calls).toEqual(['attach', 'login', 'login', 'close']);
  });

  it('says when it was attached already, and attaches again when the host has lost it', async () => {
    const there = platform();
    expect(await attachKey(there.deps, instance, null)).toMatchObject({ wasAttached: true, verified: true });
    expect(there.calls).toEqual(['login', 'close']);
    const lost = platform({ applied: [] });
    expect(await attachKey(lost.deps, instance, null)).toMatchObject({ wasAttached: true, verified: true });
    expect(lost.calls).toEqual(['login', 'attach', 'login', 'close']);
  });

  it('without a private half, or on a machine that does not run, says why nothing was proved', async () => {
    const { deps, calls } = platform({ attached: [] });
    expect(await attachKey(deps, instance, 'its private half is elsewhere')).toMatchObject({
      verified: null,
      unverifiedBecause: 'its private half is elsewhere',
    });
    expect(await attachKey(deps, { ...instance, actualStatus: 'loading' } as Instance, null)).toMatchObject({
      verified: null,
    });
    expect(calls).toEqual(['attach']);
  });

  it('a login that fails for another reason is told as it is', async () => {
    const { deps } = platform({ attached: [], network: failure('SSH_NETWORK') });
    await expect(attachKey(deps, instance, null)).rejects.toMatchObject({ code: 'SSH_NETWORK' });
  });
});
