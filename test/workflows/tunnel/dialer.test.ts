import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { EXIT, ForgeError } from '../../../src/errors.ts';
import type { Connection } from '../../../src/ssh/connection.ts';
import type { Instance } from '../../../src/vast/model.ts';
import { Dialer } from '../../../src/workflows/tunnel/dialer.ts';

const signal = new AbortController().signal;
const rowAt = (sshPort: number, more: Partial<Instance> = {}): Instance =>
  ({
    id: 7,
    actualStatus: 'running',
    intendedStatus: 'running',
    isBid: false,
    sshHost: 'host',
    sshPort,
    ...more,
  }) as Instance;
const refused = (code = 'SSH_NETWORK'): ForgeError => new ForgeError('no', { code, exit: EXIT.sshFailed });
const never = (): Promise<never> => new Promise(() => {});

/** A machine that is at `port` for ssh, while the API says `row` or does not say anything. */
function world(options: { login: (port: number) => Promise<unknown>; read: () => Promise<Instance | null> }) {
  const dialled: number[] = [];
  const closed: number[] = [];
  const deps = {
    readInstance: options.read,
    connect: async (instance: Instance) => {
      const port = instance.sshPort ?? 0;
      dialled.push(port);
      await options.login(port);
      return { port, close: () => closed.push(port) } as unknown as Connection;
    },
    attachKey: async () => {},
    clock: systemClock,
    signal,
  };
  return { dialled, closed, dialer: new Dialer(deps, rowAt(1), 50) };
}

/** A first dial, which takes the row that was given. */
async function lostLine(options: Parameters<typeof world>[0]) {
  let isFirst = true;
  const made = world({
    ...options,
    login: (port) => {
      const answer = isFirst ? Promise.resolve() : options.login(port);
      isFirst = false;
      return answer;
    },
  });
  await made.dialer.dial(signal);
  made.dialled.length = 0;
  return made;
}

describe('a line that was lost', () => {
  it('is taken up where it was, without a word of the API', async () => {
    const { dialer, dialled } = await lostLine({ login: async () => {}, read: never });
    const { connection } = await dialer.redial(signal);
    expect(connection).toMatchObject({ port: 1 });
    expect(dialled).toEqual([1]);
  });

  it('is taken up where the machine is now, though the old address hangs or has a stranger', async () => {
    for (const atOld of [never, () => Promise.reject(refused('SSH_HOST_KEY_CHANGED'))]) {
      const login = (port: number): Promise<unknown> => (port === 1 ? atOld() : Promise.resolve());
      const { dialer } = await lostLine({ login, read: async () => rowAt(2) });
      expect((await dialer.redial(signal)).connection).toMatchObject({ port: 2 });
    }
  });

  it('is tried once where it was when the API knows no other address', async () => {
    const { dialer, dialled } = await lostLine({ login: () => Promise.reject(refused()), read: async () => rowAt(1) });
    await expect(dialer.redial(signal)).rejects.toMatchObject({ code: 'SSH_NETWORK' });
    expect(dialled).toEqual([1]);
  });

  it('says that the machine was stopped, and that it is gone, rather than that it does not answer', async () => {
    const login = () => Promise.reject(refused());
    const stopped = rowAt(1, { actualStatus: 'exited', intendedStatus: 'stopped' });
    const { dialer } = await lostLine({ login, read: async () => stopped });
    await expect(dialer.redial(signal)).rejects.toMatchObject({ exit: EXIT.notReady });
    const { dialer: other } = await lostLine({ login, read: async () => null });
    await expect(other.redial(signal)).rejects.toMatchObject({ code: 'INSTANCE_VANISHED' });
  });

  it('closes a login at the old address that comes too late', async () => {
    let letIn = (): void => {};
    const login = (port: number): Promise<unknown> =>
      port === 1 ? new Promise<void>((resolve) => (letIn = resolve)) : Promise.resolve();
    const { dialer, closed } = await lostLine({ login, read: async () => rowAt(2) });
    await dialer.redial(signal);
    letIn();
    await expect.poll(() => closed).toEqual([1]);
  });
});
