import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { type Connection, connect } from '../../src/ssh/connection.ts';
import { HostKeys } from '../../src/ssh/host-keys.ts';
import { KnownAddresses } from '../../src/ssh/known-addresses.ts';
import type { Candidate } from '../../src/ssh/login-attempt.ts';
import type { Instance } from '../../src/vast/model.ts';
import { connectInstance } from '../../src/workflows/connect-instance.ts';
import { closedPort, LoopbackSshd, listenTcp, newKey } from './support/loopback-sshd.ts';

const hostKey = newKey();
const userKey = newKey();
const identity = {
  publicKey: userKey.public,
  description: 'a test key',
  path: null,
  privateKey: userKey.private,
  agentSocket: null,
  passphrase: null,
};
const cleanUps: (() => void)[] = [];
let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'forgectl-known-'));
});
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp();
  rmSync(directory, { recursive: true, force: true });
});

const candidate = (port: number, via: Candidate['via']): Candidate => ({ host: '127.0.0.1', port, via });

async function sshd(port = 0): Promise<LoopbackSshd> {
  const server = await new LoopbackSshd({ hostKeys: [hostKey.private], authorized: [userKey.public] }).listen(port);
  cleanUps.push(() => server.close());
  return server;
}

async function login(candidates: Candidate[], tried: string[] = [], more = {}): Promise<Connection> {
  const connection = await connect({
    candidates,
    instanceId: '7',
    identity,
    hostKeys: new HostKeys(join(directory, 'pins')),
    timeoutMs: 3000,
    onAttempt: ({ address: { via }, state }) => state === 'trying' && tried.push(via),
    ...more,
  });
  cleanUps.push(() => connection.close());
  return connection;
}

describe('the address of the last login', () => {
  it('is tried first and alone the next time, while it is still one of the instance’s', async () => {
    const known = new KnownAddresses(join(directory, 'known'));
    const [server, silent] = [await sshd(), await listenTcp(() => {})];
    cleanUps.push(() => silent.close());
    const both = [candidate(silent.port, 'direct'), candidate(server.port, 'proxy')];
    expect(known.inOrder('7', both)).toEqual({ candidates: both, isKnown: false });
    const first = await login(both);
    known.remember('7', first.address);
    const tried: string[] = [];
    const { candidates, isKnown } = known.inOrder('7', both);
    await login(candidates, tried, isKnown ? { headStartMs: 5000 } : {});
    expect(tried).toEqual(['proxy']);
    // The API gives another address: the old one is nobody's.
    const moved = [candidate(silent.port, 'direct'), candidate(server.port + 1, 'proxy')];
    expect(known.inOrder('7', moved)).toEqual({ candidates: moved, isKnown: false });
    expect(known.inOrder('8', both).isKnown).toBe(false);
    known.forget('7');
    expect(known.last('7')).toBe(null);
  });

  it('that is broken, or cannot be written, is no address, and no failure', () => {
    const known = new KnownAddresses(join(directory, 'known'));
    known.remember('7', candidate(1, 'direct'));
    for (const text of ['', 'null', '{"host":1}', '{"host":"x","port":22,"via":"carrier pigeon"}', '[]']) {
      writeFileSync(join(directory, 'known', '7.json'), text);
      expect(known.last('7')).toBe(null);
    }
    writeFileSync(join(directory, 'file'), '');
    const nowhere = new KnownAddresses(join(directory, 'file'));
    nowhere.remember('7', candidate(1, 'direct'));
    expect(nowhere.last('7')).toBe(null);
  });
});

describe('a machine that has just started', () => {
  it('refuses, then hangs, then moves: each try reads its address anew, until the login is accepted', async () => {
    const hanging = await listenTcp(() => {});
    cleanUps.push(() => hanging.close());
    const server = await sshd();
    const ports = [await closedPort(), hanging.port, server.port];
    let reads = 0;
    const row = {
      id: 7,
      actualStatus: 'running',
      intendedStatus: 'running',
      statusMsg: null,
      isBid: false,
    } as Instance;
    const seen: string[] = [];
    const { connection } = await connectInstance(
      {
        readInstance: async () => {
          reads += 1;
          return row;
        },
        connect: () => login([candidate(ports[Math.min(reads, 3) - 1] as number, 'direct')], [], { timeoutMs: 300 }),
        attachKey: async () => {},
        clock: { now: systemClock.now, sleep: (ms) => systemClock.sleep(ms / 50) },
        signal: new AbortController().signal,
      },
      { instanceId: 7, patienceMs: 60_000, onRetry: ({ code }) => seen.push(code) },
    );
    expect(connection.address.port).toBe(server.port);
    expect(seen).toEqual(['SSH_PORT', 'SSH_HANDSHAKE']);
    expect(reads).toBe(3);
  });
});
