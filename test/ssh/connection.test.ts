import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Connection, type ConnectOptions, connect } from '../../src/ssh/connection.ts';
import { fingerprint, HostKeys } from '../../src/ssh/host-keys.ts';
import type { Identity } from '../../src/ssh/identity.ts';
import { DEADLINE, describeLoginFailure } from '../../src/ssh/login-failure.ts';
import { closedPort, LoopbackSshd, listenTcp, newKey, newLockedKey } from './support/loopback-sshd.ts';

const hostKey = newKey();
const userKey = newKey();
const otherKey = newKey();
const cleanUps: (() => void)[] = [];
let hostKeys: HostKeys;
let pinsDir = '';

const identityOf = (key: { private: string; public: string }, description = 'a test key'): Identity => ({
  publicKey: key.public,
  description,
  path: null,
  privateKey: key.private,
  agentSocket: null,
  passphrase: null,
});
const fingerprintOf = (key: { public: string }): string =>
  fingerprint(Buffer.from(key.public.split(' ')[1] ?? '', 'base64'));
const direct = (port: number, host = '127.0.0.1') => ({ host, port, via: 'direct' as const });
const proxy = (port: number, host = '127.0.0.1') => ({ host, port, via: 'proxy' as const });

async function sshd(behaviour: Partial<ConstructorParameters<typeof LoopbackSshd>[0]> = {}): Promise<LoopbackSshd> {
  const server = await new LoopbackSshd({
    hostKeys: [hostKey.private],
    authorized: [userKey.public],
    ...behaviour,
  }).listen();
  cleanUps.push(() => server.close());
  return server;
}

async function tcp(onSocket: Parameters<typeof listenTcp>[0]): ReturnType<typeof listenTcp> {
  const server = await listenTcp(onSocket);
  cleanUps.push(() => server.close());
  return server;
}

async function login(options: Partial<ConnectOptions> & Pick<ConnectOptions, 'candidates'>): Promise<Connection> {
  const connection = await connect({
    instanceId: '7',
    identity: identityOf(userKey),
    hostKeys,
    timeoutMs: 3000,
    ...options,
  });
  cleanUps.push(() => connection.close());
  return connection;
}

beforeEach(() => {
  pinsDir = mkdtempSync(join(tmpdir(), 'forgectl-pins-'));
  hostKeys = new HostKeys(pinsDir);
});
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
  rmSync(pinsDir, { recursive: true, force: true });
});

describe('the race of the addresses', () => {
  it('a slow direct way loses to a fast proxy, and its connection is closed', async () => {
    const slow = await tcp(() => {});
    const fast = await sshd();
    const events: string[] = [];
    const connection = await login({
      candidates: [direct(slow.port), proxy(fast.port)],
      onAttempt: ({ address, state }) => events.push(`${address.via} ${state}`),
    });
    expect(connection.address).toMatchObject({ via: 'proxy', port: fast.port });
    expect(events).toEqual(['direct trying', 'proxy trying', 'proxy won']);
    await expect.poll(() => slow.sockets.size).toBe(0);
  });

  it('the direct way wins within its head start, and the proxy is not even tried', async () => {
    const [one, other] = [await sshd(), await sshd()];
    const connection = await login({ candidates: [direct(one.port), proxy(other.port)] });
    expect(connection.via).toBe('direct');
    expect(other.connections.size + other.logins).toBe(0);
  });

  it('a direct way that is refused does not make the proxy wait', async () => {
    const fast = await sshd();
    const atMs: Record<string, number> = {};
    const connection = await login({
      candidates: [direct(await closedPort()), proxy(fast.port)],
      onAttempt: ({ address, state }) => {
        atMs[`${address.via} ${state}`] = performance.now();
      },
    });
    expect(connection.via).toBe('proxy');
    expect((atMs['proxy trying'] ?? Infinity) - (atMs['direct failed'] ?? 0)).toBeLessThan(100);
  });

  it('a stranger at a guessed port neither alarms nor is pinned', async () => {
    const stranger = await sshd({ hostKeys: [otherKey.private], authorized: [] });
    const down = await closedPort();
    const addresses = [proxy(down), { ...proxy(stranger.port), isGuess: true }];
    await expect(login({ candidates: addresses })).rejects.toMatchObject({ code: 'SSH_PORT' });
    expect(readdirSync(pinsDir)).toEqual([]);
    hostKeys.verify('7', Buffer.from(hostKey.public.split(' ')[1] ?? '', 'base64'));
    await expect(login({ candidates: addresses })).rejects.toMatchObject({ code: 'SSH_PORT' });
  });

  it('somebody at a guessed port who lets everybody in is trusted only when the instance has named that key', async () => {
    const open = await sshd({ hostKeys: [otherKey.private], authorized: 'everybody' });
    const guess = { ...proxy(open.port), isGuess: true };
    const lineOf = ({ public: text }: { public: string }): string => text.split(' ').slice(0, 2).join(' ');
    const named = (key: { public: string }): ReadonlySet<string> => new Set([lineOf(key)]);
    await expect(login({ candidates: [guess] })).rejects.toMatchObject({ code: 'SSH_HOST_KEY_UNPROVED', exit: 13 });
    // Nor at the address itself, when the instance has named another one.
    for (const candidates of [[guess], [proxy(open.port)]])
      await expect(login({ candidates, namedKeys: named(hostKey) })).rejects.toMatchObject({
        code: 'SSH_HOST_KEY_MISMATCH',
      });
    expect([open.logins, readdirSync(pinsDir)]).toEqual([0, []]);
    await login({ candidates: [guess], namedKeys: named(otherKey) });
    expect(hostKeys.pinned('7')).toMatchObject({ key: lineOf(otherKey), isProved: true });
    // From then on the pin is enough.
    await login({ candidates: [guess] });
    // A recycle makes another key right, and still not at a guess.
    hostKeys.repin('7');
    const next = await sshd({ authorized: 'everybody' });
    const again = { ...proxy(next.port), isGuess: true };
    await expect(login({ candidates: [again] })).rejects.toMatchObject({ code: 'SSH_HOST_KEY_UNPROVED' });
  });

  it('can be stopped, and leaves no socket behind', async () => {
    const silent = await tcp(() => {});
    const stop = new AbortController();
    const going = login({ candidates: [direct(silent.port)], signal: stop.signal });
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await expect(going).rejects.toThrow('enough');
    await expect.poll(() => silent.sockets.size).toBe(0);
  });
});

describe('a login that fails says where and why, exit 13', () => {
  it.each<[string, (socket: import('node:net').Socket) => void, RegExp]>([
    ['never greets', () => {}, /did not finish the SSH handshake in time/u],
    ['is cut after its greeting', (socket) => socket.end('SSH-2.0-cut\r\n'), /broke off the handshake/u],
    ['is cut before its greeting', (socket) => socket.destroy(), /broke off the handshake/u],
    ['speaks something else', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), /broke off the handshake/u],
    ['greets and then is stuck', (socket) => socket.write('SSH-2.0-stuck\r\n'), /did not finish the SSH handshake/u],
  ])('a server that %s', async (_what, act, message) => {
    const server = await tcp(act);
    const going = login({ candidates: [direct(server.port)], timeoutMs: 250 });
    await expect(going).rejects.toMatchObject({ code: 'SSH_HANDSHAKE', exit: 13 });
    await expect(going).rejects.toThrow(message);
  });

  it('a server that never answers the login', async () => {
    const server = await sshd({ slowLoginMs: 60_000 });
    const going = login({ candidates: [direct(server.port)], timeoutMs: 400 });
    await expect(going).rejects.toThrow(/did not answer the login in time/u);
  });

  it('nothing listens; the name is not known', async () => {
    const refused = login({ candidates: [direct(await closedPort())] });
    await expect(refused).rejects.toMatchObject({
      code: 'SSH_PORT',
      exit: 13,
      hint: expect.stringContaining('forgectl wait 7 --for ssh'),
    });
    const unknown = login({ candidates: [direct(22, 'no-such-host.invalid')] });
    await expect(unknown).rejects.toMatchObject({
      code: 'SSH_NAME',
      exit: 13,
      hint: expect.stringContaining('forgectl show 7'),
    });
  });

  it('every failure says what to type', () => {
    const at = { offered: ['SHA256:x (a key)'], instanceId: '7' };
    const address = { host: '192.0.2.1', port: 22, via: 'direct' };
    const told = (raw: object, phase: 'connecting' | 'handshake' | 'login') => {
      const { code, hint } = describeLoginFailure(address, raw, { ...at, phase });
      return [code, hint];
    };
    const typed = expect.stringMatching(/forgectl (show|wait|keys repair) 7/u);
    expect([
      told({ code: 'ENOTFOUND' }, 'connecting'),
      told({ code: 'EHOSTUNREACH' }, 'connecting'),
      told({ code: 'ECONNREFUSED' }, 'connecting'),
      told({ code: DEADLINE }, 'handshake'),
      told({ level: 'client-authentication' }, 'login'),
    ]).toEqual([
      ['SSH_NAME', typed],
      ['SSH_NETWORK', typed],
      ['SSH_PORT', typed],
      ['SSH_HANDSHAKE', typed],
      ['SSH_AUTH', typed],
    ]);
  });

  it('no address at all', async () => {
    await expect(login({ candidates: [] })).rejects.toMatchObject({ code: 'SSH_NO_ADDRESS' });
  });

  it('a wrong key is named by its fingerprint, and the stranger’s host key is not pinned', async () => {
    const server = await sshd();
    const going = login({ candidates: [direct(server.port)], identity: identityOf(otherKey, 'the other key') });
    await expect(going).rejects.toMatchObject({
      code: 'SSH_AUTH',
      exit: 13,
      details: { offered_keys: [`${fingerprintOf(otherKey)} (the other key)`] },
    });
    await expect(going).rejects.toThrow(fingerprintOf(otherKey));
    expect(readdirSync(pinsDir)).toEqual([]);
  });

  it('a changed host key is refused with the way out, and the pin stays', async () => {
    const first = await sshd();
    await login({ candidates: [direct(first.port)] });
    const stranger = await sshd({ hostKeys: [otherKey.private] });
    const going = login({ candidates: [direct(stranger.port)] });
    await expect(going).rejects.toMatchObject({ code: 'SSH_HOST_KEY_CHANGED', exit: 13 });
    await expect(going).rejects.toThrow(fingerprintOf(hostKey));
    expect(stranger.offered).toEqual([]);
    await login({ candidates: [direct(first.port)] });
  });

  it('a server with several host keys is asked for the pinned one', async () => {
    const ecdsa = (await import('ssh2')).default.utils.generateKeyPairSync('ecdsa', { bits: 256 });
    const first = await sshd({ hostKeys: [ecdsa.private] });
    await login({ candidates: [direct(first.port)] });
    const second = await sshd({ hostKeys: [hostKey.private, ecdsa.private] });
    await login({ candidates: [direct(second.port)] });
  });
});

describe('keys', () => {
  it('are offered in their order until one is accepted', async () => {
    const server = await sshd();
    await login({
      candidates: [direct(server.port)],
      identity: identityOf(otherKey),
      otherIdentities: [identityOf(userKey)],
    });
    expect(server.offered).toEqual([otherKey, userKey].map((key) => key.public.split(' ')[1]));
  });

  it('a locked key is asked for only after the others were refused, and while it is typed no deadline runs', async () => {
    const locked = newLockedKey('pw');
    const server = await sshd({ authorized: [locked.public] });
    let asked = 0;
    const unlock = async (): Promise<string> => {
      asked += 1;
      await new Promise((resolve) => setTimeout(resolve, 600));
      return 'pw';
    };
    await login({
      candidates: [direct(server.port)],
      timeoutMs: 500,
      otherIdentities: [{ ...identityOf(locked), unlock }],
    });
    expect(asked).toBe(1);
    expect(server.offered).toHaveLength(2);
  });

  it('a locked key that stays locked is passed over', async () => {
    const server = await sshd();
    const unlock = (): Promise<string> => Promise.reject(new Error('no'));
    await login({
      candidates: [direct(server.port)],
      identity: { ...identityOf(otherKey), unlock },
      otherIdentities: [identityOf(userKey)],
    });
  });
});

describe('a connection', () => {
  it('runs scripts from stdin, with output, errors and exit code apart', async () => {
    const connection = await login({ candidates: [direct((await sshd()).port)] });
    const done = await connection.run('echo "out $0"; echo err >&2; exit 7', { timeoutMs: 5000 });
    expect(done).toEqual({ stdout: 'out bash\n', stderr: 'err\n', exitCode: 7 });
  });

  it('carries bytes both ways as they are, and names the signal that ended a command', async () => {
    const connection = await login({ candidates: [direct((await sshd()).port)] });
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 256));
    const stdin = Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]);
    const done = await connection.exec('cat', { stdin, timeoutMs: 5000 });
    expect(done.stdout.equals(bytes)).toBe(true);
    const killed = await connection.exec('kill -KILL $$', { timeoutMs: 5000 });
    expect(killed).toMatchObject({ exitCode: null, signal: 'KILL' });
  });

  it('a flood, a command that never ends and one that is stopped each end alone', async () => {
    const connection = await login({ candidates: [direct((await sshd()).port)] });
    const stop = new AbortController();
    const results = await Promise.allSettled([
      connection.exec('yes', { timeoutMs: 5000, maxOutputBytes: 100_000 }),
      connection.exec('sleep 60', { timeoutMs: 1500 }),
      connection.exec('sleep 60', { timeoutMs: 5000, signal: stop.signal }),
      connection.exec('sleep 0.3; echo fine', { timeoutMs: 5000 }).finally(() => {}),
      new Promise((resolve) => setTimeout(resolve, 100)).then(() => stop.abort(new Error('stopped'))),
    ]);
    expect(results.slice(0, 3).map((result) => (result as PromiseRejectedResult).reason)).toMatchObject([
      { code: 'SSH_OUTPUT_LIMIT', exit: 13 },
      { code: 'SSH_COMMAND_TIMEOUT', exit: 13 },
      { message: 'stopped' },
    ]);
    expect(String((results[3] as PromiseFulfilledResult<{ stdout: Buffer }>).value.stdout)).toBe('fine\n');
    expect(connection.isOpen()).toBe(true);
  });

  it('half an answer is no answer', async () => {
    const connection = await login({ candidates: [direct((await sshd({ cutsCommands: true })).port)] });
    await expect(connection.run('echo', { timeoutMs: 5000 })).rejects.toMatchObject({ code: 'SSH_LOST', exit: 13 });
  });

  it('a session or a stream that never opens ends at its deadline', async () => {
    const server = await sshd({ ignoresSessions: true, ignoresForwards: true });
    const connection = await login({ candidates: [direct(server.port)] });
    await expect(connection.exec('true', { timeoutMs: 100 })).rejects.toThrow(/did not open in time/u);
    await expect(connection.openForward('127.0.0.1', 17860, 100)).rejects.toThrow(/did not open in time/u);
    expect(connection.isOpen()).toBe(true);
  });

  it('opens streams to the machine’s own ports; a closed port hurts only its own stream', async () => {
    const web = await tcp((socket) => socket.end('hello'));
    const connection = await login({ candidates: [direct((await sshd()).port)] });
    await expect(connection.openForward('127.0.0.1', await closedPort())).rejects.toMatchObject({
      code: 'SSH_CHANNEL_REFUSED',
    });
    const stream = await connection.openForward('127.0.0.1', web.port);
    const text = await new Promise((resolve) => stream.once('data', (chunk) => resolve(String(chunk))));
    expect(text).toBe('hello');
    stream.destroy();
    expect((await connection.run('echo still here', { timeoutMs: 5000 })).stdout).toBe('still here\n');
  });

  it('shares one file channel', async () => {
    const connection = await login({ candidates: [direct((await sshd()).port)] });
    const [one, other] = await Promise.all([connection.sftp(), connection.sftp()]);
    expect(one).toBe(other);
    const home = await new Promise((resolve) => one.realpath('.', (_error, path) => resolve(path)));
    expect(home).toBe('/root');
  });

  it('tells when it ends, refuses new work at once, and fails the work that ran', async () => {
    const server = await sshd();
    const connection = await login({ candidates: [direct(server.port)] });
    let closes = 0;
    connection.onClose(() => {
      closes += 1;
    });
    const takeBack = connection.onClose(() => {
      closes += 100;
    });
    takeBack();
    const running = expect(connection.run('sleep 60', { timeoutMs: 5000 })).rejects.toMatchObject({ code: 'SSH_LOST' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    server.close();
    await running;
    await expect.poll(() => closes).toBe(1);
    await expect(connection.run('true', { timeoutMs: 5000 })).rejects.toMatchObject({ code: 'SSH_LOST' });
    connection.onClose(() => {
      closes += 1;
    });
    await expect.poll(() => closes).toBe(2);
  });
});
