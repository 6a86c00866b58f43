import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import fc from 'fast-check';
import ssh2 from 'ssh2';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { offeredAlgorithms } from '../../src/ssh/algorithms.ts';
import { Connection } from '../../src/ssh/connection.ts';
import { VIOLATION, watchChannel, watchPeer } from '../../src/ssh/peer-limits.ts';
import { signalName } from '../../src/ssh/remote-signal.ts';
import { SmallPieces, tellHeld } from '../../src/ssh/small-pieces.ts';
import { newKey } from '../ssh/support/loopback-sshd.ts';
import { canMeasureMemory, HostileMachine, peakMemoryMiB } from './support/hostile-machine.ts';
import { HostileSshd, type Hostility, openHalfSshd, type Peer } from './support/hostile-sshd.ts';

/** Node with ssh2 has some 70, and what is in flight of 2 MiB a channel and of the network comes to 50 more. */
const MOST_MIB = 200;
/** A second, and what a busy computer adds. */
const SOON_MS = 3000;
/** Ten times what the longest takes: only what hangs meets it. */
const MEMORY_LIMIT_MS = 90_000;

let machine: HostileMachine;
const cleanUps: (() => void)[] = [];
beforeAll(async () => {
  machine = await HostileMachine.open();
});
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});
afterAll(() => machine.remove());

async function attackedBy(hostility: Hostility): Promise<void> {
  const sshd = await HostileSshd.open(hostility);
  cleanUps.push(() => sshd.close());
  machine.leadsTo(sshd.port);
}

function start(words: string[]): ChildProcessWithoutNullStreams {
  const child = machine.home.start(words);
  cleanUps.push(() => child.kill('SIGKILL'));
  child.stdin.on('error', () => {});
  child.stdout.resume();
  child.stderr.resume();
  return child;
}

/** Ends it after a while: what is asked is how much memory it has had. */
async function watched(child: ChildProcessWithoutNullStreams, forMs = MEMORY_LIMIT_MS) {
  let peakMiB = 0;
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const look = (): void => {
    peakMiB = Math.max(peakMiB, peakMemoryMiB(child.pid as number) ?? 0);
    if (peakMiB > MOST_MIB * 2) child.kill('SIGKILL');
  };
  const timer = setInterval(look, 20);
  const limit = setTimeout(() => child.kill('SIGKILL'), forMs);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearInterval(timer);
  clearTimeout(limit);
  return { code, stderr, peakMiB };
}

/** SSH_MSG_GLOBAL_REQUEST that wants an answer. */
const ask = (peer: Peer, name = 'keepalive@openssh.com'): void => peer.send(80, { string: name }, 1);
const openChannel = (peer: Peer, packetSize = 32_768): void =>
  peer.send(
    90,
    { string: 'forwarded-tcpip' },
    { uint32: 7 },
    { uint32: 1 << 20 },
    { uint32: packetSize },
    { string: 'x' },
    { uint32: 1 },
    { string: 'y' },
    { uint32: 2 },
  );

describe.runIf(canMeasureMemory)('the memory of a command whose server', () => {
  // The network takes answers for seconds before one waits, and a slow computer gives up the command before that.
  const untaken = /does not take the answers|was lost/u;
  it.each<[string, Hostility, string | RegExp]>([
    [
      'sends more than the window of stdout',
      { onExec: (channel, peer) => peer.flood(channel) },
      'sent more than it was allowed to',
    ],
    [
      'sends more than the window on stderr',
      { onExec: (channel, peer) => peer.flood(channel, 'stderr') },
      'sent more than it was allowed to',
    ],
    ['takes packets of no byte', { confirms: { packetSize: 0 } }, 'takes packets of 0 bytes'],
    [
      'asks and does not take the answers',
      {
        onReady: (peer) => {
          peer.goDeaf();
          peer.again(() => ask(peer));
        },
      },
      untaken,
    ],
    [
      'opens channels and does not take the refusals',
      {
        onReady: (peer) => {
          peer.goDeaf();
          peer.again(() => openChannel(peer));
        },
      },
      untaken,
    ],
    ['insists on compression', { algorithms: { compress: ['zlib@openssh.com'] } }, 'knows no C->S compression'],
    ['insists on a hash of 1995', { algorithms: { cipher: ['aes128-ctr'], hmac: ['hmac-sha1'] } }, 'knows no C->S MAC'],
  ])('%s is bounded, and the user is told', async (_what, hostility, words) => {
    await attackedBy(hostility);
    const { code, stderr, peakMiB } = await watched(start(['exec', '--', 'x']));
    expect({ code, stderr }).toEqual({ code: 255, stderr: expect.stringMatching(words) });
    expect(peakMiB).toBeLessThan(MOST_MIB);
  });

  it('has broken the protocol before anybody used the connection is told all the same', async () => {
    const sshd = await HostileSshd.open({ onReady: (peer) => openChannel(peer, 0) });
    cleanUps.push(() => sshd.close());
    const client = new ssh2.Client();
    client.on('error', () => {});
    const key = newKey().private;
    const gone = new Promise<void>((resolve) => client.once('close', () => resolve()));
    client.connect({ host: '127.0.0.1', port: sshd.port, username: 'root', privateKey: key });
    watchPeer(client);
    await gone;
    const connection = new Connection(client, { host: '127.0.0.1', port: sshd.port, via: 'direct' });
    expect(connection.isOpen()).toBe(false);
    await expect(connection.exec('x', { timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'SSH_PROTOCOL',
      message: expect.stringContaining('takes packets of 0 bytes'),
    });
  });

  it('grants a window without end and reads nothing is bounded: what is sent waits here', async () => {
    const deaf = { confirms: { window: 0xffff_ffff }, onExec: (_channel: unknown, peer: Peer) => peer.goDeaf() };
    await attackedBy(deaf);
    const child = start(['exec', '--', 'cat']);
    const chunk = Buffer.alloc(1 << 20, 'x');
    let taken = 0;
    const write = (): void =>
      void child.stdin.write(chunk, (error) => {
        if (error) return;
        taken += 1;
        write();
      });
    write();
    await expect.poll(() => taken, { timeout: 20_000 }).toBeGreaterThan(0);
    const { peakMiB } = await watched(child, 1500);
    expect(taken).toBeLessThan(64);
    expect(peakMiB).toBeLessThan(MOST_MIB);
  });

  it('says much of itself and of others is bounded', async () => {
    const chatter = (peer: Peer): void => {
      const word = 'w'.repeat(30_000);
      peer.again(() => {
        peer.send(4, 1, { string: word }, { string: '' });
        peer.send(2, { string: word });
        peer.send(80, { string: 'hostkeys-00@openssh.com' }, 0);
        peer.send(53, { string: word }, { string: '' });
        peer.send(51, { string: word }, 0);
      });
    };
    await attackedBy({ onReady: chatter, onExec: () => {} });
    const { peakMiB } = await watched(start(['exec', '--', 'x']), 1500);
    expect(peakMiB).toBeLessThan(MOST_MIB);
  });
});

describe('Ctrl-C and TERM', () => {
  const endless = {
    onExec: (channel, peer) => {
      const chunk = Buffer.alloc(16 * 1024, 'y\n');
      const go = (): void => {
        while (peer.isThere && channel.write(chunk));
        channel.once('drain', go);
      };
      go();
    },
  } satisfies Hostility;
  const servers: Record<string, () => Promise<{ port: number; arrived: number; close(): void }>> = {
    'accepts and is silent': () => openHalfSshd(() => {}),
    'greets without end': () =>
      openHalfSshd((socket) => {
        const timer = setInterval(() => socket.write('hello\r\n'), 10);
        socket.once('close', () => clearInterval(timer));
      }),
    'never exchanges keys': () => openHalfSshd((socket) => socket.write('SSH-2.0-x\r\n')),
    'has a banner without end': () =>
      HostileSshd.open({
        ignoresLogin: true,
        onHandshake: (peer) => peer.again(() => peer.send(53, { string: 'b'.repeat(20_000) }, { string: '' })),
      }),
    'never answers the login': () => HostileSshd.open({ ignoresLogin: true }),
    'opens no session': () => HostileSshd.open({ ignoresSessions: true }),
    'prints without end': () => HostileSshd.open(endless),
    'opens channels without end': () => HostileSshd.open({ onReady: (peer) => peer.again(() => openChannel(peer)) }),
  };

  it.each(Object.keys(servers))('end every command within a second while the server %s', async (name) => {
    const server = await (servers[name] as (typeof servers)[string])();
    cleanUps.push(() => server.close());
    machine.leadsTo(server.port);
    const commands = [
      ['exec', '--', 'x'],
      ['ssh', '--no-tmux'],
      ['logs', '-f'],
      ['tunnel', '0:17860', '--json', '--events'],
    ];
    const signal = Object.keys(servers).indexOf(name) % 2 === 0 ? 'SIGINT' : 'SIGTERM';
    const children = commands.map(start);
    const codes = children.map(
      (child) => new Promise((resolve) => child.once('close', (code, by) => resolve(code ?? by))),
    );
    await expect.poll(() => server.arrived).toBeGreaterThanOrEqual(commands.length);
    // For what the server does next.
    await new Promise((resolve) => setTimeout(resolve, 400));
    const startedMs = performance.now();
    const kill = (name: NodeJS.Signals): void => {
      for (const child of children) child.kill(name);
    };
    kill(signal);
    // The first is the remote command's, once it runs; the second is ours.
    const timers = [setTimeout(() => kill(signal), 100), setTimeout(() => kill('SIGKILL'), SOON_MS * 2)];
    const ended = await Promise.all(codes);
    for (const timer of timers) clearTimeout(timer);
    expect(performance.now() - startedMs).toBeLessThan(SOON_MS);
    const code = signal === 'SIGINT' ? 130 : 143;
    // The second signal may come when it has ended but for the last moment.
    expect(ended.map((end) => (end === signal ? code : end))).toEqual(commands.map(() => code));
  });
});

describe('small pieces for a reader who is behind', () => {
  it('come together, in order, and no byte is lost', () => {
    const piece = fc.record({
      stream: fc.constantFrom('out' as const, 'err' as const),
      bytes: fc.oneof(fc.constant(1), fc.nat(3000)),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), fc.boolean(), (pieces, isBehind) => {
        const small = new SmallPieces();
        const channel = {};
        tellHeld(channel, () => (isBehind ? 1 << 20 : 0));
        const sent = { out: '', err: '' };
        const passed = { out: '', err: '' };
        for (const [nth, { stream, bytes }] of pieces.entries()) {
          const text = String.fromCharCode(97 + (nth % 26)).repeat(bytes);
          sent[stream] += text;
          small.take(1, stream, channel, Buffer.from(text), (data) => {
            passed[stream] += data.toString('latin1');
          });
          expect(passed.out.length + passed.err.length + small.bytesOf(1)).toBe(sent.out.length + sent.err.length);
        }
        small.handOnAll(1);
        expect(passed).toEqual(sent);
      }),
    );
  });

  it('a window of single bytes is held in a few hundred pieces', () => {
    const small = new SmallPieces();
    const channel = { readableLength: 1 << 20 };
    let passed = 0;
    const one = Buffer.from('y');
    for (let nth = 0; nth < 2 << 20; nth += 1)
      small.take(1, 'out', channel, one, () => {
        passed += 1;
      });
    small.handOnAll(1);
    expect(passed).toBeLessThan(500);
  });
});

describe('what a server may choose', () => {
  const listOf = (given: unknown): string => JSON.stringify(given);

  it('compresses nothing, signs with no SHA-1, and no prime of its own', async () => {
    const { compress, serverHostKey, hmac, kex } = offeredAlgorithms('ssh-ed25519');
    expect(compress).toEqual(['none']);
    expect((serverHostKey as { remove: string[] }).remove).toContain('ssh-rsa');
    expect((hmac as { remove: string[] }).remove).toEqual(['hmac-sha1', 'hmac-sha1-etm@openssh.com']);
    expect(listOf((kex as { remove: string[] }).remove)).toContain('group-exchange');
  });

  it('is led by what is pinned', () => {
    const first = (type: string): unknown => (offeredAlgorithms(type).serverHostKey as { prepend: string[] }).prepend;
    expect(first('ssh-rsa')).toEqual(['rsa-sha2-512', 'rsa-sha2-256']);
    expect(first('ecdsa-sha2-nistp256')).toEqual(['ecdsa-sha2-nistp256']);
  });
});

describe('the end that a server gives to a command', () => {
  it.each([
    ['SIGKILL', 'KILL'],
    ['SIGTERM', 'TERM'],
    [undefined, null],
    ['SIGusr@x.y', 'UNKNOWN'],
    ['SIG\u001b]0;owned\u0007', 'UNKNOWN'],
    [`SIG${'A'.repeat(30_000)}`, 'UNKNOWN'],
  ])('%# is one of a signal', (said, name) => expect(signalName(said)).toBe(name));
});

describe('answers that a server has asked for', () => {
  function asked(writableLength: () => number): { ask(): void; errors: string[]; answers: number } {
    const seen = { ask: () => {}, errors: [] as string[], answers: 0 };
    const handlers = { CHANNEL_DATA: () => {}, GLOBAL_REQUEST: () => counted() };
    const counted = (): void => {
      seen.answers += 1;
    };
    const socket = { destroy: () => {} };
    Object.defineProperty(socket, 'writableLength', { get: writableLength });
    watchPeer({
      emit: (_name: string, error: Error) => seen.errors.push(error.message),
      _sock: socket,
      _chanMgr: { get: () => null },
      _protocol: { _handlers: handlers },
    } as never);
    const { GLOBAL_REQUEST: handle } = handlers as unknown as Record<string, (...words: unknown[]) => void>;
    seen.ask = () => handle?.(null, 'keepalive@openssh.com', true, null);
    return seen;
  }

  it('and does not take end its connection, and are no more than can be held', () => {
    const seen = asked(() => 1);
    for (let nth = 0; nth < 100_000; nth += 1) seen.ask();
    expect(seen.errors).toEqual(['it asks and does not take the answers']);
    expect(seen.answers).toBe(10_000);
  });

  it('and takes now and then are no harm, however many', () => {
    let nth = 0;
    const seen = asked(() => nth % 9_000);
    for (; nth < 100_000; nth += 1) seen.ask();
    expect(seen).toMatchObject({ errors: [], answers: 100_000 });
  });
});

describe('an ssh2 that is built differently', () => {
  it('is bounded by what its channels hold', () => {
    const errors: unknown[] = [];
    let isDestroyed = false;
    const client = Object.assign({
      emit: (_name: string, error: { code: string }) => errors.push(error.code),
      _sock: {
        destroy: () => {
          isDestroyed = true;
        },
      },
    });
    watchPeer(client as never);
    const stream = (): { readableLength: number; push(chunk: Buffer): boolean } => ({
      readableLength: 0,
      push(chunk) {
        this.readableLength += chunk.length;
        return true;
      },
    });
    const channel = Object.assign(stream(), { stderr: stream() });
    watchChannel(client as never, channel as never);
    const mebibyte = Buffer.alloc(1 << 20);
    for (let nth = 0; nth < 4; nth += 1) expect(channel.stderr.push(mebibyte)).toBe(true);
    expect(errors).toEqual([]);
    for (let nth = 0; nth < 100; nth += 1) channel.stderr.push(mebibyte);
    expect(errors).toContain(VIOLATION);
    expect(isDestroyed).toBe(true);
    expect(channel.stderr.readableLength).toBeLessThan(6 << 20);
  });
});
