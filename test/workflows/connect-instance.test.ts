import { describe, expect, it } from 'vitest';
import { EXIT, type ExitCode, ForgeError } from '../../src/errors.ts';
import type { Connection } from '../../src/ssh/connection.ts';
import type { Instance } from '../../src/vast/model.ts';
import { type ConnectDependencies, connectInstance } from '../../src/workflows/connect-instance.ts';
import { FakeClock } from '../support/fake-clock.ts';

const RUNNING = { id: 7, actualStatus: 'running', intendedStatus: 'running', statusMsg: null, isBid: false };
const OPEN = { via: 'direct' } as unknown as Connection;

function row(more: Partial<Instance> = {}): Instance {
  return { ...RUNNING, ...more } as Instance;
}

function failure(code: string, exit: ExitCode = EXIT.sshFailed): ForgeError {
  return new ForgeError(code, { code, exit });
}

/** A machine that answers each login with the next of these. */
function machine(logins: (ForgeError | Connection)[], rows: (Instance | null | ForgeError)[] = [row()]) {
  const clock = new FakeClock();
  const calls: string[] = [];
  const next = <T>(list: (T | ForgeError)[]): T => {
    const one = list.length > 1 ? list.shift() : list[0];
    if (one instanceof ForgeError) throw one;
    return one as T;
  };
  const deps: ConnectDependencies = {
    readInstance: async () => {
      calls.push('read');
      return next(rows);
    },
    connect: async () => {
      calls.push('connect');
      return next(logins) as Connection;
    },
    attachKey: async () => void calls.push('attach'),
    clock,
    signal: new AbortController().signal,
  };
  return { deps, calls, clock };
}

const request = { instanceId: 7, patienceMs: 30_000 };

describe('connecting to an instance', () => {
  it('tries again what may pass, with the address as the API gives it then', async () => {
    const { deps, calls } = machine([failure('SSH_NETWORK'), failure('SSH_HANDSHAKE'), OPEN]);
    const heard: string[] = [];
    const link = await connectInstance(deps, { ...request, onRetry: ({ code }) => heard.push(code) });
    expect(link.connection).toBe(OPEN);
    expect(calls).toEqual(['read', 'connect', 'read', 'connect', 'read', 'connect']);
    expect(heard).toEqual(['SSH_NETWORK', 'SSH_HANDSHAKE']);
  });

  it('uses a row that is known for the first try', async () => {
    const { deps, calls } = machine([OPEN]);
    await connectInstance(deps, { ...request, known: row() });
    expect(calls).toEqual(['connect']);
  });

  it('puts a key back that the host has lost, once', async () => {
    const { deps, calls } = machine([failure('SSH_AUTH'), OPEN]);
    await connectInstance(deps, request);
    expect(calls.filter((call) => call === 'attach')).toHaveLength(1);
    const never = machine([failure('SSH_AUTH')]);
    await expect(connectInstance(never.deps, request)).rejects.toMatchObject({ code: 'SSH_AUTH' });
    expect(never.calls.filter((call) => call === 'attach')).toHaveLength(1);
  });

  it('gives up when the patience ends, with the last failure', async () => {
    const { deps, clock } = machine([failure('SSH_NETWORK')]);
    const startMs = clock.now();
    await expect(connectInstance(deps, request)).rejects.toMatchObject({ code: 'SSH_NETWORK' });
    expect(clock.now() - startMs).toBeLessThanOrEqual(request.patienceMs);
  });

  it.each(['SSH_HOST_KEY_CHANGED', 'SSH_HOST_KEY_MISMATCH', 'SSH_KEY'])('never tries again after %s', async (code) => {
    const { deps, calls } = machine([failure(code), OPEN]);
    await expect(connectInstance(deps, request)).rejects.toMatchObject({ code });
    expect(calls).toEqual(['read', 'connect']);
  });

  it('goes on with the last address while the API is down', async () => {
    const { deps } = machine([failure('SSH_NETWORK'), OPEN], [row(), failure('API_DOWN', EXIT.apiFailed)]);
    expect((await connectInstance(deps, request)).instance.id).toBe(7);
  });

  it('says at once that the machine is stopped, or gone', async () => {
    const stopped = machine([OPEN], [row({ actualStatus: 'exited', intendedStatus: 'stopped' })]);
    await expect(connectInstance(stopped.deps, request)).rejects.toMatchObject({
      exit: EXIT.notReady,
      hint: 'forgectl start 7',
    });
    const gone = machine([OPEN], [null]);
    await expect(connectInstance(gone.deps, request)).rejects.toMatchObject({ code: 'INSTANCE_VANISHED' });
  });
});
