import { connect, type Socket } from 'node:net';
import type { ClientChannel } from 'ssh2';
import { afterEach, describe, expect, it } from 'vitest';
import { receiveDirectly, WindowCredit } from '../../src/ssh/large-window.ts';
import { noTraffic } from '../../src/ssh/socket-pair.ts';
import { listenAt, TunnelFixture } from '../workflows/tunnel/tunnel-fixture.ts';

const MiB = 1024 * 1024;
const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
});

/** A local port that leads to a service of this test. */
async function forwardTo(onSocket: (socket: Socket) => void): Promise<{ port: number; fixture: TunnelFixture }> {
  const service = await listenAt(onSocket);
  const fixture = await TunnelFixture.open();
  cleanUps.push(service.close, () => fixture.close());
  const [port = 0] = await fixture.start(`0:${service.port}`);
  await fixture.until('connected');
  return { port, fixture };
}

function dial(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  socket.on('error', () => {});
  cleanUps.push(() => socket.destroy());
  return socket;
}

function readAll(socket: Socket): Promise<{ text: string; error: string | null }> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.once('end', () => resolve({ text, error: null }));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve({ text, error: error.code ?? '' }));
    socket.resume();
  });
}

describe('a socket through the tunnel', () => {
  it('can end one way and go on the other', async () => {
    const { port } = await forwardTo((socket) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.once('end', () => setTimeout(() => socket.end(`heard ${text}`), 50));
    });
    const socket = dial(port);
    socket.end('all of it');
    expect(await readAll(socket)).toEqual({ text: 'heard all of it', error: null });
  });

  it('tells a service that waits for the end, though nothing else is sent after the answer', async () => {
    const { port } = await forwardTo((socket) => {
      socket.once('data', () => socket.write('answered, '));
      socket.once('end', () => socket.end('and ended'));
    });
    const socket = dial(port);
    socket.write('question');
    const all = readAll(socket);
    socket.once('data', () => socket.end());
    expect(await all).toEqual({ text: 'answered, and ended', error: null });
  });

  it('brings what a service says before it is asked', async () => {
    const { port } = await forwardTo((socket) => socket.end('220 hello\r\n'));
    expect(await readAll(dial(port))).toEqual({ text: '220 hello\r\n', error: null });
  });

  it('is reset when the machine is lost in the middle, and ends when it was whole', async () => {
    const whole = await forwardTo((socket) => socket.end('x'.repeat(100_000)));
    const slow = dial(whole.port);
    slow.pause();
    await expect.poll(() => whole.fixture.tunnel.forwards[0]?.traffic.bytesDown).toBe(100_000);
    whole.fixture.line.cut();
    expect((await readAll(slow)).text).toHaveLength(100_000);
    const part = await forwardTo((socket) => socket.write('half'));
    const socket = dial(part.port);
    const read = readAll(socket);
    await expect.poll(() => part.fixture.tunnel.forwards[0]?.traffic.bytesDown).toBe(4);
    await part.fixture.until('ready');
    part.fixture.line.cut();
    expect(await read).toEqual({ text: 'half', error: 'ECONNRESET' });
  });

  it('that a client resets in mid-download hurts nobody else, and frees the service', async () => {
    let closed = 0;
    const { port, fixture } = await forwardTo((socket) => {
      socket.once('close', () => {
        closed += 1;
      });
      // As every service does; else one that has sent all of it would never notice.
      socket.once('end', () => socket.end());
      socket.on('data', (chunk) => socket.write(chunk.length > 1 ? 'y'.repeat(4 * MiB) : chunk));
    });
    const other = dial(port);
    other.write('1');
    await new Promise((resolve) => other.once('data', resolve));
    for (let nth = 0; nth < 5; nth += 1) {
      const tab = dial(port);
      tab.write('all');
      await new Promise((resolve) => tab.once('data', resolve));
      tab.resetAndDestroy();
    }
    await expect.poll(() => closed).toBe(5);
    other.write('2');
    expect(String(await new Promise((resolve) => other.once('data', resolve)))).toBe('2');
    expect(fixture.tunnel.forwards[0]?.traffic).toMatchObject({ open: 1, total: 6 });
    expect(fixture.events.some(({ event }) => event === 'lost')).toBe(false);
  });

  it('that has gone before its way was open leaves none open', async () => {
    let [opened, closed] = [0, 0];
    const { port, fixture } = await forwardTo((socket) => {
      opened += 1;
      socket.once('close', () => {
        closed += 1;
      });
      socket.once('end', () => socket.end());
      socket.resume();
    });
    fixture.line.stall(true);
    const tab = dial(port);
    await new Promise((resolve) => tab.once('connect', resolve));
    // Until the tunnel has asked for a way: what is asked does not come back before the line goes on.
    await new Promise((resolve) => setTimeout(resolve, 100));
    tab.resetAndDestroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    fixture.line.stall(false);
    await expect.poll(() => opened).toBeGreaterThan(0);
    // Those that are kept for the next ones are no leak, and none is kept for a service that was never used.
    await expect.poll(() => opened - closed).toBe(0);
    expect(fixture.tunnel.forwards[0]?.traffic.open).toBe(0);
  });

  it('that nobody reads holds no more than its window, and goes on when it is read', async () => {
    const size = 24 * MiB;
    const { port, fixture } = await forwardTo((socket) => socket.end(Buffer.alloc(size, 'z')));
    const socket = dial(port);
    socket.pause();
    const down = (): number => fixture.tunnel.forwards[0]?.traffic.bytesDown ?? 0;
    await expect.poll(down).toBeGreaterThan(MiB);
    await new Promise((resolve) => setTimeout(resolve, 300));
    // The window, and what the kernel takes.
    expect(down()).toBeLessThan(14 * MiB);
    expect((await readAll(socket)).text).toHaveLength(size);
  });

  it('carries bytes in both directions at once, unharmed', async () => {
    const { port } = await forwardTo((socket) => socket.pipe(socket));
    const socket = dial(port);
    const sent = Buffer.from(Array.from({ length: 3 * MiB }, (_, at) => (at * 7 + (at >> 9)) & 0xff));
    const read = readAll(socket);
    socket.end(sent);
    expect(Buffer.from((await read).text, 'latin1').equals(sent)).toBe(true);
  });

  it('to a port where nothing listens is refused at once', async () => {
    const fixture = await TunnelFixture.open();
    cleanUps.push(() => fixture.close());
    const [port = 0] = await fixture.start('0:1');
    await fixture.until('not_ready');
    const startedMs = Date.now();
    const { error } = await readAll(dial(port));
    expect(error).toBe('ECONNRESET');
    expect(Date.now() - startedMs).toBeLessThan(5000);
  });
});

describe('a service whose connections are opened before they are asked for', () => {
  /** Joins a new local socket with the service, as a forward to a service of the image does. */
  async function open(onSocket: (socket: Socket) => void) {
    const service = await listenAt(onSocket);
    const { fixture } = await forwardTo(() => {});
    const traffic = noTraffic();
    const { carrier } = fixture.tunnel.line;
    const local = await listenAt((socket) => {
      socket.pause();
      const target = { host: '127.0.0.1', port: service.port };
      void carrier?.carry(socket, target, { traffic, timeoutMs: 5000, keepsSpares: true });
    });
    cleanUps.push(service.close, local.close);
    return { port: local.port, traffic };
  }

  it('has some ready when connections come, and none for long after them', async () => {
    let opened = 0;
    let ended = 0;
    const { port, traffic } = await open((socket) => {
      opened += 1;
      socket.once('end', () => {
        ended += 1;
        socket.end();
      });
      socket.on('data', (chunk) => socket.end(chunk));
    });
    for (let nth = 0; nth < 12; nth += 1) {
      const socket = dial(port);
      socket.write(`request ${nth}`);
      expect(await readAll(socket)).toEqual({ text: `request ${nth}`, error: null });
      socket.end();
    }
    expect(traffic.total).toBe(12);
    await expect.poll(() => opened).toBeGreaterThan(12);
    expect(opened).toBeLessThanOrEqual(12 + 6);
    await expect.poll(() => opened - ended).toBe(0);
  });

  it('loses nothing of what it says first, and none of those that it has closed is used', async () => {
    let nth = 0;
    const { port } = await open((socket) => {
      nth += 1;
      // Every second one is hung up before anybody has used it.
      if (nth % 2 === 0) socket.end();
      else socket.write('220 hello ');
      socket.on('data', (chunk) => socket.end(chunk));
    });
    for (let turn = 0; turn < 8; turn += 1) {
      const socket = dial(port);
      const read = readAll(socket);
      await new Promise((resolve) => setTimeout(resolve, 40));
      socket.write(`request ${turn}`);
      const { text } = await read;
      if (text !== '') expect(text).toBe(`220 hello request ${turn}`);
      else expect(turn, 'only a connection of its own may be hung up').toBeLessThan(2);
    }
  });
});

describe('the window of a channel', () => {
  interface Fake {
    incoming: { window: number; state: string };
    outgoing: { id: number };
    push: (chunk: Buffer | null) => boolean;
    resume: () => void;
    _client: { _protocol: { channelWindowAdjust: (id: number, bytes: number) => void } };
  }

  function channel(): { fake: Fake; granted: number[]; receive: (bytes: number) => void } {
    const granted: number[] = [];
    const fake: Fake = {
      incoming: { window: 2 * MiB, state: 'open' },
      outgoing: { id: 5 },
      push: () => true,
      resume: () => {},
      _client: { _protocol: { channelWindowAdjust: (_id, bytes) => granted.push(bytes) } },
    };
    const receive = (bytes: number): void => {
      fake.incoming.window -= bytes;
      fake.push(Buffer.alloc(bytes));
    };
    return { fake, granted, receive };
  }

  const sinkOf = (pending: () => number) => ({ data: () => {}, end: () => {}, pending });

  it('grows to what a round trip needs, and never beyond its share', () => {
    let nowMs = 0;
    const credit = new WindowCredit(() => nowMs);
    credit.roundTripMs = 5;
    const [one, two] = [channel(), channel()];
    for (const { fake } of [one, two])
      receiveDirectly(
        fake as unknown as ClientChannel,
        sinkOf(() => 0),
        credit,
      );
    for (let round = 0; round < 40; round += 1) {
      for (const { fake, receive } of [one, two]) receive(Math.min(fake.incoming.window, 30 * MiB));
      nowMs += 6;
    }
    expect(Math.max(one.fake.incoming.window, two.fake.incoming.window)).toBe(32 * MiB);
    expect(one.fake.incoming.window + two.fake.incoming.window).toBeLessThanOrEqual(52 * MiB);
  });

  it('stays closed while the reader holds what it was given', () => {
    const { fake, granted, receive } = channel();
    let pending = 0;
    const window = receiveDirectly(
      fake as unknown as ClientChannel,
      sinkOf(() => pending),
      new WindowCredit(),
    );
    for (let nth = 0; nth < 16; nth += 1) {
      pending += 128 * 1024;
      receive(128 * 1024);
    }
    expect(granted).toEqual([]);
    pending = 0;
    window?.drained();
    expect(granted).toEqual([2 * MiB]);
  });

  it.each(['incoming', 'outgoing', 'push', '_client'])('is left to ssh2 when its %s is not as it was', (part) => {
    const { fake } = channel();
    delete (fake as unknown as Record<string, unknown>)[part];
    expect(
      receiveDirectly(
        fake as unknown as ClientChannel,
        sinkOf(() => 0),
        new WindowCredit(),
      ),
    ).toBeNull();
  });
});
