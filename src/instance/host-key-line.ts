import { randomBytes } from 'node:crypto';

/**
 * How a machine proves its host key without being trusted on first sight: a line in front of the onstart script prints the
 * public host keys with a nonce into the container's log, which only the account can read through the API.
 */
const MARK = 'forgectl-host-key';
/** vast-api 4: onstart and args together. */
export const MAX_ONSTART = 4096;

/**
 * In front, in the background: a template's own script (entrypoint.sh) may never return. The keys may be made a moment
 * later than the script starts. Unchanged when the whole would be too long for the API.
 */
export function withHostKeyLine(onstart: string, nonce: string): string {
  const line = `(n=0;while [ $n -lt 90 ];do for k in "\${FORGECTL_ROOT-}"/etc/ssh/ssh_host_*_key.pub;do [ -s "$k" ]&&{ read -r t b _ <"$k";echo "${MARK} ${nonce} $t $b";n=99;};done;n=$((n+1));sleep 1;done)&`;
  const [first = '', ...rest] = onstart.split('\n');
  const whole = first.startsWith('#!') ? [first, line, ...rest].join('\n') : `${line}\n${onstart}`;
  return whole.length > MAX_ONSTART ? onstart : whole;
}

export function newNonce(): string {
  return randomBytes(12).toString('hex');
}

/** The nonce that a launch has put into the onstart script, as the API gives the script back; null when it has none. */
export function nonceOf(onstart: string | null): string | null {
  return new RegExp(`${MARK} ([0-9a-f]{16,64}) `, 'u').exec(onstart ?? '')?.[1] ?? null;
}

/** The host keys that were printed with that nonce, as "type base64". */
export function parseHostKeyLines(log: string, nonce: string): string[] {
  const line = new RegExp(`${MARK} ${nonce} ([a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})(?:\\s|$)`, 'gu');
  return [...new Set([...log.matchAll(line)].map(([, type, key]) => `${type} ${key}`))];
}
