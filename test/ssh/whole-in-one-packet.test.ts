import type { AddressInfo, Socket } from 'node:net';
import ssh2, { type ServerChannel } from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Connection } from '../../src/ssh/connection.ts';
import { RemoteProcess } from '../../src/ssh/process.ts';
import { openSession } from '../../src/ssh/session.ts';
import { openStream } from '../../src/ssh/stream.ts';
import { newKey } from './support/loopback-sshd.ts';

const host = newKey();
const user = newKey();

/** A server that is busy: of a command, all from its beginning to its end leaves in one write. */
function busyServer(): InstanceType<typeof ssh2.Server> {
  return new ssh2.Server({ hostKeys: [host.private] }, (client) => {
    const { _sock: socket } = client as unknown as { _sock: Socket };
    client.on('error', () => {});
    client.on('authentication', (context) => context.accept());
    client.on('session', (accept) =>
      accept().on('exec', (accept: () => ServerChannel, _reject: unknown, { command }: { command: string }) => {
        socket.cork();
        const channel = accept();
        channel.stderr.write('err');
        channel.write(`ran ${command}`);
        channel.exit(7);
        channel.end();
        channel.close();
        setImmediate(() => socket.uncork());
      }),
    );
  });
}

describe('a command whose beginning and end come in one packet', () => {
  const server = busyServer();
  let connection: Connection;

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = new ssh2.Client();
    const { port } = server.address() as AddressInfo;
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve).on('error', reject);
      client.connect({ host: '127.0.0.1', port, username: 'root', privateKey: user.private });
    });
    connection = new Connection(client, { host: '127.0.0.1', port, via: 'direct' });
  });
  afterAll(() => {
    connection.close();
    server.close();
  });

  it('has its output and its code where it is collected', async () => {
    const { stdout, stderr, exitCode } = await connection.exec('one', { timeoutMs: 10_000 });
    expect([String(stdout), String(stderr), exitCode]).toEqual(['ran one', 'err', 7]);
  });

  it('has them as a session', async () => {
    const session = await openSession(connection, { command: 'two', terminal: null });
    let text = '';
    session.stdout.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    session.stderr.resume();
    expect(await session.ended).toEqual({ exitCode: 7, signal: null });
    expect(text).toBe('ran two');
  });

  it('has them as a process', async () => {
    const process = await RemoteProcess.start(connection, 'three', { stallMs: 10_000 });
    let text = '';
    for await (const chunk of process.output()) text += chunk;
    expect(await process.ended).toEqual({ exitCode: 7, stderr: 'err' });
    expect(text).toBe('ran three');
  });

  it('has them as a stream', async () => {
    const stream = await openStream(connection, 'four');
    let text = '';
    for await (const chunk of stream.chunks()) text += chunk;
    expect(text).toBe('ran four');
    expect(stream.lastWords).toBe('err');
  });
});
