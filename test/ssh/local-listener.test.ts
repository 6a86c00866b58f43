import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { findPortHolder } from '../../src/port-holder.ts';
import { type LocalEnd, type LocalListener, listenLocally } from '../../src/ssh/local-listener.ts';

const open: (LocalListener | Server)[] = [];
const directory = mkdtempSync(join(tmpdir(), 'forgectl listen '));

afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function listen(end: LocalEnd, onSocket: (socket: Socket) => void = () => {}): Promise<LocalListener> {
  const listener = await listenLocally(end, onSocket);
  open.push(listener);
  return listener;
}

const anyPort = { kind: 'tcp', address: null, port: 0 } as const;

async function squat(host: string): Promise<number> {
  const server = createServer();
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

function portOf({ end }: LocalListener): number {
  return end.kind === 'tcp' ? end.port : 0;
}

describe('a local end', () => {
  it('listens on both loopbacks, on one port, and gives the sockets unread', async () => {
    const sockets: Socket[] = [];
    const port = portOf(await listen(anyPort, (socket) => sockets.push(socket)));
    for (const host of ['127.0.0.1', '::1']) {
      const client = connect(port, host);
      client.on('error', () => {});
      await new Promise<void>((resolve) => client.write('early', () => resolve()));
    }
    await expect.poll(() => sockets.length).toBe(2);
    expect(sockets.every((socket) => socket.isPaused() && socket.bytesRead === 0)).toBe(true);
    for (const socket of sockets) socket.destroy();
  });

  it.each(['127.0.0.1', '::1'])(
    'is refused when somebody has the port on %s alone, and keeps nothing',
    async (host) => {
      const port = await squat(host);
      const taken = listenLocally({ ...anyPort, port }, () => {});
      await expect(taken).rejects.toMatchObject({ code: 'PORT_TAKEN', exit: 9, details: { port } });
      const other = host === '::1' ? '127.0.0.1' : '::1';
      await expect(listen({ kind: 'tcp', address: other, port })).resolves.toBeDefined();
    },
  );

  it('can be asked who holds a port', async () => {
    const port = await squat('127.0.0.1');
    expect(findPortHolder(port)?.pid ?? process.pid).toBe(process.pid);
  });

  it('refuses an address that this computer does not have', async () => {
    const end: LocalEnd = { kind: 'tcp', address: '192.0.2.1', port: 0 };
    await expect(listenLocally(end, () => {})).rejects.toMatchObject({ code: 'BAD_ADDRESS', exit: 2 });
  });

  it("is a UNIX socket of the user's alone, which takes the place of a dead one and of nothing else", async () => {
    const path = join(directory, 'a b.sock');
    const first = await listen({ kind: 'unix', path });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await expect(listenLocally({ kind: 'unix', path }, () => {})).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      exit: 9,
    });
    first.close();
    await listen({ kind: 'unix', path });
    const file = join(directory, 'file');
    writeFileSync(file, 'mine');
    await expect(listenLocally({ kind: 'unix', path: file }, () => {})).rejects.toMatchObject({ exit: 9 });
    expect(statSync(file).size).toBe(4);
    await expect(listenLocally({ kind: 'unix', path: join(directory, 'no', 'x') }, () => {})).rejects.toMatchObject({
      code: 'BAD_ADDRESS',
    });
    rmSync(directory, { recursive: true, force: true });
  });
});
