import type { Algorithms, ServerHostKeyAlgorithm } from 'ssh2';
import { cipherOrder } from './ciphers.js';

/**
 * What a server may choose from, of what this Node knows. A server with several host keys is asked for the one that is
 * pinned, as OpenSSH does; `pinnedType` is null when none is.
 */
export function offeredAlgorithms(pinnedType: string | null): Algorithms {
  const wanted = pinnedType === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : pinnedType === null ? [] : [pinnedType];
  const first = wanted as ServerHostKeyAlgorithm[];
  return {
    // The peer would choose the prime. To test one of 8192 bits that is not a well-known one takes OpenSSL half a minute, in
    // which nothing else runs and no signal is heard. Every server since 2011 knows another way.
    kex: without('diffie-hellman-group-exchange-sha256'),
    cipher: cipherOrder(),
    hmac: without('hmac-sha1', 'hmac-sha1-etm@openssh.com'),
    // A few megabytes of traffic would become gigabytes of memory.
    compress: ['none'],
    // An RSA key signs with SHA-2 or not at all. What is taken out is put in front again, in this order.
    serverHostKey: { ...without<ServerHostKeyAlgorithm>('ssh-rsa', ...first), prepend: first },
  };
}

function without<Name>(...names: Name[]): { remove: Name[]; prepend: Name[]; append: Name[] } {
  return { remove: names, prepend: [], append: [] };
}
