import { readdirSync, readFileSync } from 'node:fs';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Connection } from '../../src/ssh/connection.ts';
import { isChecked } from '../support/is-checked.ts';
import { newKey } from './support/loopback-sshd.ts';
import { OpenSshServer } from './support/openssh-server.ts';

const host = newKey();

async function login(port: number, username: string, privateKey: string): Promise<Connection> {
  const client = new ssh2.Client();
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve).on('error', reject);
    client.connect({ host: '127.0.0.1', port, username, privateKey });
  });
  return new Connection(client, { host: '127.0.0.1', port, via: 'direct' });
}

describe('a command that is read to its end', () => {
  /** Its status goes past what the window does not take. */
  async function answering(bytes: number, after: (client: ssh2.Connection, channel: ssh2.ServerChannel) => void) {
    const server = new ssh2.Server({ hostKeys: [host.private] }, (client) => {
      client.on('error', () => {});
      client.on('authentication', (context) => context.accept());
      client.on('session', (accept) => {
        accept().on('exec', (acceptExec) => {
          const channel = acceptExec();
          channel.on('error', () => {});
          channel.write(Buffer.alloc(bytes, 'x'));
          channel.exit(0);
          after(client, channel);
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const connection = await login((server.address() as { port: number }).port, 'root', newKey().private);
    return { connection, close: () => server.close() };
  }

  it('is half when the connection is cut after its status', async () => {
    const { connection, close } = await answering(1_000_000, (client) => setTimeout(() => client.end(), 100));
    await expect(connection.exec('anything', { timeoutMs: 5000 })).rejects.toMatchObject({ code: 'SSH_LOST' });
    close();
  });

  it('is whole when its output comes after its status', async () => {
    const { connection, close } = await answering(3_000_000, (_client, channel) => channel.end());
    const { stdout, exitCode } = await connection.exec('anything', { timeoutMs: 5000 });
    expect([stdout.length, exitCode]).toEqual([3_000_000, 0]);
    connection.close();
    close();
  });
});

describe('a script on OpenSSH that nobody waits for any more', () => {
  let server: OpenSshServer | null = null;
  let connection: Connection;

  beforeAll(async () => {
    server = await OpenSshServer.start('what becomes of scripts that are given up');
    if (server !== null) connection = await login(server.port, server.user, readFileSync(server.privateKey, 'utf8'));
  });
  afterAll(() => {
    connection?.close();
    server?.stop();
  });

  /** Nobody else sleeps so long. */
  const sleepers = (seconds: number): string[] =>
    readdirSync('/proc').filter((pid) => {
      try {
        return /^\d+$/u.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `sleep\0${seconds}\0`;
      } catch {
        return false;
      }
    });

  const isLinux = isChecked(process.platform === 'linux', 'Linux', 'what a script has started ends with it');

  it.runIf(isLinux)('ends there, with what it has started, and others do not', async () => {
    if (server === null) return;
    const [late, stopped, other] = [process.pid + 7_000_001, process.pid + 7_000_002, process.pid + 7_000_003];
    const stop = new AbortController();
    const lasting = connection.run(`sleep ${other}`, { timeoutMs: 60_000 }).catch(() => 'ended');
    const results = Promise.allSettled([
      connection.run(`(sleep ${late}); true`, { timeoutMs: 1000 }),
      connection.run(`trap '' HUP; sleep ${stopped} & wait`, { timeoutMs: 60_000, signal: stop.signal }),
    ]);
    await expect.poll(() => [late, stopped, other].map((seconds) => sleepers(seconds).length)).toEqual([1, 1, 1]);
    stop.abort(new Error('enough'));
    await expect(results).resolves.toMatchObject([
      { reason: { code: 'SSH_COMMAND_TIMEOUT' } },
      { reason: { message: 'enough' } },
    ]);
    await expect.poll(() => [...sleepers(late), ...sleepers(stopped)]).toEqual([]);
    expect(sleepers(other)).toHaveLength(1);
    expect((await connection.run('echo fine', { timeoutMs: 5000 })).stdout).toBe('fine\n');
    for (const pid of sleepers(other)) process.kill(Number(pid));
    await lasting;
  });
});
