import { describe, expect, it } from 'vitest';
import { ForgeError } from '../../src/errors.ts';
import { withHostKeyLine } from '../../src/instance/host-key-line.ts';
import type { Instance } from '../../src/vast/model.ts';
import {
  type HostKeyProofDependencies,
  HostKeyTrust,
  namesHostKey,
  proveHostKey,
} from '../../src/workflows/host-key-proof.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NONCE = '0123456789abcdef01234567';
const OWN = 'ssh-ed25519 AAAAOWN';
const instance = { id: 7, onstart: withHostKeyLine('entrypoint.sh', NONCE) };
const named = (key: string, nonce = NONCE): string => `forgectl-host-key ${nonce} ${key}`;

/** One log for each look; the last one stays. */
function deps(logs: (string | null)[], pinned: string | null = OWN) {
  const confirmed: number[] = [];
  const clock = new FakeClock();
  let look = 0;
  const made: HostKeyProofDependencies = {
    grepContainerLog: async () => logs[Math.min(look++, logs.length - 1)] ?? null,
    pinnedKey: () => pinned,
    confirmKey: (id) => void confirmed.push(id),
    clock,
    signal: new AbortController().signal,
  };
  return { deps: made, confirmed, looks: () => look };
}

describe('a host key', () => {
  it('is verified when the log names it with the nonce of the launch', async () => {
    const { deps: own, confirmed } = deps([`noise\n${named('ssh-rsa AAAARSA')}\n${named(OWN)}\n`]);
    expect(await proveHostKey(own, instance)).toBe('verified');
    expect(confirmed).toEqual([7]);
  });

  it('is verified also when the line comes late', async () => {
    expect(await proveHostKey(deps([null, named(OWN)]).deps, instance)).toBe('verified');
  });

  it.each([
    ['the log has no line', ['nothing']],
    ['the log is not to be had', [null]],
    ['the line has another nonce, which anybody may print', [named(OWN, 'f'.repeat(24))]],
    ['the line has no whole key', [`forgectl-host-key ${NONCE} ssh-ed25519`]],
  ])('is first seen when %s', async (_what, logs) => {
    const { deps: own, confirmed, looks } = deps(logs);
    expect(await proveHostKey(own, instance)).toBe('first seen');
    expect(confirmed).toEqual([]);
    expect(looks()).toBe(2);
  });

  it('is first seen without a look when the launch asked for nothing, or nobody has logged in', async () => {
    const { deps: own, looks } = deps([named(OWN)]);
    expect(await proveHostKey(own, { id: 7, onstart: 'entrypoint.sh' })).toBe('first seen');
    expect(await proveHostKey(own, { id: 7, onstart: null })).toBe('first seen');
    const unseen = deps([named(OWN)], null);
    expect(await proveHostKey(unseen.deps, instance)).toBe('first seen');
    expect([looks(), unseen.looks()]).toEqual([0, 0]);
  });

  it('that the machine does not name is another machine: refused', async () => {
    const { deps: own, confirmed } = deps([named('ssh-ed25519 AAAAOTHER')]);
    await expect(proveHostKey(own, instance)).rejects.toMatchObject({ code: 'SSH_HOST_KEY_MISMATCH', exit: 13 });
    expect(confirmed).toEqual([]);
  });

  it('may be asked about before it is pinned: yes, no, or nobody knows', async () => {
    const isOwn = (key: string): boolean => key === OWN;
    const ask = (logs: (string | null)[]) => namesHostKey(deps(logs).deps, instance, isOwn);
    expect(await ask([named('ssh-ed25519 AAAAOLD'), `${named('ssh-ed25519 AAAAOLD')}\n${named(OWN)}`])).toBe(true);
    expect(await ask([named('ssh-ed25519 AAAAOLD')])).toBe(false);
    expect(await ask(['nothing'])).toBeNull();
  });
});

describe('the keys that an instance has', () => {
  const row = instance as never as Instance;

  function trustOf(
    logs: (string | null)[],
    time: 'before' | 'beside' = 'before',
    known = { proved: false, unnamed: false },
  ) {
    const { deps: own, looks } = deps(logs);
    const trust = new HostKeyTrust(
      {
        ...own,
        isProved: () => known.proved,
        isUnnamed: () => known.unnamed,
        noteUnnamed: () => {
          known.unnamed = true;
        },
      },
      time,
    );
    return { trust, looks, known };
  }
  const refused = new ForgeError('another machine', { code: 'SSH_HOST_KEY_MISMATCH', exit: 13 });
  const down = new ForgeError('down', { code: 'SSH_PORT', exit: 13 });

  it('are known before the first login, and asked for once', async () => {
    const { trust, looks } = trustOf([named(OWN)]);
    expect(await trust.login(row, async (keys) => [...(keys ?? [])])).toEqual([OWN]);
    expect(await trust.login(row, async (keys) => [...(keys ?? [])])).toEqual([OWN]);
    expect(looks()).toBe(1);
  });

  it('need no question when they are proved, when nothing can be said, or nothing was said a moment ago', async () => {
    const proved = trustOf([named(OWN)], 'before', { proved: true, unnamed: false });
    expect(await proved.trust.login(row, async (keys) => keys)).toBeNull();
    const lately = trustOf([named(OWN)], 'before', { proved: false, unnamed: true });
    expect(await lately.trust.login(row, async (keys) => keys)).toBeNull();
    const { trust, looks } = trustOf([named(OWN)]);
    expect(await trust.login({ id: 7, onstart: 'entrypoint.sh' } as Instance, async (keys) => keys)).toBeNull();
    expect([proved.looks(), lately.looks(), looks()]).toEqual([0, 0, 0]);
  });

  it('that are not named are noted after the login, not before', async () => {
    const { trust, known } = trustOf([null]);
    await expect(trust.login(row, () => Promise.reject(down))).rejects.toBe(down);
    expect(known.unnamed).toBe(false);
    expect(await trust.login(row, async (keys) => keys)).toBeNull();
    expect(known.unnamed).toBe(true);
  });

  it('are asked for once more when another one is shown: a machine made anew names its former ones for a moment', async () => {
    const { trust, looks } = trustOf([named('ssh-ed25519 AAAAOLD'), named(OWN)]);
    const login = async (keys: ReadonlySet<string> | null): Promise<string> => {
      if (keys?.has(OWN)) return 'in';
      throw refused;
    };
    expect(await trust.login(row, login)).toBe('in');
    expect(looks()).toBe(2);
    const other = trustOf([named('ssh-ed25519 AAAAOTHER')]);
    await expect(other.trust.login(row, login)).rejects.toBe(refused);
    expect(other.looks()).toBe(2);
  });

  it('are asked for beside a wait only when a login has failed', async () => {
    const { trust, looks } = trustOf([named(OWN)], 'beside');
    expect(await trust.login(row, async (keys) => keys)).toBeNull();
    expect(looks()).toBe(0);
    await expect(trust.login(row, () => Promise.reject(down))).rejects.toBe(down);
    expect(await trust.login(row, async (keys) => [...(keys ?? [])])).toEqual([OWN]);
    expect(looks()).toBe(1);
  });
});
