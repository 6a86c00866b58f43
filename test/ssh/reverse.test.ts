import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Carrier } from '../../src/ssh/carrier.ts';
import { Connection } from '../../src/ssh/connection.ts';
import { noTraffic } from '../../src/ssh/socket-pair.ts';
import { listenAt } from '../workflows/tunnel/tunnel-fixture.ts';
import { closedPort } from './support/loopback-sshd.ts';
import { OpenSshServer } from './support/openssh-server.ts';

function textFrom(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    connect(port, host)
      .on('data', (chunk) => {
        text += chunk.toString();
      })
      .once('end', () => resolve(text))
      .once('error', reject);
  });
}

describe('ports of a machine with OpenSSH that lead here', () => {
  let server: OpenSshServer | null = null;
  let carrier: Carrier;

  beforeAll(async () => {
    server = await OpenSshServer.start('where connections to its ports go');
    if (server === null) return;
    const { port, user: username } = server;
    const client = new ssh2.Client();
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve).on('error', reject);
      client.connect({ host: '127.0.0.1', port, username, privateKey: readFileSync(server?.privateKey ?? '') });
    });
    carrier = new Carrier(new Connection(client, { host: '127.0.0.1', port, via: 'direct' }));
  });
  afterAll(() => {
    carrier?.connection.close();
    server?.stop();
  });

  it('keeps one port at two addresses apart', async (context) => {
    if (server === null) return context.skip();
    const port = await closedPort();
    const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
    const services = await Promise.all(
      addresses.map((address) => listenAt((socket: Socket) => socket.end(`for ${address}`))),
    );
    for (const [index, host] of addresses.entries()) {
      const target = { host: '127.0.0.1', port: services[index]?.port ?? 0 };
      const options = { traffic: noTraffic(), timeoutMs: 5000 };
      expect(await carrier.listenOnMachine({ host, port }, target, options)).toBe(port);
    }
    for (let round = 0; round < 3; round += 1)
      expect(await Promise.all(addresses.map((host) => textFrom(host, port)))).toEqual(
        addresses.map((host) => `for ${host}`),
      );
    for (const { close } of services) close();
  });
});
