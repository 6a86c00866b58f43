import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint, HostKeys } from '../../src/ssh/host-keys.ts';
import { newKey } from './support/loopback-sshd.ts';
import { hasOpenSsh, openSsh } from './support/openssh.ts';

const blobOf = (key: { public: string }): Buffer => Buffer.from(key.public.split(' ')[1] ?? '', 'base64');
const [oldKey, nextKey, thirdKey] = [newKey(), newKey(), newKey()].map(blobOf) as [Buffer, Buffer, Buffer];
let parent = '';
let directory = '';
let nowMs = Date.parse('2026-01-01T00:00:00Z');
let pins: HostKeys;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'forgectl-pins-'));
  directory = join(parent, 'host-keys');
  pins = new HostKeys(directory, () => nowMs);
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

describe('pins of host keys', () => {
  it('remember at the first sight, agree at the next, and refuse another key with the reason and the way out', () => {
    expect(pins.check('1', oldKey)).toBe('first-seen');
    expect(pins.verify('1', oldKey)).toBe('first-seen');
    expect(pins.verify('1', oldKey)).toBe('pinned');
    expect(pins.verify('2', nextKey)).toBe('first-seen');
    const refusal = (): unknown => pins.verify('1', nextKey);
    expect(refusal).toThrow(fingerprint(oldKey));
    expect(refusal).toThrow(fingerprint(nextKey));
    try {
      refusal();
    } catch (error) {
      expect(error).toMatchObject({ code: 'SSH_HOST_KEY_CHANGED', exit: 13 });
      expect((error as { hint: string }).hint).toContain('forgectl keys repair 1 --accept-host-key');
    }
    expect(pins.verify('1', oldKey)).toBe('pinned');
  });

  it('are for the user alone, and leave no drafts behind', () => {
    pins.verify('1', oldKey);
    pins.repin('1');
    expect(statSync(pins.file('1')).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory)).toEqual(['1']);
  });

  it('a pin that is there but cannot be read is not "never seen"', () => {
    pins.verify('1', oldKey);
    for (const text of ['', 'garbage\n', 'alias ssh-ed25519 AAAA\n']) {
      writeFileSync(pins.file('1'), text);
      expect(() => pins.verify('1', nextKey)).toThrow(/cannot be read/u);
    }
    chmodSync(pins.file('1'), 0o600);
  });

  it('a recycle lets one new key in; the old machine may still answer meanwhile', () => {
    pins.verify('1', oldKey);
    pins.repin('1');
    expect(pins.verify('1', oldKey)).toBe('pinned');
    expect(pins.verify('1', nextKey)).toBe('first-seen');
    expect(pins.verify('1', nextKey)).toBe('pinned');
    expect(() => pins.verify('1', thirdKey)).toThrow(/has changed/u);
    expect(() => pins.verify('1', oldKey)).toThrow(/has changed/u);
  });

  it('the leave for a new key runs out', () => {
    pins.verify('1', oldKey);
    pins.repin('1');
    nowMs += 61 * 60_000;
    expect(() => pins.verify('1', nextKey)).toThrow(/has changed/u);
  });

  it('a key that was accepted takes the place of the pinned one, and no other key does', () => {
    pins.verify('1', oldKey);
    pins.confirm('1');
    nowMs += 86_400_000;
    pins.accept('1', fingerprint(nextKey));
    expect(() => pins.verify('1', thirdKey)).toThrow(/has changed/u);
    expect(() => pins.verify('2', oldKey) === 'pinned').not.toThrow();
    expect(pins.verify('1', nextKey)).toBe('first-seen');
    expect(pins.pinned('1')).toMatchObject({ fingerprint: fingerprint(nextKey), isProved: false, seenMs: nowMs });
    expect(() => pins.verify('1', oldKey)).toThrow(/has changed/u);
    // Another process has agreed to nothing.
    expect(() => new HostKeys(directory).verify('1', thirdKey)).toThrow(/has changed/u);
  });

  it('know when they were first seen and whether the instance has named them, also through a recycle', () => {
    const firstMs = nowMs;
    expect(pins.pinned('1')).toBeNull();
    pins.verify('1', oldKey);
    nowMs += 60_000;
    expect(pins.verify('1', oldKey)).toBe('pinned');
    expect(pins.pinned('1')).toMatchObject({ isProved: false, seenMs: firstMs });
    pins.confirm('1');
    pins.confirm('nobody');
    pins.repin('1');
    expect(pins.pinned('1')).toMatchObject({ fingerprint: fingerprint(oldKey), isProved: true, seenMs: firstMs });
    pins.verify('1', nextKey);
    expect(pins.pinned('1')).toMatchObject({ fingerprint: fingerprint(nextKey), isProved: false, seenMs: nowMs });
  });

  it('a confirmation does not end the leave for a new key', () => {
    pins.verify('1', oldKey);
    pins.repin('1');
    pins.confirm('1');
    expect(pins.verify('1', nextKey)).toBe('first-seen');
  });

  it('pins of an earlier forgectl, without a time, are read', () => {
    pins.verify('1', oldKey);
    writeFileSync(pins.file('1'), `forgectl-1 ssh-ed25519 ${oldKey.toString('base64')}\n`);
    expect(pins.pinned('1')).toMatchObject({ seenMs: null, isProved: false });
    expect(pins.verify('1', oldKey)).toBe('pinned');
  });

  it('forget makes the instance unknown; both are harmless where there is nothing', () => {
    pins.forget('1');
    pins.repin('1');
    pins.verify('1', oldKey);
    pins.forget('1');
    expect(pins.verify('1', nextKey)).toBe('first-seen');
  });

  it('instance ids cannot leave the directory', () => {
    pins.verify('../../etc/x', oldKey);
    expect(readdirSync(directory)).toEqual(['______etc_x']);
  });

  it('OpenSSH reads the file and prints the same fingerprint', () => {
    pins.verify('1', oldKey);
    expect(readFileSync(pins.file('1'), 'utf8')).toMatch(
      /^# forgectl: first seen \S+Z\nforgectl-1 ssh-ed25519 AAAA\S+\n$/u,
    );
    if (hasOpenSsh('the file of a pin'))
      expect(openSsh('ssh-keygen', ['-F', pins.alias('1'), '-l', '-f', pins.file('1')])).toContain(fingerprint(oldKey));
  });
});
