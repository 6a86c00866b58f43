import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { newNonce, nonceOf, parseHostKeyLines, withHostKeyLine } from '../../src/instance/host-key-line.ts';

const NONCE = newNonce();
const root = mkdtempSync(join(tmpdir(), 'forgectl host key '));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the line that names host keys', () => {
  it('prints each key once, beside the script that it stands in front of', () => {
    mkdirSync(join(root, 'etc/ssh'), { recursive: true });
    writeFileSync(join(root, 'etc/ssh/ssh_host_ed25519_key.pub'), 'ssh-ed25519 AAAAED root@host\n');
    writeFileSync(join(root, 'etc/ssh/ssh_host_rsa_key.pub'), 'ssh-rsa AAAARSA== root@host\n');
    writeFileSync(join(root, 'etc/ssh/ssh_host_empty_key.pub'), '');
    const script = withHostKeyLine('#!/bin/bash\necho own script', NONCE);
    expect(script.startsWith('#!/bin/bash\n')).toBe(true);
    const log = execFileSync('bash', ['-c', `${script}\nwait`], {
      encoding: 'utf8',
      env: { ...process.env, FORGECTL_ROOT: root },
    });
    expect(log).toContain('own script');
    expect(parseHostKeyLines(log, NONCE).sort()).toEqual(['ssh-ed25519 AAAAED', 'ssh-rsa AAAARSA==']);
    expect(log.match(/forgectl-host-key/gu)).toHaveLength(2);
  });

  it('is left out when the whole would be too long for the API, and then there is no nonce', () => {
    const long = 'x'.repeat(4000);
    expect(withHostKeyLine(long, NONCE)).toBe(long);
    expect(nonceOf(long)).toBeNull();
    expect(nonceOf(withHostKeyLine('entrypoint.sh', NONCE))).toBe(NONCE);
  });

  it('no log makes it name a key with another nonce', () => {
    const other = 'f'.repeat(24);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (noise) => {
        const log = `${noise}\nforgectl-host-key ${other} ssh-ed25519 AAAA\n${noise}`;
        return parseHostKeyLines(log, NONCE).length === 0;
      }),
      { numRuns: 100 },
    );
  });
});
