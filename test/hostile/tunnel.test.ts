import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { forge } from '../../src/instance/services/forge.ts';
import type { LocalForward } from '../../src/workflows/tunnel/local-forward.ts';
import { isMost } from '../faults/chosen.ts';
import { TunnelFixture } from '../workflows/tunnel/tunnel-fixture.ts';
import { canMeasureMemory, HostileMachine, peakMemoryMiB } from './support/hostile-machine.ts';
import { HostileSshd } from './support/hostile-sshd.ts';

const MOST_MIB = 200;
const SOAK_MINUTES = Number(process.env['SOAK_MINUTES'] ?? 0.5);

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

/** `forgectl tunnel` in a process of its own, to a machine that floods every socket, and clients that do not read. */
async function floodedTunnel(machine: HostileMachine, flood: Parameters<typeof HostileSshd.open>[0]['onForward']) {
  const sshd = await HostileSshd.open({
    onForward: flood as never,
    onExec: (channel) => {
      channel.exit(1);
      channel.end();
    },
  });
  machine.leadsTo(sshd.port);
  const child = machine.home.start(['tunnel', '0:9', '--json', '--events']);
  cleanUps.push(
    () => sshd.close(),
    () => child.kill('SIGKILL'),
  );
  let stdout = '';
  child.stderr.resume();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await expect.poll(() => /"local":"localhost:(\d+)"/u.exec(stdout)?.[1] && stdout.includes('"connected"')).toBe(true);
  const port = Number(/"local":"localhost:(\d+)"/u.exec(stdout)?.[1]);
  const open = (): Socket => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    cleanUps.push(() => socket.destroy());
    socket.write('x');
    return socket;
  };
  return { child, sshd, ended, open, output: () => stdout, peakMiB: () => peakMemoryMiB(child.pid as number) ?? 0 };
}

describe.runIf(canMeasureMemory)('a tunnel whose machine floods a client that does not read', () => {
  let machine: HostileMachine;
  beforeAll(async () => {
    machine = await HostileMachine.open();
  });
  afterAll(() => machine.remove());

  it('beyond the window: ends with the reason, and its memory is bounded', async () => {
    const tunnel = await floodedTunnel(machine, (channel, peer) => channel.once('data', () => peer.flood(channel)));
    let peakMiB = 0;
    const timer = setInterval(() => {
      peakMiB = Math.max(peakMiB, tunnel.peakMiB());
      if (peakMiB > MOST_MIB * 2) tunnel.child.kill('SIGKILL');
    }, 20);
    tunnel.open();
    expect(await tunnel.ended).toBe(13);
    clearInterval(timer);
    expect(tunnel.output()).toContain('SSH_PROTOCOL');
    expect(peakMiB).toBeLessThan(MOST_MIB);
  });

  it.runIf(isMost)(
    'within the window, a byte at a time: its memory is flat (long)',
    async () => {
      const tunnel = await floodedTunnel(machine, (channel, peer) => channel.once('data', () => peer.trickle(channel)));
      for (let nth = 0; nth < 4; nth += 1) tunnel.open().pause();
      const untilMs = performance.now() + SOAK_MINUTES * 60_000;
      while (performance.now() < untilMs) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        expect(tunnel.child.exitCode).toBe(null);
        expect(tunnel.peakMiB()).toBeLessThan(MOST_MIB);
      }
    },
    (SOAK_MINUTES + 7) * 60_000,
  );
});

/** A service of the machine as the tunnel knows Forge, which tells what it was asked. */
async function webPage(): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((asking, answer) => {
    // The tunnel itself asks for / to see whether it answers.
    if (asking.url !== '/') asked.push(`${asking.method} ${asking.url}`);
    asking.resume().on('end', () => answer.end(`page ${asking.url}`));
  });
  server.on('upgrade', (_asking, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUps.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, asked };
}

async function tunnelToPage(options: { isPlain?: boolean } = {}) {
  const page = await webPage();
  const fixture = await TunnelFixture.open();
  cleanUps.push(() => fixture.close());
  const [port = 0] = await fixture.start(`0:${page.port}`);
  const [forward] = fixture.tunnel.forwards as [LocalForward];
  if (!options.isPlain) forward.aim({ ...forge, internalPort: page.port });
  await fixture.until('connected');
  return { ...page, port, forward };
}

/** All that comes back until the other side ends. */
function say(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1').on('data', (more: string) => {
      answer += more;
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(answer));
    socket.write(text);
  });
}

const get = (path: string, host: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;
const LAST = 'Connection: close\r\n';

describe('a web page through a tunnel', () => {
  it('answers to localhost, and tells whoever calls it by another name why not', async () => {
    const { port, asked, forward } = await tunnelToPage();
    expect(await say(port, get('/own', `localhost:${port}`, LAST))).toContain('page /own');
    const refused = await say(port, get('/secret', `evil.example:${port}`));
    expect(refused).toMatch(/^HTTP\/1\.1 403 .*DNS rebinding.*--any-host/su);
    expect(refused).toContain('Content-Type: text/plain');
    forward.anyHost = true;
    expect(await say(port, get('/known', 'my.name', LAST))).toContain('page /known');
    expect(asked).toEqual(['GET /own', 'GET /known']);
  });

  it('looks at every request of a connection, past bodies, and answers those before the bad one', async () => {
    const { port, asked } = await tunnelToPage();
    const body = get('/hidden', 'evil.example');
    const post = `POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const answer = await say(port, post + get('/good', '127.0.0.1') + get('/secret', 'evil.example'));
    expect(answer).toMatch(/page \/body.*page \/good.*HTTP\/1\.1 403 /su);
    expect(asked).toEqual(['POST /body', 'GET /good']);
  });

  it('changes to another protocol, whose bytes are its own', async () => {
    const { port } = await tunnelToPage();
    const socket = connect(port, '127.0.0.1');
    cleanUps.push(() => socket.destroy());
    socket.write(get('/ws', 'localhost', 'Connection: Upgrade\r\nUpgrade: x\r\n'));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.write(get('/echoed', 'evil.example'));
    expect(String(await new Promise((resolve) => socket.once('data', resolve)))).toContain('/echoed');
  });

  it('that nobody knows for one is passed as it is', async () => {
    const { port } = await tunnelToPage({ isPlain: true });
    expect(await say(port, get('/any', 'evil.example', LAST))).toContain('page /any');
  });
});
