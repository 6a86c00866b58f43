import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deskCommand } from '../../src/instance/files/file-scripts.ts';
import { Connection } from '../../src/ssh/connection.ts';
import { RemoteProcess } from '../../src/ssh/process.ts';
import { ConnectionPool, NoWay } from '../../src/workflows/copy/connection-pool.ts';
import { RemoteDesk } from '../../src/workflows/copy/remote-desk.ts';
import { RemoteRunner } from '../../src/workflows/copy/remote-runner.ts';
import { LoopbackSshd, newKey } from './support/loopback-sshd.ts';

const host = newKey();
const user = newKey();
const OPTIONS = { stallMs: 20_000 };

async function login(port: number, client = new ssh2.Client()): Promise<Connection> {
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve).on('error', reject);
    client.connect({ host: '127.0.0.1', port, username: 'root', privateKey: user.private });
  });
  return new Connection(client, { host: '127.0.0.1', port, via: 'direct' });
}

async function collect(process: RemoteProcess): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of process.output()) parts.push(chunk);
  return Buffer.concat(parts).toString('latin1');
}

describe('a remote process', () => {
  let sshd: LoopbackSshd;
  let connection: Connection;
  const start = (command: string, more: object = {}) =>
    RemoteProcess.start(connection, command, { ...OPTIONS, ...more });

  beforeAll(async () => {
    sshd = await new LoopbackSshd({ hostKeys: [host.private], authorized: [user.public] }).listen();
    connection = await login(sshd.port);
  });
  afterAll(() => {
    connection.close();
    sshd.close();
  });

  it('takes input, gives output, and ends with its code and what it said', async () => {
    const process = await start('cat; echo oops >&2; exit 3');
    await process.write('one ');
    await process.write(Buffer.from('two'));
    process.endInput();
    expect(await collect(process)).toBe('one two');
    expect(await process.ended).toEqual({ exitCode: 3, stderr: 'oops\n' });
  });

  it('misses nothing of one that ends at once', async () => {
    const processes = await Promise.all(Array.from({ length: 8 }, (_, index) => start(`echo ${index}; exit ${index}`)));
    for (const [index, process] of processes.entries()) {
      expect(await collect(process)).toBe(`${index}\n`);
      expect((await process.ended).exitCode).toBe(index);
    }
  });

  it('has no code when a signal ended it', async () => {
    const process = await start('kill -KILL $$');
    await collect(process);
    expect((await process.ended).exitCode).toBeNull();
  });

  it('waits for a slow reader: what is not read is not sent', async () => {
    const process = await start('head -c 60000000 /dev/zero');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(process.pending()).toBeLessThan(5_000_000);
    expect((await collect(process)).length).toBe(60_000_000);
  });

  it('waits for a slow network: what it does not take is not given to ssh2, which would keep it', async () => {
    const inbound: Socket[] = [];
    const between = createServer((socket) => {
      inbound.push(socket);
      const out = connect(sshd.port, '127.0.0.1');
      socket.pipe(out).pipe(socket);
    });
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
    const client = new ssh2.Client();
    const slow = await login((between.address() as AddressInfo).port, client);
    const processes = await Promise.all(
      Array.from({ length: 12 }, () => RemoteProcess.start(slow, 'cat >/dev/null', OPTIONS)),
    );
    const [socket] = inbound as [Socket];
    socket.pause();
    const chunk = Buffer.alloc(64 * 1024);
    const writing = processes.map(async (process) => {
      // In all 18 MB, and the windows would take 24.
      for (let count = 0; count < 24; count += 1) await process.write(chunk);
      process.endInput();
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { writableLength } = (client as unknown as { _sock: Socket })._sock;
    expect(writableLength).toBeGreaterThan(0);
    expect(writableLength).toBeLessThan(3_000_000);
    socket.resume();
    await Promise.all(writing);
    for (const process of processes) expect((await process.ended).exitCode).toBe(0);
    slow.close();
    between.close();
  });

  it('waits for a slow process: a write comes back when there is room', async () => {
    const process = await start('sleep 0.4; cat >/dev/null');
    const startedMs = performance.now();
    for (let index = 0; index < 40; index += 1) await process.write(Buffer.alloc(256 * 1024));
    expect(performance.now() - startedMs).toBeGreaterThan(300);
    process.endInput();
    await collect(process);
    expect((await process.ended).exitCode).toBe(0);
  });

  it('tells a writer whose reader has gone', async () => {
    const process = await start('exit 4');
    await process.ended;
    expect(await process.write('anything')).toBe(false);
  });

  it('ends when it is told to, and when nothing moves', async () => {
    const stop = new AbortController();
    const asked = await start('sleep 60', { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(asked.ended).rejects.toThrow('enough');
    const stuck = await start('sleep 60', { stallMs: 200 });
    expect(await collect(stuck)).toBe('');
    await expect(stuck.ended).rejects.toMatchObject({ code: 'SSH_STALLED' });
  });
});

describe('a connection that is lost', () => {
  it('makes half the output no whole, though the status has come', async () => {
    const server = new ssh2.Server({ hostKeys: [host.private] }, (client) => {
      client.on('error', () => {});
      client.on('authentication', (context) => context.accept());
      client.on('session', (accept) => {
        accept().on('exec', (acceptExec) => {
          const channel = acceptExec();
          channel.on('error', () => {});
          // More than the window takes: the rest waits, and the status goes past it.
          channel.write(Buffer.alloc(6 * 1024 * 1024, 'x'));
          channel.exit(0);
          setTimeout(() => client.end(), 50);
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const connection = await login((server.address() as { port: number }).port);
    const process = await RemoteProcess.start(connection, 'anything', OPTIONS);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await collect(process);
    await expect(process.ended).rejects.toMatchObject({ code: 'SSH_LOST' });
    server.close();
  });
});

describe('a desk of questions', () => {
  let sshd: LoopbackSshd;
  let pool: ConnectionPool;
  let runner: RemoteRunner;
  let logins = 0;

  beforeAll(async () => {
    sshd = await new LoopbackSshd({ hostKeys: [host.private], authorized: [user.public] }).listen();
    pool = new ConnectionPool(() => {
      logins += 1;
      return login(sshd.port);
    });
    runner = new RemoteRunner(pool, { ...OPTIONS, signal: new AbortController().signal });
  });
  afterAll(() => {
    pool.close();
    sshd.close();
  });

  const ask = (script: string, input = ''): Promise<string> =>
    runner.ask({ script, words: [] }, Buffer.from(input)).then(({ output, exitCode, stderr }) => {
      return `${output.toString('latin1')}|${exitCode}|${stderr}`;
    });

  it('answers each with its own output, status and words, however many are asked at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => ask(`cat; echo e${index} >&2; exit ${index}`, `in ${index}`)),
    );
    expect(answers).toEqual(answers.map((_, index) => `in ${index}|${index}|e${index}`));
  });

  it('is not confused by input that nobody reads, by odd bytes, or by much of either', async () => {
    const [unread, ends, bytes, much] = await Promise.all([
      ask('true', 'rest\0exit 9\n'.repeat(20_000)),
      ask('exit 7', 'rest'),
      ask('printf \'\\0\\n\\377%s\\n\' "$(cat)"', 'x'),
      ask('head -c 3000000 /dev/zero; head -c 100000 /dev/zero | tr "\\0" y >&2'),
    ]);
    expect([unread, ends, bytes]).toEqual(['|0|', '|7|', '\0\n\xffx\n|0|']);
    expect(much?.length).toBe(3_000_000 + 3 + 20_000);
    expect(deskCommand('m')).not.toContain('\0');
  });

  it('that has closed says so, and keeps nobody waiting', async () => {
    const running = await runner.start({ script: 'exit 0', words: [] });
    const desk = new RemoteDesk(running, 'mark');
    const early = desk.ask({ script: 'true', words: [] }, Buffer.alloc(0), () => {});
    await expect(early).rejects.toMatchObject({ code: 'SSH_LOST' });
    expect(desk.isOpen).toBe(false);
    const late = desk.ask({ script: 'true', words: [] }, Buffer.alloc(0), () => {});
    await expect(late).rejects.toMatchObject({ code: 'SSH_LOST' });
  });

  it('asks again over a new connection when the answer was lost, and gives up when there is none', async () => {
    await ask('true');
    const before = logins;
    const mark = `/tmp/forgectl-desk-${process.pid}`;
    const answer = ask(`[ -e ${mark} ] || { : >${mark}; sleep 1; }; rm -f ${mark}; echo done`);
    setTimeout(() => {
      for (const client of sshd.connections) client.end();
    }, 300);
    expect(await answer).toBe('done\n|0|');
    expect(logins).toBe(before + 1);
    for (const client of sshd.connections) client.end();
    sshd.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await expect(ask('true')).rejects.toBeInstanceOf(NoWay);
  });
});
