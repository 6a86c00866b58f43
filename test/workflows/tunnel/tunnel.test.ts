import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, scaledClock, systemClock } from '../../../src/clock.ts';
import { EXIT, ForgeError } from '../../../src/errors.ts';
import { backoffMs } from '../../../src/workflows/tunnel/backoff.ts';
import { newKey } from '../../ssh/support/loopback-sshd.ts';
import { listenAt, openSshd, TunnelFixture, USER_KEY } from './tunnel-fixture.ts';

/** Seconds of forgectl's in tenths of ours. */
const FAST = { pingEveryMs: 60, pingLimitMs: 200, alarmLimitMs: 100, tickMs: 20 };

let echo: Awaited<ReturnType<typeof listenAt>>;
const cleanUps: (() => void)[] = [];
beforeEach(async () => {
  echo = await listenAt((socket) => socket.pipe(socket));
});
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
  echo.close();
});

async function open(options: Parameters<typeof TunnelFixture.open>[0] = {}): Promise<{
  fixture: TunnelFixture;
  port: number;
}> {
  const fixture = await TunnelFixture.open(options);
  cleanUps.push(() => fixture.close());
  const [port = 0] = await fixture.start(`0:${echo.port}`);
  return { fixture, port };
}

class Client {
  readonly socket: Socket;
  readonly ended: Promise<string>;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.ended = new Promise((resolve) => {
      this.socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
      this.socket.once('end', () => resolve('end'));
    });
    cleanUps.push(() => this.socket.destroy());
  }

  async says(text: string): Promise<string> {
    this.socket.write(text);
    return String(await new Promise((resolve) => this.socket.once('data', resolve)));
  }
}

/** As fast as the timings allow, with a wall clock that can be put forward. */
function jumpingClock(): Clock & { jump(ms: number): void } {
  let offset = 0;
  return {
    now: () => Date.now() + offset,
    sleep: systemClock.sleep,
    jump: (ms) => {
      offset += ms;
    },
  };
}

describe('a tunnel whose path', () => {
  it('is stalled and wakes up loses nothing', async () => {
    const { fixture, port } = await open({ timings: FAST });
    await fixture.until('ready');
    const client = new Client(port);
    expect(await client.says('before')).toBe('before');
    fixture.line.stall(true);
    await fixture.until('stalled');
    const late = new Client(port);
    fixture.line.stall(false);
    await fixture.until('recovered');
    expect(await client.says('after')).toBe('after');
    expect(await late.says('held meanwhile')).toBe('held meanwhile');
    expect(fixture.events.some(({ event }) => event === 'lost')).toBe(false);
  });

  it('is dead is given up as soon as there is another one, and not before', async () => {
    const { fixture, port } = await open({ timings: FAST });
    await fixture.until('ready');
    const client = new Client(port);
    await client.says('before');
    fixture.line.stall(true, { present: true });
    const held = await fixture.until('stalled').then(() => new Client(port));
    expect((await fixture.until('lost')).reason).toBe('the connection does not answer');
    await fixture.until('reconnected');
    expect(await client.ended).toBe('ECONNRESET');
    expect(await held.says('held meanwhile')).toBe('held meanwhile');
  });

  it('is suspect after a sleep of the computer is asked at once', async () => {
    const clock = jumpingClock();
    const { fixture } = await open({ timings: { ...FAST, pingEveryMs: 60_000 }, deps: { clock } });
    await fixture.until('ready');
    clock.jump(3_600_000);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(fixture.events.some(({ event }) => event === 'stalled' || event === 'lost')).toBe(false);
    fixture.line.stall(true, { present: true });
    clock.jump(3_600_000);
    expect((await fixture.until('stalled')).reason).toContain('this computer slept for 3600 s');
    await fixture.until('reconnected');
  });

  it('was lost before a sleep is tried again at the awakening, whatever pause there was', async () => {
    const clock = jumpingClock();
    // Pauses of minutes, longer than this test may take.
    const { fixture } = await open({ timings: FAST, deps: { clock, random: () => 100 } });
    await fixture.until('ready');
    fixture.line.refuse();
    fixture.line.cut();
    await fixture.until('lost');
    clock.jump(3_600_000);
    expect((await fixture.until('retrying')).inMs).toBeGreaterThan(100_000);
    await fixture.line.listen();
    clock.jump(3_600_000);
    await fixture.until('reconnected');
  });

  it('is suspect in another network is asked at once', async () => {
    let network = 'home';
    const deps = { networkFingerprint: () => network };
    const { fixture } = await open({ timings: { ...FAST, pingEveryMs: 60_000 }, deps });
    await fixture.until('ready');
    fixture.line.stall(true, { present: true });
    network = 'train';
    expect((await fixture.until('stalled')).reason).toContain('network');
    await fixture.until('reconnected');
  });
});

describe('a tunnel that has lost its machine', () => {
  it('holds new sockets until it is back, unread', async () => {
    const { fixture, port } = await open();
    await fixture.until('ready');
    fixture.line.refuse();
    fixture.line.cut();
    await fixture.until('retrying');
    const client = new Client(port);
    const answer = client.says('patience');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await fixture.line.listen();
    expect(await answer).toBe('patience');
  });

  it('refuses them after ten seconds, and goes on listening', async () => {
    const clock = scaledClock(40, { wallMs: Date.now(), shownMs: Date.now() });
    const { fixture, port } = await open({ deps: { clock, random: () => 1 } });
    await fixture.until('ready');
    fixture.line.refuse();
    fixture.line.cut();
    await fixture.until('retrying');
    const startedMs = clock.now();
    expect(await new Client(port).ended).toBe('ECONNRESET');
    expect(clock.now() - startedMs).toBeGreaterThanOrEqual(10_000);
    await fixture.line.listen();
    await fixture.until('reconnected');
    expect(await new Client(port).says('again')).toBe('again');
  });

  it('looks where it is now, and does with the last address while the API is down', async () => {
    let reads = 0;
    const down = new ForgeError('down', { code: 'API_DOWN', exit: EXIT.apiFailed });
    const readInstance = () => {
      reads += 1;
      return Promise.reject(down);
    };
    const { fixture } = await open({ deps: { readInstance } });
    await fixture.until('ready');
    fixture.line.cut();
    await fixture.until('reconnected');
    expect(reads).toBe(1);
  });

  it('does not wait for an API that hangs', async () => {
    const deps = { readInstance: () => new Promise<never>(() => {}) };
    const { fixture } = await open({ deps, timings: { apiPatienceMs: 100 } });
    await fixture.until('ready');
    fixture.line.cut();
    await fixture.until('reconnected');
  });

  it('ends when the contract is gone, with its local ends', async () => {
    const { fixture, port } = await open();
    await fixture.until('ready');
    fixture.row = null;
    fixture.line.cut();
    await expect(fixture.running).rejects.toMatchObject({ code: 'INSTANCE_VANISHED', exit: EXIT.notFound });
    expect(await new Client(port).ended).toBe('ECONNREFUSED');
    expect(fixture.events.at(-1)).toMatchObject({ event: 'closed', reason: 'Instance 7 no longer exists.' });
  });

  it('waits while it is stopped', async () => {
    const { fixture } = await open({ deps: { random: () => 0.01 } });
    await fixture.until('ready');
    const running = fixture.row;
    fixture.row = Object.assign({}, running, { intendedStatus: 'stopped', actualStatus: 'exited' });
    fixture.line.cut();
    expect((await fixture.until('retrying')).error).toMatchObject({ exit: EXIT.notReady });
    fixture.row = running;
    await fixture.until('reconnected');
  });

  it('puts a lost key back once, and ends when that does not help', async () => {
    const attached: number[] = [];
    const clock = scaledClock(100, { wallMs: Date.now(), shownMs: Date.now() });
    const { fixture } = await open({
      deps: {
        clock,
        attachKey: async ({ id }) => {
          if (attached.length === 0) fixture.sshd.authorize(USER_KEY.public);
          attached.push(id);
        },
      },
      timings: { tickMs: 1000 },
    });
    await fixture.until('ready');
    fixture.sshd.authorize();
    fixture.line.cut();
    await fixture.until('reconnected');
    expect(attached).toEqual([7]);
    fixture.sshd.authorize();
    fixture.line.cut();
    await expect(fixture.running).rejects.toMatchObject({ code: 'SSH_AUTH', exit: EXIT.sshFailed });
    expect(attached).toEqual([7, 7]);
  });

  it('puts a lost key back when the API can do that again', async () => {
    let attached = 0;
    const fixture = await TunnelFixture.open({
      deps: {
        clock: scaledClock(100, { wallMs: Date.now(), shownMs: Date.now() }),
        attachKey: async () => {
          attached += 1;
          if (attached < 3) throw new ForgeError('down', { code: 'API_DOWN', exit: EXIT.apiFailed });
          fixture.sshd.authorize(USER_KEY.public);
        },
      },
    });
    cleanUps.push(() => fixture.close());
    await fixture.start(`0:${echo.port}`);
    await fixture.until('ready');
    fixture.sshd.authorize();
    fixture.line.cut();
    await fixture.until('reconnected');
    expect(attached).toBe(3);
  });

  it('is not taken in by a stranger at its old address, and comes back when the address is right', async () => {
    const { fixture } = await open();
    await fixture.until('ready');
    const stranger = await openSshd(newKey());
    cleanUps.push(() => stranger.close());
    fixture.line.aimAt(stranger.port);
    fixture.line.cut();
    expect((await fixture.until('retrying')).error).toMatchObject({ code: 'SSH_HOST_KEY_CHANGED' });
    expect(stranger.logins).toBe(0);
    fixture.line.aimAt(fixture.sshd.port);
    await fixture.until('reconnected');
  });
});

describe('a port of the machine that leads here', () => {
  it('carries what comes to it, opens again after a loss, and waits while somebody has it', async () => {
    const { fixture } = await open();
    fixture.tunnel.reverse({ address: '127.0.0.1', port: 0, target: { host: '127.0.0.1', port: echo.port } });
    const { reverse } = await fixture.until('reverse_ready');
    expect(await new Client(reverse.port ?? 0).says('from the machine')).toBe('from the machine');
    const from = fixture.events.length;
    fixture.line.cut();
    await fixture.until('reverse_ready', from);
    expect(await new Client(reverse.port ?? 0).says('again')).toBe('again');
    const taken = { address: '127.0.0.1', port: fixture.sshd.port, target: { host: '127.0.0.1', port: 1 } };
    fixture.tunnel.reverse(taken);
    expect((await fixture.until('reverse_refused')).reverse.remote).toBe(`127.0.0.1:${fixture.sshd.port}`);
  });

  it('refuses when nothing listens here', async () => {
    const { fixture } = await open();
    fixture.tunnel.reverse({ address: '127.0.0.1', port: 0, target: { host: '127.0.0.1', port: 1 } });
    const { reverse } = await fixture.until('reverse_ready');
    expect(await new Client(reverse.port ?? 0).ended).toMatch(/end|ECONNRESET/u);
  });
});

describe('the first connection of a tunnel', () => {
  it('is tried again while the machine boots, and not for ever when it runs', async () => {
    const clock = jumpingClock();
    const fixture = await TunnelFixture.open({ deps: { clock } });
    cleanUps.push(() => fixture.close());
    const running = fixture.row;
    fixture.row = Object.assign({}, running, { actualStatus: 'loading' });
    fixture.line.refuse();
    await fixture.start(`0:${echo.port}`);
    await fixture.until('retrying');
    // Far beyond the patience that a running machine gets. The try that is under way may have read the row before.
    clock.jump(3_600_000);
    const from = fixture.events.length;
    const { attempt } = await fixture.until('retrying', from);
    expect((await fixture.until('retrying', fixture.events.length)).attempt).toBeGreaterThan(attempt);
    fixture.row = running;
    await expect(fixture.running).rejects.toMatchObject({ code: 'SSH_PORT' });
  });

  it('says which services there are when one is asked for that is not', async () => {
    const fixture = await TunnelFixture.open();
    cleanUps.push(() => fixture.close());
    await fixture.start('comfyui');
    await expect(fixture.running).rejects.toMatchObject({ code: 'SERVICE_NOT_FOUND', exit: EXIT.notFound });
  });
});

it('pauses between tries for anything up to a limit that doubles, and never longer than 30 s', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.double({ min: 0, max: 1, noNaN: true }), (failures, chance) => {
      const ms = backoffMs(failures, () => chance);
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThanOrEqual(Math.min(30_000, 1000 * 2 ** failures));
    }),
  );
});
