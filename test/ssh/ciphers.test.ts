import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cipherOrder, hasAesInstructions } from '../../src/ssh/ciphers.ts';
import { connect } from '../../src/ssh/connection.ts';
import { HostKeys } from '../../src/ssh/host-keys.ts';
import { listenTcp, newKey } from './support/loopback-sshd.ts';

const GCM = 'aes128-gcm@openssh.com';
const CHACHA = 'chacha20-poly1305@openssh.com';

/** RFC 4253, 7.1: behind the greeting a packet of names, of which the third list are the ciphers from the client. */
function ciphersOf(offered: Buffer): string[] {
  let at = offered.indexOf('\r\n') + 2 + 4 + 1 + 1 + 16;
  const next = (): string => {
    const bytes = offered.readUInt32BE(at);
    at += 4 + bytes;
    return offered.toString('latin1', at - bytes, at);
  };
  next();
  next();
  return next().split(',');
}

/** What a server hears first. */
async function offeredTo(pins: string): Promise<string[]> {
  let hear: (offered: Buffer) => void = () => {};
  const heard = new Promise<Buffer>((resolve) => {
    hear = resolve;
  });
  const server = await listenTcp((socket: Socket) => {
    let bytes = Buffer.alloc(0);
    socket.write('SSH-2.0-OpenSSH_9.6\r\n');
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const start = bytes.indexOf('\r\n') + 2;
      if (start < 2 || bytes.length < start + 4 || bytes.length < start + 4 + bytes.readUInt32BE(start)) return;
      hear(bytes);
      socket.destroy();
    });
  });
  const key = newKey();
  const identity = { publicKey: key.public, description: 'a key', path: null, privateKey: key.private };
  await connect({
    candidates: [{ host: '127.0.0.1', port: server.port, via: 'direct' }],
    instanceId: '7',
    identity: { ...identity, agentSocket: null, passphrase: null },
    hostKeys: new HostKeys(pins),
    timeoutMs: 5000,
  }).catch(() => {});
  server.close();
  return ciphersOf(await heard);
}

describe('the ciphers that are offered', () => {
  it('begin with AES-GCM where the processor has AES, with ChaCha20 where it has not, and leave none out', () => {
    expect(cipherOrder(true).slice(0, 3)).toEqual([GCM, 'aes256-gcm@openssh.com', CHACHA]);
    expect(cipherOrder(false).slice(0, 2)).toEqual([CHACHA, GCM]);
    expect(cipherOrder(false).sort()).toEqual(cipherOrder(true).sort());
  });

  it.each([
    ['x86 with', 'processor\t: 0\nflags\t\t: fpu sse2 aes avx2\n', true],
    ['x86 without', 'processor\t: 0\nflags\t\t: fpu sse2 vaesx avx2\n', false],
    ['ARM with', 'processor\t: 0\nFeatures\t: fp asimd aes pmull\n', true],
    ['ARM without, as a Raspberry Pi 4', 'processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\n', false],
    ['a processor that does not say', 'processor\t: 0\n', true],
    ['another system', null, true],
  ])('%s AES', (_what, processors, has) => expect(hasAesInstructions(processors ?? '')).toBe(has));

  it('are what a server hears', async () => {
    const pins = mkdtempSync(join(tmpdir(), 'forgectl-ciphers-test-'));
    expect(await offeredTo(pins)).toEqual(cipherOrder());
    rmSync(pins, { recursive: true, force: true });
  });
});
