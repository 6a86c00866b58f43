import { readFileSync } from 'node:fs';
import type { ParsedKey } from 'ssh2';
import { EXIT, ForgeError } from '../errors.js';

/** A private key file as it lies there; it is only read. */
export interface KeyFile {
  path: string;
  text: string;
  /** "type base64 comment"; null when the file is encrypted as a whole and has no .pub beside it. */
  publicKey: string | null;
  isLocked: boolean;
  /** The file holds a public key only. */
  isPublic: boolean;
}

export async function readKeyFile(path: string): Promise<KeyFile> {
  const { utils } = (await import('ssh2')).default;
  const text = readText(path);
  const parsed = utils.parseKey(text);
  const publicText = publicFileOf(path);
  if (parsed instanceof Error) {
    if (!/passphrase|encrypted/iu.test(parsed.message))
      throw badKey(path, 'it is not a private key that forgectl can read', parsed);
    const blob = embeddedPublicKey(text);
    const line = blob === null ? null : utils.parseKey(blob);
    const publicKey = line === null || line instanceof Error ? null : publicLine(first(line), commentOf(publicText));
    return { path, text, publicKey: publicKey ?? parsePublicLine(publicText ?? ''), isLocked: true, isPublic: false };
  }
  const key = first(parsed);
  const comment = key.comment || commentOf(publicText);
  return { path, text, publicKey: publicLine(key, comment), isLocked: false, isPublic: !key.isPrivateKey() };
}

/** The public line of a locked key, which proves that the passphrase is right. */
export async function unlockKeyFile(file: KeyFile, passphrase: string): Promise<string> {
  const { utils } = (await import('ssh2')).default;
  const parsed = utils.parseKey(file.text, passphrase);
  if (parsed instanceof Error) throw badKey(file.path, 'the passphrase is wrong', parsed);
  return file.publicKey ?? publicLine(first(parsed), first(parsed).comment || 'forgectl');
}

export function publicLine(key: { type: string; getPublicSSH(): Buffer | string }, comment: string): string {
  const blob = Buffer.from(key.getPublicSSH() as Buffer);
  return `${key.type} ${blob.toString('base64')} ${comment.replace(/[^\w@.+-]+/gu, '-').slice(0, 100) || 'forgectl'}`;
}

/** One line of a .pub file, made regular; null when it is none. Options of authorized_keys are not read. */
export function parsePublicLine(text: string): string | null {
  const match = /^[ \t]{0,64}([a-z][\w@.-]{1,64})[ \t]{1,64}([A-Za-z0-9+/]{1,16384}={0,2})(?:[ \t](.*))?$/mu.exec(text);
  if (match === null) return null;
  const [, type = '', base64 = '', comment = ''] = match;
  const blob = Buffer.from(base64, 'base64');
  // The key's bytes begin with its own type: a truncated or mixed up line does not.
  if (blob.length < 4 || blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1') !== type) return null;
  return publicLine({ type, getPublicSSH: () => blob }, comment.trim());
}

export function badKey(path: string, why: string, cause?: unknown): ForgeError {
  return new ForgeError(`The SSH key ${path} cannot be used: ${why}.`, {
    code: 'BAD_SSH_KEY',
    exit: EXIT.usage,
    hint: "Check --ssh-key, or leave it out to use forgectl's own key.",
    cause,
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw badKey(path, `it cannot be read (${(error as NodeJS.ErrnoException).code})`, error);
  }
}

function publicFileOf(path: string): string | null {
  try {
    return readFileSync(`${path}.pub`, 'utf8');
  } catch {
    return null;
  }
}

function commentOf(publicText: string | null): string {
  return parsePublicLine(publicText ?? '')?.split(' ')[2] ?? 'forgectl';
}

function first(parsed: ParsedKey | ParsedKey[]): ParsedKey {
  return (Array.isArray(parsed) ? parsed[0] : parsed) as ParsedKey;
}

/** OpenSSH's own format keeps the public half in the clear (openssh: PROTOCOL.key): cipher, kdf, kdf options, count, key. */
function embeddedPublicKey(text: string): Buffer | null {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+?)-----END/u.exec(text)?.[1];
  if (body === undefined) return null;
  const bytes = Buffer.from(body, 'base64');
  let at = 'openssh-key-v1\0'.length;
  const next = (): Buffer => {
    const length = bytes.readUInt32BE(at);
    at += 4 + length;
    return bytes.subarray(at - length, at);
  };
  try {
    for (let skipped = 0; skipped < 3; skipped += 1) next();
    at += 4;
    return next();
  } catch {
    return null;
  }
}
