import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DelayProxy } from './delay-proxy.ts';
import { LabHost } from './host.ts';
import { pause } from './host-process.ts';
import { describeLab } from './lab-suite.ts';
import { SshUser } from './ssh-client.ts';

/** A TCP server that sends back what it gets and remembers it. */
class Echo {
  got = 0;
  readonly sockets: Socket[] = [];
  private readonly server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    this.sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      this.got += bytes.length;
      socket.write(bytes);
    });
    socket.on('end', () => socket.end('bye'));
  });

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

/** What one client got, and how its connection ended. */
async function dial(proxy: DelayProxy): Promise<{ socket: Socket; got: () => string; ended: Promise<string> }> {
  const socket = connect(proxy.port, proxy.host);
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
  });
  const ended = new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.once('close', () => resolve('closed'));
  });
  await Promise.race([once(socket, 'connect'), ended]);
  return { socket, got: () => text, ended };
}

describe('the line with a length', () => {
  let echo: Echo;
  let proxy: DelayProxy;
  beforeEach(async () => {
    echo = new Echo();
    proxy = await DelayProxy.open({ host: '127.0.0.1', port: await echo.listen() });
  });
  afterEach(async () => {
    await proxy.close();
    echo.close();
  });

  it('takes as long as it is said to, there and back, without getting slower for much', async () => {
    proxy.oneWayMs = 60;
    const { socket, got } = await dial(proxy);
    socket.write('first');
    await expect.poll(got, { interval: 1 }).toBe('first');
    const asked = performance.now();
    socket.write('x'.repeat(5_000_000));
    await expect.poll(() => got().length, { interval: 1 }).toBeGreaterThan(5);
    expect(performance.now() - asked).toBeGreaterThan(115);
    await expect.poll(() => got().length).toBe(5_000_005);
    expect(proxy.delivered).toEqual({ up: 5_000_005, down: 5_000_005 });
  });

  it('passes on the end of one half, in order behind the bytes', async () => {
    proxy.oneWayMs = 20;
    const { socket, got, ended } = await dial(proxy);
    socket.end('hello ');
    expect(await ended).toBe('closed');
    expect(got()).toBe('hello bye');
    await expect.poll(() => proxy.connections).toBe(0);
  });

  it('is as narrow as it is said to be', async () => {
    proxy.bytesPerSecond = 1_000_000;
    const { socket, got } = await dial(proxy);
    const started = performance.now();
    socket.write('x'.repeat(300_000));
    await expect.poll(() => got().length).toBe(300_000);
    expect(performance.now() - started).toBeGreaterThan(290);
  });

  it('stalls in one direction or both, tells nobody, and gives out what it held', async () => {
    const { socket, got } = await dial(proxy);
    proxy.stall('down');
    socket.write('question');
    await expect.poll(() => echo.got).toBe(8);
    await pause(50);
    expect(got()).toBe('');
    proxy.resume();
    await expect.poll(got).toBe('question');
    proxy.stall();
    socket.write('again');
    await pause(50);
    expect(echo.got).toBe(8);
    proxy.resume('up');
    await expect.poll(() => echo.got).toBe(13);
  });

  it('a stalled line fills up: the sender notices that nothing is taken', async () => {
    const { socket } = await dial(proxy);
    proxy.stall('up');
    socket.write(Buffer.alloc(50_000_000));
    await pause(200);
    expect(socket.writableLength).toBeGreaterThan(0);
    expect(echo.got).toBe(0);
    proxy.resume();
    await expect.poll(() => socket.writableLength).toBe(0);
  });

  it('cuts: both ends see a close; resets: both see a reset', async () => {
    const cut = await dial(proxy);
    cut.socket.write('x');
    await expect.poll(cut.got).toBe('x');
    proxy.cut();
    expect(await cut.ended).toBe('closed');
    const reset = await dial(proxy);
    reset.socket.write('y');
    await expect.poll(reset.got).toBe('y');
    const other = echo.sockets.at(-1) as Socket;
    const seen = new Promise((resolve) => other.once('error', resolve));
    proxy.reset();
    expect(await reset.ended).toBe('ECONNRESET');
    expect(await seen).toMatchObject({ code: 'ECONNRESET' });
  });

  it.each(['cut', 'reset'] as const)('%s behind an exact byte, in the middle of a packet', async (ending) => {
    proxy.oneWayMs = 5;
    proxy.endAfter(12_345, 'up', ending);
    const { socket, ended } = await dial(proxy);
    socket.on('error', () => {});
    socket.write('x'.repeat(100_000));
    await ended;
    await expect.poll(() => echo.got).toBe(12_345);
    expect(proxy.delivered.up).toBe(12_345);
    // Once: the next connection is whole.
    const next = await dial(proxy);
    next.socket.write('whole');
    await expect.poll(next.got).toBe('whole');
  });

  it('stalls behind an exact byte, and goes on with the next one', async () => {
    proxy.endAfter(7, 'down', 'stall');
    const { socket, got } = await dial(proxy);
    socket.write('0123456789');
    await expect.poll(got).toBe('0123456');
    await pause(50);
    expect(got()).toBe('0123456');
    proxy.resume();
    await expect.poll(got).toBe('0123456789');
  });

  it('refuses, and listens again on the same port; what was connected goes on', async () => {
    const { port } = proxy;
    const { socket, got } = await dial(proxy);
    await proxy.refuse();
    expect(await (await dial(proxy)).ended).toBe('ECONNREFUSED');
    socket.write('still here');
    await expect.poll(got).toBe('still here');
    await proxy.accept();
    expect(proxy.port).toBe(port);
    const again = await dial(proxy);
    again.socket.write('back');
    await expect.poll(again.got).toBe('back');
  });

  it('closes at once when nobody listens behind it', async () => {
    echo.close();
    const { ended } = await dial(proxy);
    await ended;
    await expect.poll(() => proxy.connections).toBe(0);
  });
});

describeLab('a line in front of a machine of the lab', () => {
  it('makes OpenSSH as slow as it is, and takes it away in mid-word', async () => {
    const user = new SshUser();
    const host = await LabHost.boot({ keys: [user.publicKey], onstart: 'true' });
    const line = await DelayProxy.open({ host: host.address, port: host.sshPort, oneWayMs: 50 });
    try {
      const at = { address: line.host, sshPort: line.port };
      const started = performance.now();
      expect((await user.ssh(at, ['echo here'])).stdout).toBe('here\n');
      // Connecting, greeting, keys, login, session, command: some round trips.
      expect(performance.now() - started).toBeGreaterThan(500);
      const cut = user.ssh(at, ['head -c 50000000 /dev/zero']);
      line.endAfter(1_000_000, 'down');
      expect(await cut).toMatchObject({ code: 255 });
      expect((await user.ssh(at, ['echo again'])).stdout).toBe('again\n');
    } finally {
      await line.close();
      await host.remove();
      user.remove();
    }
  });
});
