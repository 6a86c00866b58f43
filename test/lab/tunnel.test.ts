import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, get, type RequestOptions } from 'node:http';
import { get as getSecure } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath, urlToHttpOptions } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HeldCommand } from '../support/held-command.ts';
import { pause } from './host-process.ts';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';
import { run } from './world.ts';

const SERVICE = readFileSync(fileURLToPath(new URL('support/tunnel-service.py', import.meta.url)), 'utf8');
const SERVICE_PORT = 9100;
/** Answers as soon as the machine is there. */
const SSHD_PORT = 22;
const BUDGET_MB = 150;
const LABEL = 'web';

describeLab('a tunnel to a machine of the lab', () => {
  let home: LabHome;
  let id = 0;
  let held: HeldCommand;
  let webhook: Awaited<ReturnType<typeof listenForWeb>>;
  let sock = '';
  const ports = { forge: 0, service: 0, sshd: 0, socks: 0 };
  const machine = () => home.machines.of(id);
  const on = (command: string) => machine().host.exec(command);
  const listening = async (fits: (event: Record<string, unknown>) => boolean): Promise<number> =>
    (await held.until('listening', 0, fits))['local_port'] as number;
  /** Over a connection of its own: a kept one would have been cut. */
  const forgeStatus = () => statusOf(get, { port: ports.forge, host: '127.0.0.1', agent: false });
  const isFor = (port: number) => (event: Record<string, unknown>) => event['remote'] === `127.0.0.1:${port}`;
  /** From a place in the events on. */
  const comesBack = async (from: number) => {
    await held.until('lost', from);
    return held.until('reconnected', from);
  };
  const portOfWebhook = async (from = 0) =>
    String((await held.until('reverse_ready', from))['remote']).replace(/^.*:/u, '');

  beforeAll(async () => {
    home = await LabHome.open({ line: { oneWayMs: 5 }, movesAtReboot: true });
    expect((await home.run(['keys', 'add'])).code).toBe(0);
    // Rented by other hands, so that the platform runs its own Jupyter there.
    const [offer] = await home.json<{ id: number }[]>(['offers', '--limit', '1', '--sort', 'price']);
    const made = await home.call('PUT', `/api/v0/asks/${offer?.id}/`, {
      client_id: 'me',
      image: 'vastai/forge',
      disk: 20,
      label: LABEL,
      runtype: 'jupyter_direct',
      onstart: 'entrypoint.sh',
      env: { '-p 8080:8080': '1' },
    });
    id = (made.body as { new_contract: number }).new_contract;
    webhook = await listenForWeb();
    sock = join(home.directory, 'forge sock');
    const words = ['0:forge', `0:${SERVICE_PORT}`, `0:${SSHD_PORT}`, `${sock}:17860`];
    held = new HeldCommand(home, ['tunnel', LABEL, ...words, '-R', `0:${webhook.port}`, '-D', '0']);
  });
  afterAll(async () => {
    await held?.interrupt();
    webhook?.close();
    await home.remove();
  });

  it('waits while it boots, and is ready when Forge answers', async () => {
    ports.forge = await listening(({ service, local_port: port }) => service === 'forge' && port !== null);
    ports.service = await listening(isFor(SERVICE_PORT));
    ports.sshd = await listening(isFor(SSHD_PORT));
    ports.socks = await listening(({ service }) => service === 'socks');
    await held.until('ready', 0, ({ service, http_status: status }) => service === 'forge' && status === 200);
    expect(await forgeStatus()).toBe(200);
    expect((await fetch(`http://[::1]:${ports.forge}/`)).status).toBe(200);
    expect(await statusOf(get, { socketPath: sock })).toBe(200);
    expect(statSync(sock).mode & 0o777).toBe(0o600);
    await startService();
  });

  it('--all: what portal.yaml names, and the Jupyter of the platform, whose token is in --json only', async () => {
    const all = new HeldCommand(home, ['tunnel', LABEL, '--all', '--auto-port']);
    const { url } = await all.until('ready', 0, ({ service }) => service === 'jupyter');
    await all.until('ready', 0, ({ service }) => service === 'portal');
    const names = all.events.filter(({ event }) => event === 'listening').map(({ service }) => service);
    expect(names.sort()).toEqual(['forge', 'jupyter', 'portal', 'syncthing']);
    expect(url).toMatch(/^https:\/\/localhost:\d+\/\?token=\w+$/u);
    const page = { ...urlToHttpOptions(new URL(String(url))), rejectUnauthorized: false };
    expect(await statusOf(getSecure, page)).toBe(200);
    expect(await statusOf(getSecure, { ...page, path: '/' })).toBe(403);
    await all.interrupt();
    const token = new URL(String(url)).searchParams.get('token') ?? '';
    const piped = await home.run(['tunnel', 'run', LABEL, '0:jupyter', '--', 'sh', '-c', 'env']);
    expect(piped.stdout).toMatch(/^FORGECTL_TUNNEL_JUPYTER=https:\/\/localhost:\d+$/mu);
    expect(piped.stdout + piped.stderr).not.toContain(token);
  });

  it('half-close: what was sent to the end is answered, from here and from there', async () => {
    const bytes = randomBytes(3_000_000);
    const socket = await open(ports.service);
    socket.write('digest\n');
    socket.end(bytes);
    expect(await textOf(socket)).toBe(createHash('sha256').update(bytes).digest('hex'));
    const far = (await on(`printf 'from the machine' | curl -s -T - http://127.0.0.1:${await portOfWebhook()}/up`))
      .stdout;
    expect(far).toBe('PUT /up from the machine');
  });

  it('-R and -D: the machine reaches this computer, and this computer what the machine reaches', async () => {
    const script = `for nth in 1 2 3 4; do curl -s http://127.0.0.1:${await portOfWebhook()}/$nth & done; wait`;
    expect((await on(script)).stdout.match(/GET \/\d/gu)?.sort()).toEqual(['GET /1', 'GET /2', 'GET /3', 'GET /4']);
    const proxied = (address: string) =>
      outputOf('curl', ['-s', '--http0.9', '-x', `socks5h://127.0.0.1:${ports.socks}`, address]);
    expect(await proxied('http://localhost:17860/')).toContain('<');
    expect(await proxied(`http://localhost:${SSHD_PORT}/`)).toContain('SSH-2.0-OpenSSH');
  });

  it('a reader that stops holds neither memory nor the others; a tab that resets harms nobody', async () => {
    const slow = await open(ports.service);
    slow.write('get 120000000\n');
    slow.pause();
    const tabs = await Promise.all(Array.from({ length: 20 }, () => open(ports.service)));
    for (const tab of tabs) tab.write('get 50000000\n');
    await pause(100);
    for (const tab of tabs) tab.resetAndDestroy();
    const others = Array.from({ length: 4 }, async () => {
      const socket = await open(ports.service);
      socket.write('get 20000000\n');
      return lengthOf(socket);
    });
    expect(await Promise.all(others)).toEqual([20_000_000, 20_000_000, 20_000_000, 20_000_000]);
    expect(residentMb(held.pid)).toBeLessThan(BUDGET_MB);
    slow.resume();
    expect(await lengthOf(slow)).toBe(120_000_000);
    expect(residentMb(held.pid)).toBeLessThan(BUDGET_MB);
  });

  it('a cut, a reset, a line that ends in mid-packet: what comes meanwhile is held, and half is never whole', async () => {
    for (const strike of [() => machine().line.cut(), () => machine().line.reset()]) {
      const from = held.events.length;
      const broken = await open(ports.service);
      broken.write('get 400000000\n');
      const ending = lengthOf(broken).catch((error: NodeJS.ErrnoException) => error.code);
      await new Promise((resolve) => broken.once('data', resolve));
      strike();
      await held.until('lost', from);
      expect(await forgeStatus()).toBe(200);
      expect(await ending).toBe('ECONNRESET');
      await held.until('reconnected', from);
      const port = await portOfWebhook(from);
      expect((await on(`curl -s http://127.0.0.1:${port}/again`)).stdout).toBe('GET /again ');
    }
    const from = held.events.length;
    machine().line.endAfter(1_234_567, 'down', 'reset');
    const socket = await open(ports.service);
    socket.write('get 400000000\n');
    expect(await lengthOf(socket).catch((error: NodeJS.ErrnoException) => error.code)).toBe('ECONNRESET');
    await comesBack(from);
  });

  it('sshd is killed with its sessions and started again', async () => {
    const from = held.events.length;
    const words = (await on(`tr '\\0' ' ' </proc/$(cat /run/sshd.pid)/cmdline`)).stdout;
    const command = words.replace(/^sshd: (.*?) \[listener\].*$/su, '$1');
    await on('kill $(cat /run/sshd.pid); pkill -f "^sshd: root"');
    await held.until('lost', from);
    const meanwhile = forgeStatus();
    await pause(1000);
    await on(command);
    expect(await meanwhile).toBe(200);
    await held.until('reconnected', from);
  });

  it('the API is down, or hangs, while the line is lost', async () => {
    for (const fault of [{ name: 'http-status', status: 503 }, { name: 'hang' }]) {
      const from = held.events.length;
      await home.call('PUT', '/sandbox/faults/', fault);
      machine().line.cut();
      await held.until('lost', from);
      expect(await forgeStatus()).toBe(200);
      await held.until('reconnected', from);
      await home.call('DELETE', '/sandbox/faults/');
    }
  });

  it('its key was taken off: it is put back once', async () => {
    const from = held.events.length;
    machine().host.setAuthorizedKeys([], []);
    machine().line.cut();
    await comesBack(from);
  });

  it('the network of this computer changes and the path is dead: another way is taken within seconds', async () => {
    const from = held.events.length;
    expect(held.events.findLast(({ event }) => event === 'reconnected')).toMatchObject({ via: 'direct' });
    machine().line.stall();
    const startedMs = performance.now();
    await run('ip', ['address', 'add', '192.0.2.7/32', 'dev', 'fgl0']);
    expect((await held.until('stalled', from))['reason']).toContain('the network of this computer changed');
    expect(await forgeStatus()).toBe(200);
    expect(await held.until('reconnected', from)).toMatchObject({ via: 'proxy' });
    expect(performance.now() - startedMs).toBeLessThan(12_000);
    machine().line.resume();
    await run('ip', ['address', 'delete', '192.0.2.7/32', 'dev', 'fgl0']);
  });

  it('the instance reboots and has another address and other ports', async () => {
    const from = held.events.length;
    const before = machine().host.address;
    expect((await home.run(['reboot', LABEL, '--yes'])).code).toBe(0);
    await held.until('lost', from);
    const greeting = open(ports.sshd).then((socket) => new Promise((resolve) => socket.once('data', resolve)));
    expect(String(await greeting)).toMatch(/^SSH-2\.0-OpenSSH/u);
    expect((await held.until('reconnected', from))['address']).toBe(`${machine().line.host}:${machine().line.port}`);
    expect(machine().host.address).not.toBe(before);
    await held.until('ready', from, ({ service }) => service === 'forge');
    expect(await forgeStatus()).toBe(200);
    // Not the first one perhaps: a machine that goes down may let it in once more.
    await expect
      .poll(async () => {
        const opened = held.events.findLast(({ event }) => event === 'reverse_ready');
        return (await on(`curl -s http://${opened?.['remote']}/`)).stdout;
      })
      .toBe('GET / ');
  });

  it('a taken port is exit 9 and names its holder', async () => {
    const holder = spawn('python3', ['-m', 'http.server', '--bind', '127.0.0.1', '7860'], { stdio: 'ignore' });
    await expect
      .poll(() =>
        open(7860)
          .then((socket) => socket.destroy())
          .then(
            () => true,
            () => false,
          ),
      )
      .toBe(true);
    const refused = await home.json<{ error: { message: string } }>(['tunnel', LABEL]);
    expect(refused.error).toMatchObject({ code: 'PORT_TAKEN', exit: 9, port: 7860, holder_pid: holder.pid });
    expect(refused.error.message).toContain('python3');
    holder.kill();
  });

  it('--detach, wait, ls, logs, stop: over a cut too', async () => {
    const { pid } = await home.json<{ pid: number }>(['tunnel', LABEL, '0:forge', '0:portal', '--detach']);
    expect((await home.run(['tunnel', 'wait', LABEL])).code).toBe(0);
    machine().line.cut();
    expect((await home.run(['tunnel', 'wait', LABEL, 'forge'])).code).toBe(0);
    const rows = (await home.json(['tunnel', 'ls'])) as unknown as { url: string; service: string; pid: number }[];
    expect(rows.map(({ service }) => service).sort()).toEqual(['forge', 'portal']);
    const url = rows.find(({ service }) => service === 'forge')?.url ?? '';
    expect((await fetch(url)).status).toBe(200);
    expect(residentMb(pid)).toBeLessThan(BUDGET_MB);
    expect((await home.run(['tunnel', 'logs', LABEL])).stdout).toContain('forge is ready (HTTP 200)');
    expect((await home.run(['tunnel', 'stop', LABEL])).code).toBe(0);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    await expect(fetch(url)).rejects.toThrow();
  });

  it('ends with Ctrl-C, 130, and its local ends are gone', async () => {
    const { code } = await held.interrupt();
    expect(code).toBe(130);
    expect(existsSync(sock)).toBe(false);
    await expect(open(ports.sshd)).rejects.toThrow();
    await expect.poll(async () => (await on('pgrep -f "^sshd: root"')).stdout).toBe('');
  });

  async function startService(): Promise<void> {
    await machine().host.exec('cat >/tmp/service.py', { input: SERVICE });
    await on(`(setsid python3 /tmp/service.py ${SERVICE_PORT} </dev/null >/dev/null 2>&1 &)`);
    await held.until('ready', 0, isFor(SERVICE_PORT));
  }
});

/** Says what it was asked. */
async function listenForWeb(): Promise<{ port: number; close(): void }> {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    response.end(`${request.method} ${request.url} ${body}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  return new Promise((resolve, reject) => socket.once('connect', () => resolve(socket)).once('error', reject));
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}

/** Rejects when it was cut. */
function lengthOf(socket: Socket): Promise<number> {
  let length = 0;
  socket.on('data', (chunk) => {
    length += chunk.length;
  });
  return new Promise((resolve, reject) => socket.once('end', () => resolve(length)).once('error', reject));
}

function statusOf(asking: typeof get, to: RequestOptions & { rejectUnauthorized?: boolean }): Promise<number> {
  return new Promise((resolve, reject) => {
    asking(to, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    }).once('error', reject);
  });
}

function outputOf(program: string, words: string[]): Promise<string> {
  return new Promise((resolve) => execFile(program, words, (_error, stdout) => resolve(stdout)));
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/u.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
