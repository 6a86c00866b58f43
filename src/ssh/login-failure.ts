import { EXIT, ForgeError } from '../errors.js';
import { VIOLATION } from './peer-limits.js';

/** How far a login had come when it failed. */
export type LoginPhase = 'connecting' | 'handshake' | 'login';

interface RawFailure {
  code?: string;
  level?: string;
  message?: string;
}

/** Not an error of the wire: the deadline of the login has passed. */
export const DEADLINE = 'EDEADLINE';

const UNREACHABLE = new Set(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EADDRNOTAVAIL']);

/** Which of name, network, handshake and key failed at one address, and what to do about it. */
export function describeLoginFailure(
  address: { host: string; port: number; via: string },
  raw: RawFailure,
  at: { phase: LoginPhase; offered: readonly string[]; instanceId: string },
): ForgeError {
  const where = `${address.host}:${address.port}`;
  const { code, message, hint } = explain(address.host, where, raw, at);
  return new ForgeError(`SSH login failed: ${message}.`, {
    code,
    exit: EXIT.sshFailed,
    hint,
    cause: raw,
    details: { address: where, via: address.via, offered_keys: [...at.offered] },
  });
}

interface Explanation {
  code: string;
  message: string;
  /** Ends with what to type. */
  hint: string;
}

function explain(
  host: string,
  where: string,
  raw: RawFailure,
  { phase, offered, instanceId }: { phase: LoginPhase; offered: readonly string[]; instanceId: string },
): Explanation {
  const soon = `Right after a start this passes within a minute: forgectl wait ${instanceId} --for ssh`;
  if (raw.code === 'ENOTFOUND' || raw.code === 'EAI_AGAIN') {
    const hint = `Check the network and its DNS. Where the machine is now: forgectl show ${instanceId}`;
    return { code: 'SSH_NAME', message: `the name ${host} is not known`, hint };
  }
  if (raw.code === 'ECONNREFUSED')
    return {
      code: 'SSH_PORT',
      message: `port ${where.slice(host.length + 1)} of ${host} refuses connections`,
      hint: soon,
    };
  const firewall = `A firewall may be in the way, or the host is overloaded: forgectl show ${instanceId}`;
  if (raw.code !== undefined && UNREACHABLE.has(raw.code))
    return { code: 'SSH_NETWORK', message: `${where} cannot be reached (${raw.code})`, hint: firewall };
  if (raw.code === VIOLATION)
    return { code: 'SSH_PROTOCOL', message: violationOf(where, raw.message ?? ''), hint: NOT_YOURS };
  const missing = /no matching (.{1,40})$/u.exec(raw.message ?? '')?.[1];
  if (missing !== undefined)
    return {
      code: 'SSH_ALGORITHMS',
      message: `${where} knows no ${missing} that is safe enough`,
      hint: `Its sshd is too old, or not one of the platform's. What it is: forgectl show ${instanceId}`,
    };
  if (isRefusedKey(raw)) return refusedKey(where, offered, instanceId);
  if (raw.code === DEADLINE) return late(where, phase, { soon, firewall });
  return { code: 'SSH_HANDSHAKE', message: `${where} broke off the ${phaseName(phase)}`, hint: soon };
}

const NOT_YOURS = 'No SSH server does that by itself. Rent another machine: forgectl offers';

function violationOf(where: string, why: string): string {
  return `${where} broke the SSH protocol: ${why}`;
}

/** The peer did what no server may, on a connection that stood. */
export function brokenProtocol(why: string): ForgeError {
  return new ForgeError(`The SSH connection was ended: ${violationOf('the machine', why)}.`, {
    code: 'SSH_PROTOCOL',
    exit: EXIT.sshFailed,
    hint: NOT_YOURS,
  });
}

function isRefusedKey({ level, message }: RawFailure): boolean {
  return level === 'client-authentication' || /too many authentication failures/iu.test(message ?? '');
}

function refusedKey(where: string, offered: readonly string[], instanceId: string): Explanation {
  const keys = offered.length === 0 ? 'there was no key to offer' : `it was offered ${offered.join(', ')}`;
  return {
    code: 'SSH_AUTH',
    message: `${where} refused the key; ${keys}`,
    hint: `Put it on the instance: forgectl keys repair ${instanceId} (a new key can take a minute to arrive). Another key: --ssh-key FILE`,
  };
}

function late(where: string, phase: LoginPhase, { soon, firewall }: { soon: string; firewall: string }): Explanation {
  if (phase === 'connecting')
    return { code: 'SSH_NETWORK', message: `${where} did not answer in time`, hint: firewall };
  const stuck =
    phase === 'handshake'
      ? 'accepted the connection, but did not finish the SSH handshake'
      : 'did not answer the login';
  return { code: 'SSH_HANDSHAKE', message: `${where} ${stuck} in time`, hint: soon };
}

function phaseName(phase: LoginPhase): string {
  return phase === 'login' ? 'login' : 'handshake';
}

/** Of several addresses' failures the one to show. */
const ORDER = [
  'SSH_HOST_KEY_CHANGED',
  'SSH_HOST_KEY_UNREADABLE',
  'SSH_AUTH',
  'SSH_PROTOCOL',
  'SSH_ALGORITHMS',
  'SSH_HANDSHAKE',
  'SSH_PORT',
  'SSH_NETWORK',
  'SSH_NAME',
];

/**
 * A changed host key outranks everything; then "you may not", which means that the address was right. A guessed address
 * may be a stranger's: what it says counts only when there is nothing else.
 */
export function mostTelling(failures: readonly { error: unknown; isGuess: boolean }[]): unknown {
  const rank = ({ error, isGuess }: { error: unknown; isGuess: boolean }): number => {
    const at = error instanceof ForgeError ? ORDER.indexOf(error.code) : -1;
    return (at === -1 ? ORDER.length : at) + (isGuess ? 100 : 0);
  };
  return [...failures].sort((one, other) => rank(one) - rank(other))[0]?.error;
}

/** The connection stood, and something on it failed. `why` may hold the machine's own words. */
export function connectionLost(why: string, code = 'SSH_LOST'): ForgeError {
  const text = why.replace(/\p{Cc}+/gu, ' ').slice(0, 300);
  return new ForgeError(`The SSH connection failed: ${text}.`, { code, exit: EXIT.sshFailed, hint: 'Try again.' });
}
