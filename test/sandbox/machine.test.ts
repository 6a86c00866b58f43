import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Client, type ClientChannel, type SFTPWrapper } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Machine, MachineAddresses, MachineSpec } from '../../src/sandbox/machine/contract.ts';
import { openMachine } from '../../src/sandbox/machine/machine.ts';
import { generateKeyPair } from '../../src/ssh/own-key.ts';
import { commandLinesWith } from '../support/machine-processes.ts';

const parent = mkdtempSync(join(tmpdir(), 'forgectl machines '));
const key = generateKeyPair(ssh2.utils);
const stranger = generateKeyPair(ssh2.utils);

function specOf(id: number): MachineSpec {
  return {
    id,
    directory: join(parent, String(id)),
    image: 'vastai/forge:test',
    runtype: 'ssh_direct',
    env: {
      PORTAL_CONFIG: 'localhost:1111:11111:/:Instance Portal|localhost:7860:17860:/:Forge',
      FORGE_ARGS: '--port 17860',
    },
    ports: [1111, 7860],
    onstart: 'entrypoint.sh',
    gpu: { name: 'RTX 4090', count: 1, ramMb: 24_000, driver: '570.1' },
    diskGb: 20,
    authorizedKeys: [key.public],
    jupyterToken: 'token',
    instanceApiKey: 'key',
    sandboxUrl: 'http://127.0.0.1:9',
    timeScale: 60,
  };
}

function login(port: number, privateKey = key.private, onHostKey: (key: Buffer) => void = () => {}): Promise<Client> {
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    client.on('ready', () => resolve(client)).on('error', reject);
    client.connect({
      host: '127.0.0.1',
      port,
      username: 'root',
      privateKey,
      hostVerifier: (shown: Buffer) => {
        onHostKey(shown);
        return true;
      },
    });
  });
}

interface Ran {
  stdout: Buffer;
  stderr: string;
  code: number | null;
  signal: string | undefined;
}

function run(
  client: Client,
  command: string,
  options: { input?: Buffer; pty?: boolean; during?: (channel: ClientChannel) => void } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    client.exec(command, { pty: options.pty ? { rows: 33, cols: 99 } : false }, (error, channel) => {
      if (error) return reject(error);
      const out: Buffer[] = [];
      let stderr = '';
      let end: [number | null, string | undefined] = [null, undefined];
      channel.on('data', (chunk: Buffer) => out.push(chunk));
      channel.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk;
      });
      channel.on('exit', (code: number | null, signal?: string) => {
        end = [code, signal];
      });
      channel.on('close', () => resolve({ stdout: Buffer.concat(out), stderr, code: end[0], signal: end[1] }));
      if (options.during !== undefined) options.during(channel);
      else if (!options.pty) channel.end(options.input ?? '');
    });
  });
}

async function until(client: Client, command: string): Promise<void> {
  for (let look = 0; look < 200; look += 1) if ((await run(client, command)).code === 0) return;
  throw new Error(`never true: ${command}`);
}

function get(client: Client, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    client.forwardOut('127.0.0.1', 1, '127.0.0.1', port, (error, channel) => {
      if (error) return reject(error);
      let text = '';
      channel.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      channel.on('close', () => resolve(text));
      channel.end('GET / HTTP/1.0\r\nhost: x\r\n\r\n');
    });
  });
}

describe('machines that really run', () => {
  const machines: Machine[] = [];
  const addresses: MachineAddresses[] = [];
  let client: Client;
  let firstHostKey = '';

  beforeAll(async () => {
    for (const id of [1, 2]) {
      const machine = openMachine(specOf(id), () => {});
      await machine.create();
      addresses.push(await machine.start());
      machines.push(machine);
    }
    client = await login((addresses[0] as MachineAddresses).sshPort, key.private, (shown) => {
      firstHostKey = shown.toString('base64');
    });
  });
  afterAll(async () => {
    client.end();
    await Promise.all(machines.map((machine) => machine.destroy()));
    rmSync(parent, { recursive: true, force: true });
  });

  it('lets in the attached key and nobody else; later keys count at once', async () => {
    const { sshPort } = addresses[1] as MachineAddresses;
    await expect(login(sshPort, stranger.private)).rejects.toThrow(/authentication/u);
    await machines[1]?.setAuthorizedKeys([key.public, stranger.public], []);
    (await login(sshPort, stranger.private)).end();
  });

  it('runs commands with separate streams, exact exit codes and signals, binary clean', async () => {
    expect(await run(client, 'echo out; echo err >&2; exit 42')).toMatchObject({
      stdout: Buffer.from('out\n'),
      stderr: 'err\n',
      code: 42,
    });
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) & 255));
    expect((await run(client, 'cat', { input: bytes })).stdout.equals(bytes)).toBe(true);
    expect((await run(client, "printf '%s' a | tr a b | cat")).stdout.toString()).toBe('b');
    expect((await run(client, 'kill -TERM $$')).signal).toBe('SIGTERM');
  });

  it('sends no signals, and lets a command without a terminal go on when its channel closes, as sshd does for root', async () => {
    const heedless = await run(client, 'sleep 0.3; echo still here', {
      during: (channel) => setTimeout(() => channel.signal('KILL'), 50),
    });
    expect(heedless).toMatchObject({ signal: undefined, code: 0, stdout: Buffer.from('still here\n') });
    const left = await run(client, 'echo $$; sleep 60', {
      during: (channel) => channel.once('data', () => channel.close()),
    });
    expect((await run(client, `kill ${Number(left.stdout)} && echo it ran`)).stdout.toString()).toBe('it ran\n');
    expect((await run(client, 'echo $SSH_CONNECTION')).stdout.toString()).toMatch(
      /^127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+\n$/u,
    );
  });

  it('starts what stands for tmux in a terminal, and nowhere else', async () => {
    const inTerminal = await run(client, 'exec bash -i', {
      pty: true,
      during: (channel) => channel.once('data', () => channel.write('echo "<$(basename "$TMUX")>"; exit\n')),
    });
    expect(inTerminal.stdout.toString()).toContain('<tmux,ssh_tmux>');
    expect((await run(client, 'echo "<$TMUX>"')).stdout.toString()).toBe('<>\n');
  });

  it('gives a one-shot command none of the container’s variables, as the image does', async () => {
    expect((await run(client, 'echo "[$WORKSPACE][$FORGE_ARGS]"; basename "$PWD"')).stdout.toString()).toBe(
      '[][]\nroot\n',
    );
  });

  it('has terminals that know their size, and change it', async () => {
    const ran = await run(client, 'stty size; until stty size | grep 120; do sleep 0.05; done', {
      pty: true,
      during: (channel) => {
        channel.once('data', () => channel.setWindow(50, 120, 0, 0));
      },
    });
    expect(ran.stdout.toString()).toContain('33 99');
    expect(ran.stdout.toString()).toContain('50 120');
  });

  it('boots: supervisor in its real words and codes, provisioning, Forge on 17860', async () => {
    await until(
      client,
      '[ ! -e "$FORGECTL_ROOT/.provisioning" ] && [ "$(curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:17860/)" = 200 ]',
    );
    const status = await run(client, 'supervisorctl status');
    expect(status.code).toBe(3);
    expect(status.stdout.toString()).toMatch(/^forge {28}RUNNING {3}pid \d+, uptime \d+:\d\d:\d\d$/mu);
    expect((await run(client, 'supervisorctl status nothing')).stdout.toString()).toBe(
      'nothing: ERROR (no such process)\n',
    );
    expect((await run(client, 'supervisorctl start forge')).stdout.toString()).toBe('forge: ERROR (already started)\n');
    expect((await run(client, 'supervisorctl restart forge')).stdout.toString()).toBe(
      'forge: stopped\nforge: started\n',
    );
    expect((await run(client, 'supervisorctl stop cron; supervisorctl stop cron')).stdout.toString()).toBe(
      'cron: stopped\ncron: ERROR (not running)\n',
    );
    expect((await run(client, 'curl -s http://127.0.0.1:11111/health')).stdout.toString()).toBe('{"status": "ok"}');
  });

  it('keeps logs as the image does: moved aside at each start, Forge with a clean copy, all of it in the console', async () => {
    const logs = '$FORGECTL_ROOT/var/log';
    // The restart of the test before moved the first one aside; its words are in both, and in the container's output.
    await until(client, `grep -q "Starting Stable Diffusion" "${logs}/portal/forge.log" "${logs}/forge.log"`);
    expect((await run(client, `cat "${logs}/portal/forge.log.old"`)).stdout.toString()).toContain('Starting Stable');
    expect(await machines[0]?.consoleLog()).toContain('Starting Stable Diffusion WebUI Forge');
    const colored = "printf '\\033[31mred\\033[0m\\r50%%\\n' | log-tee";
    expect((await run(client, `${colored} "${logs}/portal/x.log"; cat "${logs}/x.log"`)).stdout.toString()).toBe(
      'red\n50%\nred\n50%\n',
    );
    const big = 'seq 0 899999 | log-tee';
    await run(client, `${big} "${logs}/portal/big.log" >/dev/null`);
    const kept = (await run(client, `cat "${logs}/portal/big.log"`)).stdout.toString().split('\n').slice(0, -1);
    expect(kept.length).toBeLessThan(899_999);
    expect(kept).toEqual(Array.from(kept, (_, nth) => String(900_000 - kept.length + nth)));
  });

  it('two machines both have a 17860, each its own; other addresses are not reached', async () => {
    const other = await login((addresses[1] as MachineAddresses).sshPort);
    for (const peer of [client, other])
      await until(peer, '[ "$(curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:17860/)" = 200 ]');
    await run(other, 'supervisorctl stop forge');
    expect(await get(client, 17860)).toContain('<title>Stable Diffusion WebUI Forge</title>');
    await expect(get(other, 17860)).rejects.toThrow();
    await new Promise<void>((resolve) => {
      client.forwardOut('127.0.0.1', 1, 'example.com', 80, (error) => {
        expect(error).toBeDefined();
        resolve();
      });
    });
    other.end();
  });

  it.each(['python3', '"$FORGECTL_ROOT/venv/main/bin/python"'])(
    'what %s listens on is the machine’s own: each address, IPv6, any free port, one that was closed before',
    async (python) => {
      const program = `
import errno, os, socket
def listen(family, address, port):
    server = socket.socket(family); server.bind((address, port)); server.listen()
    return server
def reach(family, address, port):
    client = socket.socket(family); code = client.connect_ex((address, port)); client.close()
    return code
V4, V6 = socket.AF_INET, socket.AF_INET6
for family, address in ((V4, '0.0.0.0'), (V4, '127.0.0.1'), (V4, '172.17.0.9'), (V6, '::'), (V6, '::1')):
    for port in (7861, 0):
        server = listen(family, address, port)
        real, shown = server.getsockname()[1], port or server.getsockname()[1]
        assert real != 7861, real
        assert server.getsockname()[0] in ('127.0.0.1', '::ffff:127.0.0.1'), server.getsockname()
        assert reach(V4, '127.0.0.1', shown) == 0 and reach(V6, '::1', shown) == 0
        try:
            listen(V4, '', shown); raise SystemExit('listened twice')
        except OSError as error:
            assert error.errno == errno.EADDRINUSE, error
        server.close()
        assert reach(V4, 'localhost', shown) == errno.ECONNREFUSED
for family in (V4, V6):
    try:
        listen(family, '', 70000); raise SystemExit('no such port')
    except OverflowError:
        pass
import asyncio
async def twice():
    server = await asyncio.start_server(lambda *_: None, None, 7862)
    assert len(server.sockets) > 1 and reach(V4, b'127.0.0.1', 7862) == 0
    server.close()
asyncio.run(twice())
daemon = listen(V4, '', 7863)
pid = os.fork()
if pid == 0:
    import time
    for fd in (0, 1, 2): os.close(fd)
    time.sleep(600); os._exit(0)
try:
    socket.create_connection(('127.0.0.1', 9)); raise SystemExit('connected')
except ConnectionRefusedError:
    print('ok', pid)
`;
      const ran = await run(client, `${python} -`, { input: Buffer.from(program) });
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      const daemon = /^ok (\d+)\n$/u.exec(ran.stdout.toString())?.[1];
      // Its parent has ended, and it listens on.
      const found = `${python} -c 'import socket; print(socket.socket().connect_ex(("", 7863)))'; kill ${daemon}`;
      expect((await run(client, found)).stdout.toString()).toBe('0\n');
      const bare = `env -i "$(command -v ${python})" -c 'import socket; s = socket.socket(); s.bind(("", 7861)); print(s.getsockname()[1])'`;
      expect((await run(client, bare)).stdout.toString()).not.toBe('7861\n');
    },
  );

  it('has a real repository, dirty and detached as shipped, and a real Python with its packages', async () => {
    const forge = 'cd "$FORGECTL_ROOT/workspace/stable-diffusion-webui-forge"';
    expect((await run(client, `${forge} && git status --porcelain -uno`)).stdout.toString()).toBe(
      ' M requirements_versions.txt\n',
    );
    expect((await run(client, `${forge} && git symbolic-ref -q HEAD`)).code).toBe(1);
    expect(
      (
        await run(client, `${forge} && git fetch -q origin && git rev-list --count HEAD..origin/main`)
      ).stdout.toString(),
    ).toBe('3\n');
    const freeze = await run(
      client,
      '"$FORGECTL_ROOT/venv/main/bin/python" -c "import torch; print(torch.__version__, torch.cuda.is_available())"',
    );
    expect(freeze.stdout.toString()).toBe('2.9.1+cu128 True\n');
  });

  it('shares the remote of Forge with the machines beside it, and not with another sandbox', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'forgectl machines '));
    const [here, other] = [join(parent, '3'), join(elsewhere, '4')];
    const machines = [here, other].map((directory, at) => openMachine({ ...specOf(at + 3), directory }, () => {}));
    const git = (directory: string, ...words: string[]): string => {
      const checkout = join(directory, 'root/opt/workspace-internal/stable-diffusion-webui-forge');
      return execFileSync('git', ['-C', checkout, ...words], { encoding: 'utf8', stdio: 'pipe' });
    };
    try {
      await Promise.all(machines.map((one) => one.create()));
      git(here, 'push', '-q', 'origin', 'HEAD:refs/heads/pushed');
      const remote = (await run(client, 'git ls-remote "$FORGECTL_ROOT/../../.forge.git" pushed')).stdout.toString();
      expect(remote).toContain('refs/heads/pushed');
      expect(git(here, 'ls-remote', 'origin', 'pushed')).toBe(remote);
      expect(git(other, 'ls-remote', 'origin', 'main')).not.toBe('');
      expect(git(other, 'ls-remote', 'origin', 'pushed')).toBe('');
    } finally {
      await Promise.all(machines.map((one) => one.destroy()));
      rmSync(elsewhere, { recursive: true, force: true });
    }
  });

  it('serves files over sftp below its root, and nothing above it', async () => {
    const sftp = await new Promise<SFTPWrapper>((resolve, reject) =>
      client.sftp((error, session) => (error ? reject(error) : resolve(session))),
    );
    const source = join(parent, 'source');
    const bytes = Buffer.alloc(700_000, 'forge');
    writeFileSync(source, bytes);
    await new Promise<void>((resolve, reject) =>
      sftp.fastPut(source, "/workspace/a 'b' ☃.bin", (error) => (error ? reject(error) : resolve())),
    );
    expect(readFileSync(join(parent, '1/root/workspace', "a 'b' ☃.bin")).equals(bytes)).toBe(true);
    const names = await new Promise<string[]>((resolve, reject) =>
      sftp.readdir('/workspace', (error, list) =>
        error ? reject(error) : resolve(list.map((entry) => entry.filename)),
      ),
    );
    expect(names).toContain("a 'b' ☃.bin");
    const outside = await new Promise<Error | undefined>((resolve) =>
      sftp.readFile(`/../../${'../'.repeat(9)}${source}`, (error) => resolve(error ?? undefined)),
    );
    expect(outside).toBeDefined();
  });

  it('recycle: everything is as new, with another host key and another port', async () => {
    const before = addresses[0] as MachineAddresses;
    const after = await (machines[0] as Machine).recycle();
    let hostKey = '';
    client = await login(after.sshPort, key.private, (shown) => {
      hostKey = shown.toString('base64');
    });
    expect(hostKey).not.toBe(firstHostKey);
    expect(after.sshPort).not.toBe(before.sshPort);
    expect((await run(client, 'ls "$FORGECTL_ROOT/workspace"')).stdout.toString()).not.toContain('☃');
  });

  it('stop ends every process and keeps the files', async () => {
    await run(client, 'touch "$FORGECTL_ROOT/workspace/kept"; (sleep 500 >/dev/null 2>&1 &); true');
    const root = join(parent, '1', 'root');
    await machines[0]?.stop();
    // What was killed last may take a moment to go.
    await expect.poll(() => commandLinesWith(root)).toEqual([]);
    expect(readFileSync(join(root, 'workspace/kept'), 'utf8')).toBe('');
  });
});
