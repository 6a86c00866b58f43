// What the lab itself costs: node test/lab/enter.js test/bench/lab.ts
// biome-ignore-all lint/suspicious/noConsole: a bench prints
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { DelayProxy } from '../lab/delay-proxy.ts';
import { LabHost } from '../lab/host.ts';
import { prepareImage } from '../lab/image.ts';

const TOTAL = 512 * 1024 * 1024;

async function timed(what: string, act: () => Promise<unknown>): Promise<void> {
  const started = performance.now();
  await act();
  console.log(`${what.padEnd(44)} ${((performance.now() - started) / 1000).toFixed(2)} s`);
}

/** Sends TOTAL bytes to a server that answers when it has them all. */
async function megabytesPerSecond(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const started = performance.now();
  const chunk = Buffer.alloc(256 * 1024, 1);
  for (let sent = 0; sent < TOTAL; sent += chunk.length) if (!socket.write(chunk)) await once(socket, 'drain');
  await once(socket, 'data');
  socket.destroy();
  return `${(TOTAL / 1e6 / ((performance.now() - started) / 1000)).toFixed(0)} MB/s`;
}

async function measureLine(): Promise<void> {
  const sink = createServer((socket) => {
    let got = 0;
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      got += bytes.length;
      if (got === TOTAL) socket.end('all');
    });
  });
  await once(sink.listen(0, '127.0.0.1'), 'listening');
  const { port } = sink.address() as AddressInfo;
  console.log(`${'one stream over loopback'.padEnd(44)} ${await megabytesPerSecond(port)}`);
  for (const oneWayMs of [0, 1, 50]) {
    const line = await DelayProxy.open({ host: '127.0.0.1', port, oneWayMs });
    console.log(`${`through a line of ${oneWayMs} ms one way`.padEnd(44)} ${await megabytesPerSecond(line.port)}`);
    await line.close();
  }
  sink.close();
}

await timed('image, once a run', prepareImage);
const host = new LabHost();
await timed('machine: new disk, sshd answers', async () => {
  await host.create();
  await host.start();
});
await timed('... supervisor answers', () => host.waitFor('supervisorctl pid'));
await timed('... Forge answers', () => host.waitForForge());
await timed('stop', () => host.stop());
await timed('start again, sshd answers', () => host.start());
await timed('stop and remove', () => host.remove());
const ids = [1, 2, 3, 4, 5, 6];
const hosts: LabHost[] = [];
await timed(`${ids.length} machines at once, sshd answers`, async () => {
  hosts.push(...(await Promise.all(ids.map((id) => LabHost.boot({ id })))));
});
await timed('... Forge answers on all', () => Promise.all(hosts.map((one) => one.waitForForge())));
await Promise.all(hosts.map((one) => one.remove()));
await measureLine();
