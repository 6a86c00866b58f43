import { getCiphers } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import type { CipherAlgorithm } from 'ssh2';

/** The first processor says it; a large machine's whole list takes milliseconds to read. */
const FIRST_PROCESSOR_BYTES = 8192;

const AES_GCM: readonly CipherAlgorithm[] = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'];
const AES_CTR: readonly CipherAlgorithm[] = ['aes128-ctr', 'aes192-ctr', 'aes256-ctr'];
const CHACHA: readonly CipherAlgorithm[] = ['chacha20-poly1305@openssh.com'];

/**
 * The fastest first; the server takes the first that it knows. `npm run bench:tunnel` measures them: with AES instructions
 * AES-GCM moves a quarter more than ChaCha20, without them half as much. ssh2 knows only where its install could build a helper.
 */
export function cipherOrder(hasAes = hasAesInstructions()): CipherAlgorithm[] {
  // Not in a Node whose OpenSSL is held to FIPS.
  const chacha = getCiphers().includes('chacha20') ? CHACHA : [];
  return hasAes ? [...AES_GCM, ...chacha, ...AES_CTR] : [...chacha, ...AES_GCM, ...AES_CTR];
}

/** `processors`: as Linux tells of them, on x86 and on ARM; null on other systems, whose computers all have them. */
export function hasAesInstructions(processors = readProcessors()): boolean {
  const words = /^(?:flags|Features)\s*:(.*)$/mu.exec(processors ?? '')?.[1];
  return words === undefined || /\baes\b/u.test(words);
}

function readProcessors(): string | null {
  if (process.platform !== 'linux') return null;
  try {
    const file = openSync('/proc/cpuinfo', 'r');
    try {
      const bytes = Buffer.alloc(FIRST_PROCESSOR_BYTES);
      return bytes.toString('latin1', 0, readSync(file, bytes));
    } finally {
      closeSync(file);
    }
  } catch {
    return null;
  }
}
