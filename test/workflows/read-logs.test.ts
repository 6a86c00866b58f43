import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../src/clock.ts';
import { EXIT, ForgeError } from '../../src/errors.ts';
import type { LogWish } from '../../src/instance/log-reader/log-stream.ts';
import { connect } from '../../src/ssh/connection.ts';
import { HostKeys } from '../../src/ssh/host-keys.ts';
import type { Identity } from '../../src/ssh/identity.ts';
import type { Instance } from '../../src/vast/model.ts';
import { type ReadLogsDependencies, type ReadLogsRequest, readLogs } from '../../src/workflows/logs/read-logs.ts';
import { LogMachine, until } from '../instance/support/log-machine.ts';
import { CuttingLine } from '../ssh/support/cutting-line.ts';
import { LoopbackSshd, newKey } from '../ssh/support/loopback-sshd.ts';

const RUNNING = {
  id: 7,
  actualStatus: 'running',
  intendedStatus: 'running',
  statusMsg: null,
  isBid: false,
} as Instance;
const hostKey = newKey();
const userKey = newKey();
const identity: Identity = {
  publicKey: userKey.public,
  description: 'a test key',
  path: null,
  privateKey: userKey.private,
  agentSocket: null,
  passphrase: null,
};
const pins = mkdtempSync(join(tmpdir(), 'forgectl-pins-'));
/** Back-off in no time, and the waits that were asked for. */
const waits: number[] = [];
const hasty: Clock = {
  now: systemClock.now,
  sleep: (ms, signal) => {
    if (ms !== 5000) waits.push(ms);
    return systemClock.sleep(ms === 5000 ? ms : 10, signal);
  },
};

let machine: LogMachine;
let sshd: LoopbackSshd;
let line: CuttingLine;

async function startSshd(): Promise<void> {
  const env = { FORGECTL_ROOT: machine.root.path, TZ: 'UTC' };
  sshd = await new LoopbackSshd({ hostKeys: [hostKey.private], authorized: [userKey.public], env }).listen();
  line = await CuttingLine.open(sshd.port);
}

beforeAll(async () => {
  machine = new LogMachine();
  await startSshd();
});
beforeEach(() => waits.splice(0));
afterAll(() => {
  line.close();
  sshd.close();
  machine.remove();
  rmSync(pins, { recursive: true, force: true });
});

interface Watched {
  lines: string[];
  notes: string[];
  done: Promise<unknown>;
  stop(): Promise<void>;
}

let logNumber = 0;

/** Reads a log of its own. */
function watch(
  name: string,
  {
    wish = {},
    deps = {},
    request = {},
  }: { wish?: Partial<LogWish>; deps?: Partial<ReadLogsDependencies>; request?: Partial<ReadLogsRequest> } = {},
): Watched {
  const controller = new AbortController();
  const lines: string[] = [];
  const notes: string[] = [];
  const interrupted = new ForgeError('Interrupted.', { code: 'INTERRUPTED', exit: EXIT.interrupted });
  const done = readLogs(
    {
      readInstance: async () => RUNNING,
      connect: () =>
        connect({
          candidates: [{ host: '127.0.0.1', port: line.port, via: 'direct' }],
          instanceId: '7',
          identity,
          hostKeys: new HostKeys(pins),
          timeoutMs: 3000,
          signal: controller.signal,
        }),
      attachKey: async () => {},
      clock: hasty,
      signal: controller.signal,
      random: () => 1,
      ...deps,
    },
    {
      instance: RUNNING,
      follow: true,
      choose: () => ({ names: [name], follow: true, tail: null, since: null, ...wish }),
      events: {
        line: (_, text) => lines.push(text),
        partial: () => {},
        gap: (_, why) => notes.push(`gap ${why}`),
        caughtUp: () => {},
        done: () => {},
      },
      onProgress: () => {},
      onLost: (error, wasConnected) => notes.push(`${wasConnected ? 'lost' : 'not reached'}: ${error.code}`),
      onConnected: (_, wasLost) => notes.push(wasLost ? 'again' : 'connected'),
      ...request,
    },
  ).catch((error: unknown) => error);
  return {
    lines,
    notes,
    done,
    stop: async () => {
      controller.abort(interrupted);
      expect(await done).toBe(interrupted);
    },
  };
}

function newLog(): string {
  logNumber += 1;
  return `log${logNumber}`;
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, nth) => `number ${from + nth}`);
const text = (from: number, to: number): string =>
  numbers(from, to)
    .map((number) => `${number}\n`)
    .join('');

describe('reading logs over a line that breaks', () => {
  it('cut anywhere, again and again, while the log is written and moved: each line once, and in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 2, maxLength: 5 }),
        async (limits) => {
          const name = newLog();
          machine.append(name, text(0, 1000));
          line.limits.push(...limits);
          const watched = watch(name);
          for (let part = 1; part <= 5; part += 1) {
            machine.append(name, text(part * 1000, part * 1000 + 500));
            machine.rotate(name);
            machine.append(name, text(part * 1000 + 500, part * 1000 + 1000));
            await until(
              () => watched.lines.length >= (part + 1) * 1000,
              () => `${part} ${watched.lines.length} ${watched.notes}`,
            );
          }
          line.cut();
          machine.append(name, text(6000, 6001));
          await until(() => watched.lines.length >= 6001);
          await watched.stop();
          expect(watched.lines).toEqual(numbers(0, 6001));
          expect(watched.notes.filter((note) => note.startsWith('gap'))).toEqual([]);
          line.limits.splice(0);
        },
      ),
      { numRuns: Number(process.env['LOG_RUNS'] ?? 2), endOnFailure: true },
    );
  });

  it('says once that it is lost and once that it is there again; waits longer each time, at most 30 s', async () => {
    const name = newLog();
    machine.append(name, 'a\n');
    const watched = watch(name);
    await until(() => watched.lines.length === 1);
    waits.splice(0);
    line.limits.push(0, 0, 0, 0, 0, 0, 0);
    line.cut();
    machine.append(name, 'b\n');
    await until(() => watched.lines.length === 2);
    await watched.stop();
    expect(watched.notes).toEqual(['connected', 'lost: SSH_LOST', 'again']);
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('asks the API for the address before each further try, and goes on with the last one while it is down', async () => {
    const name = newLog();
    machine.append(name, 'a\n');
    let looks = 0;
    const readInstance = async (): Promise<Instance> => {
      looks += 1;
      if (looks === 1) throw new ForgeError('down', { code: 'API_DOWN', exit: EXIT.apiFailed });
      return RUNNING;
    };
    line.limits.push(0, 0);
    const watched = watch(name, { deps: { readInstance } });
    await until(() => watched.lines.length === 1);
    await watched.stop();
    expect(looks).toBe(2);
    expect(watched.notes).toEqual(['not reached: SSH_HANDSHAKE', 'again']);
  });

  it('what is there is read to its end and over a cut, without going on', async () => {
    const name = newLog();
    machine.append(name, `${text(0, 3000)}unfinished`);
    line.limits.push(20_000);
    const watched = watch(name, { wish: { follow: false }, request: { follow: false } });
    expect(await watched.done).toBeUndefined();
    expect(watched.lines).toEqual([...numbers(0, 3000), 'unfinished']);
  });
});

describe('the end of following', () => {
  const stopped = { ...RUNNING, actualStatus: 'exited', intendedStatus: 'stopped' } as Instance;

  async function following(rows: (Instance | null)[]): Promise<Watched> {
    const name = newLog();
    machine.append(name, 'a\nhalf');
    const watched = watch(name, {
      deps: { readInstance: async () => (rows.length > 1 ? rows.shift() : rows[0]) ?? null },
    });
    await until(() => watched.lines.length === 1);
    line.cut();
    return watched;
  }

  it('is exit 8 when the instance was stopped, and the unfinished line is given', async () => {
    const watched = await following([stopped]);
    expect(await watched.done).toMatchObject({ exit: EXIT.notReady, hint: 'forgectl start 7' });
    expect(watched.lines).toEqual(['a', 'half']);
  });

  it('is exit 8 when it was destroyed', async () => {
    expect(await (await following([null])).done).toMatchObject({ exit: EXIT.notReady, code: 'INSTANCE_VANISHED' });
  });

  it('a container that is down for a moment, as in a reboot, is waited for', async () => {
    const exited = { ...RUNNING, actualStatus: 'exited' } as Instance;
    const watched = await following([exited, exited, RUNNING]);
    await until(() => watched.notes.includes('again'));
    await watched.stop();
    expect(watched.lines).toEqual(['a', 'half']);
  });

  it('is at once when the host key has changed', async () => {
    const name = newLog();
    const refuse = async (): Promise<never> => {
      throw new ForgeError('changed', { code: 'SSH_HOST_KEY_CHANGED', exit: EXIT.sshFailed });
    };
    expect(await watch(name, { deps: { connect: refuse } }).done).toMatchObject({ code: 'SSH_HOST_KEY_CHANGED' });
  });

  it('a reader that fails again and again is given up, with its last words', async () => {
    machine.root.tool('python3', 'echo "boom: no space" >&2; exit 1', 'usr/local/bin');
    try {
      expect(await watch(newLog()).done).toMatchObject({
        code: 'LOG_READER_FAILED',
        message: expect.stringContaining('boom'),
      });
    } finally {
      machine.makePython();
    }
  });

  it('a wish that cannot be met is told as it is', async () => {
    const unknown = new ForgeError('no such log', { code: 'LOG_NOT_FOUND', exit: EXIT.notFound });
    const choose = (): never => {
      throw unknown;
    };
    expect(await watch(newLog(), { request: { choose } }).done).toBe(unknown);
  });
});
