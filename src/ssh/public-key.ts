import { withoutEnd, withoutEnds } from '../text-ends.js';
import { fingerprint } from './host-keys.js';

/** One public key, checked down to the lengths of its parts. */
export interface PublicKey {
  type: string;
  /** "type base64", what two lines must share to be the same key. */
  core: string;
  /** As it is registered: core and, when there is one, a comment of plain characters. */
  line: string;
  /** The comment as it was written, which may be anything but a line break; null when there is none. */
  comment: string | null;
  /** "SHA256:…", as OpenSSH prints it. */
  fingerprint: string;
}

/** Why a text is not one public key, as the end of a sentence: "it is empty". */
export interface NoPublicKey {
  problem: string;
  isPrivate: boolean;
}

/** Far above an RSA key of 16384 bits. */
const MAX_LENGTH = 16_384;
/** Armour of every private format, and the head of OpenSSH's own when the armour was lost in copying. */
const PRIVATE = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|PuTTY-User-Key-File-|b3BlbnNzaC1rZXktdjE/u;
const SSH2_ARMOUR = /^-{4} BEGIN SSH2 PUBLIC KEY -{4}$([\s\S]*?)^-{4} END SSH2 PUBLIC KEY -{4}$/mu;

const CURVE_POINT_BYTES: Record<string, number> = { nistp256: 65, nistp384: 97, nistp521: 133 };
const LEAST_RSA_BITS = 1024;

/** Reads a .pub file, a line of authorized_keys without options, or the SSH2 format. Never throws. */
export function parsePublicKey(text: string): PublicKey | NoPublicKey {
  if (PRIVATE.test(text)) return { problem: 'it is a private key', isPrivate: true };
  if (text.length > MAX_LENGTH) return no('it is too long for a public key');
  const armoured = SSH2_ARMOUR.exec(text.replace(/\r\n?/gu, '\n'));
  if (armoured !== null) return fromArmour(armoured[1] ?? '');
  const lines = text
    .replace(/^\uFEFF/u, '')
    .split(/[\r\n\u2028\u2029]+/u)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const [line, ...more] = lines;
  if (line === undefined) return no('it is empty');
  if (more.length > 0) return no(`it has ${lines.length} lines, and one public key is one line`);
  return fromLine(line);
}

export function isPublicKey(read: PublicKey | NoPublicKey): read is PublicKey {
  return 'core' in read;
}

function fromLine(line: string): PublicKey | NoPublicKey {
  const [, type = '', base64 = '', comment = ''] = /^(\S+)[ \t]+(\S+)(?:[ \t]+(.*))?$/u.exec(line) ?? [];
  if (!isTypeName(type)) {
    return no(
      /\s(ssh-|ecdsa-|sk-)\S+\s+AAAA/u.test(line)
        ? 'options stand in front of the key; give the key alone'
        : 'it is not a public key',
    );
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/u.test(base64)) return no('its middle part is not base64');
  const blob = Buffer.from(base64, 'base64');
  if (withoutEnd(blob.toString('base64'), '=') !== withoutEnd(base64, '='))
    return no('its middle part is not whole base64');
  return fromBlob(type, blob, comment);
}

function fromArmour(body: string): PublicKey | NoPublicKey {
  const unfolded = body.replace(/\\\n/gu, '');
  const comment = /^Comment:(.*)$/imu.exec(unfolded)?.[1]?.trim().replace(/^"|"$/gu, '') ?? '';
  const base64 = unfolded
    .split('\n')
    .filter((line) => !line.includes(':'))
    .join('')
    .replace(/\s+/gu, '');
  const blob = Buffer.from(base64, 'base64');
  const type = fieldsOf(blob)?.[0]?.toString('latin1') ?? '';
  return fromBlob(type, blob, comment);
}

function fromBlob(type: string, blob: Buffer, comment: string): PublicKey | NoPublicKey {
  const problem = problemOf(type, blob);
  if (problem !== null) return no(problem);
  const core = `${type} ${blob.toString('base64')}`;
  const plain = withoutEnds(comment.replace(/[^\w@.+-]+/gu, '-'), '-').slice(0, 100);
  return {
    type,
    core,
    line: plain === '' ? core : `${core} ${plain}`,
    comment: comment.trim() === '' ? null : comment.trim(),
    fingerprint: fingerprint(blob),
  };
}

/** The parts of each kind of key (RFC 4253 6.6, RFC 5656, RFC 8709, openssh PROTOCOL.u2f). */
function problemOf(type: string, blob: Buffer): string | null {
  if (/-cert-v0\d@openssh\.com$/u.test(type)) return 'it is a certificate; give the key that it is made for';
  if (type === 'ssh-dss') return 'it is a DSA key, which SSH servers no longer take';
  const fields = fieldsOf(blob);
  if (fields === null) return 'it is cut off, or has something at its end';
  const [name, ...parts] = fields;
  if (name?.toString('latin1') !== type) return `it says ${type} in front and is something else inside`;
  switch (type) {
    case 'ssh-ed25519':
      return fits(parts.length === 1 && parts[0]?.length === 32);
    case 'sk-ssh-ed25519@openssh.com':
      return fits(parts.length === 2 && parts[0]?.length === 32);
    case 'ssh-rsa':
      if (parts.length !== 2) return fits(false);
      return bitsOf(parts[1]) < LEAST_RSA_BITS ? 'its RSA key is too short to be taken by a server' : null;
    default:
      return problemOfCurve(type, parts);
  }
}

function problemOfCurve(type: string, parts: readonly Buffer[]): string | null {
  const isSecurityKey = type.startsWith('sk-');
  const curve = /^(?:sk-)?ecdsa-sha2-(nistp\d+)(?:@openssh\.com)?$/u.exec(type)?.[1] ?? '';
  const bytes = CURVE_POINT_BYTES[curve];
  if (bytes === undefined) return `${type} is not a kind of key that SSH servers take`;
  const [named, point] = parts;
  const isWhole = parts.length === (isSecurityKey ? 3 : 2) && named?.toString('latin1') === curve;
  return fits(isWhole && point?.length === bytes && point[0] === 4);
}

function fits(isRight: boolean): string | null {
  return isRight ? null : 'its parts do not have the lengths of such a key';
}

/** The strings that the blob is made of, to its last byte; null when they do not fit. */
function fieldsOf(blob: Buffer): Buffer[] | null {
  const fields: Buffer[] = [];
  let at = 0;
  while (at < blob.length) {
    if (at + 4 > blob.length) return null;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return null;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields.length === 0 ? null : fields;
}

function bitsOf(number: Buffer | undefined): number {
  const first = number?.findIndex((byte) => byte !== 0) ?? -1;
  if (number === undefined || first === -1) return 0;
  return (number.length - first) * 8 - Math.clz32(number[first] ?? 0) + 24;
}

function isTypeName(word: string): boolean {
  return /^(ssh-|ecdsa-|sk-)[\w@.-]+$/u.test(word);
}

function no(problem: string): NoPublicKey {
  return { problem, isPrivate: false };
}
