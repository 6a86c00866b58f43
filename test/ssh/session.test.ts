import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Connection, connect } from '../../src/ssh/connection.ts';
import { HostKeys } from '../../src/ssh/host-keys.ts';
import { openSession, type Session } from '../../src/ssh/session.ts';
import { OpenSshServer } from './support/openssh-server.ts';

const server = await OpenSshServer.start('streams, ends and signals of sessions');

function textOf(stream: Readable): { text: string } {
  const seen = { text: '' };
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    seen.text += chunk;
  });
  return seen;
}

describe.skipIf(server === null)('a session of OpenSSH', () => {
  const pins = mkdtempSync(join(tmpdir(), 'forgectl-session-'));
  const connections: Connection[] = [];
  let connection: Connection;

  const login = async (): Promise<Connection> => {
    const { port, user, privateKey, publicKey } = server as OpenSshServer;
    const made = await connect({
      candidates: [{ host: '127.0.0.1', port, via: 'direct' }],
      instanceId: '7',
      identity: {
        publicKey: readFileSync(publicKey, 'utf8'),
        description: 'test',
        path: privateKey,
        privateKey: readFileSync(privateKey, 'utf8'),
        agentSocket: null,
        passphrase: null,
      },
      hostKeys: new HostKeys(pins),
      timeoutMs: 10_000,
      user,
    });
    connections.push(made);
    return made;
  };
  const open = (command: string, on = connection): Promise<Session> => openSession(on, { command, terminal: null });

  beforeAll(async () => {
    connection = await login();
  });
  afterAll(() => {
    for (const made of connections) made.close();
    server?.stop();
    rmSync(pins, { recursive: true, force: true });
  });

  it('has separate streams, half-closes, and ends with its code or its signal', async () => {
    const session = await open('cat; echo err >&2; exit 41');
    const [out, err] = [textOf(session.stdout), textOf(session.stderr)];
    session.stdin.end('to the end');
    expect(await session.ended).toEqual({ exitCode: 41, signal: null });
    expect([out.text, err.text]).toEqual(['to the end', 'err\n']);
    const killed = await open('kill -KILL $$');
    for (const stream of [killed.stdout, killed.stderr]) stream.resume();
    expect(await killed.ended).toEqual({ exitCode: null, signal: 'KILL' });
  });

  it('carries bytes as they are, more than any window holds', async () => {
    const bytes = randomBytes(8 * 1024 * 1024);
    const session = await open('cat');
    const hash = createHash('sha256');
    session.stdout.on('data', (chunk: Buffer) => hash.update(chunk));
    session.stderr.resume();
    session.stdin.end(bytes);
    expect(await session.ended).toMatchObject({ exitCode: 0 });
    expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('a signal reaches the command and what it has started, also after the end of stdin, and nobody else', async () => {
    const neighbour = await open('echo up; exec sleep 300', await login());
    await new Promise((resolve) => neighbour.stdout.once('data', resolve));
    const session = await open('sleep 300 & echo $! up; wait');
    const out = textOf(session.stdout);
    session.stderr.resume();
    session.stdin.end();
    await expect.poll(() => out.text).toContain('up');
    await session.sendSignal('TERM');
    expect(await session.ended).toEqual({ exitCode: null, signal: 'TERM' });
    const child = Number(out.text.split(' ')[0]);
    await expect.poll(() => isAlive(child)).toBe(false);
    await neighbour.sendSignal('HUP');
    neighbour.stdout.resume();
    neighbour.stderr.resume();
    expect(await neighbour.ended).toEqual({ exitCode: null, signal: 'HUP' });
  });

  it('in a terminal: knows its type and size, learns a new one, and takes keys', async () => {
    const session = await openSession(connection, {
      command: 'echo "$TERM"; stty size; read -r _; stty size; read -r _',
      terminal: { type: 'screen-256color', columns: 99, rows: 33 },
    });
    const out = textOf(session.stdout);
    session.stderr.resume();
    await expect.poll(() => out.text).toContain('screen-256color\r\n33 99');
    session.resize({ columns: 120, rows: 50 });
    session.stdin.write('\r');
    await expect.poll(() => out.text).toContain('50 120');
    session.stdin.write('\u0003');
    expect(await session.ended).toEqual({ exitCode: null, signal: 'INT' });
  });

  it('a connection that is cut is told from an end', async () => {
    const cut = await login();
    const session = await open('echo $PPID; exec sleep 300', cut);
    const out = textOf(session.stdout);
    session.stderr.resume();
    await expect.poll(() => out.text).toMatch(/\d+\n/u);
    // The sshd of this connection.
    process.kill(Number(out.text), 'SIGKILL');
    await expect(session.ended).rejects.toMatchObject({ code: 'SSH_LOST', exit: 13 });
    await expect(session.sendSignal('INT')).rejects.toMatchObject({ code: 'SSH_LOST' });
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/u.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
