import { existsSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { EXIT, ForgeError } from '../errors.js';
import { expandHome, findIdentity, type Identity, isSameKey } from '../ssh/identity.js';
import { readKeyFile } from '../ssh/key-file.js';
import { isPublicKey, type PublicKey, parsePublicKey } from '../ssh/public-key.js';
import { cleanLine } from '../ui/sanitize.js';
import type { ForgeContext } from './context.js';
import { identityOptions } from './machine-access.js';

/** A key as it was named on the line. */
export interface NamedKey {
  key: PublicKey;
  /** Its private half, to log in with; null when this computer does not have it. */
  identity: Identity | null;
  description: string;
}

const MAX_BYTES = 64 * 1024;

/** The public key of a file or of stdin ("-"). A private key is refused, unless its public half lies beside it. */
export async function readPublicKey(context: ForgeContext, file: string): Promise<PublicKey> {
  const path = file === '-' ? '-' : expandHome(file, context.paths.home);
  const name = file === '-' ? 'What came on stdin' : cleanLine(file);
  const read = parsePublicKey(await readSome(path, name));
  if (isPublicKey(read)) return read;
  if (!read.isPrivate) throw badPublicKey(`${name} cannot be used: ${read.problem}.`);
  if (path === '-' || !existsSync(`${path}.pub`)) throw privateKey(name);
  context.reporter.info(`${name} is a private key; ${name}.pub is used.`);
  return publicHalf(path, name);
}

/** For `--key`: a private key, or a public one whose private half may be here. Null: what forgectl logs in with. */
export async function readNamedKey(context: ForgeContext, file: string | null): Promise<NamedKey> {
  const isPrivate = file === null || (await isPrivateKey(context, file));
  if (isPrivate) {
    const identity = await context.identity(file ?? context.settings.get('ssh_key'));
    const key = parsePublicKey(identity.publicKey);
    if (!isPublicKey(key)) throw badPublicKey(`The key ${identity.description} cannot be used: ${key.problem}.`);
    return { key, identity, description: identity.description };
  }
  const key = await readPublicKey(context, file);
  return { key, identity: await privateHalf(context, file, key), description: cleanLine(file) };
}

/** The same, where only a login will do. */
export async function loginIdentity(context: ForgeContext, file: string | null): Promise<Identity> {
  const { identity, description } = await readNamedKey(context, file);
  if (identity !== null) return identity;
  throw new ForgeError(`The private half of ${description} is not on this computer, so nobody can log in with it.`, {
    code: 'BAD_SSH_KEY',
    exit: EXIT.usage,
    hint: 'Give the private key, or leave --key out.',
  });
}

async function isPrivateKey(context: ForgeContext, file: string): Promise<boolean> {
  const read = parsePublicKey(await readSome(expandHome(file, context.paths.home), cleanLine(file)));
  return !isPublicKey(read) && read.isPrivate;
}

/** In the agent, or in the file without .pub. */
async function privateHalf(context: ForgeContext, file: string, key: PublicKey): Promise<Identity | null> {
  const options = identityOptions(context, file);
  const held = await findIdentity(options).catch(() => null);
  if (held !== null) return held;
  const path = expandHome(file, context.paths.home);
  const sibling = path.endsWith('.pub') ? path.slice(0, -'.pub'.length) : null;
  if (sibling === null || !existsSync(sibling)) return null;
  const identity = await findIdentity({ ...options, file: sibling });
  return isSameKey(identity.publicKey, key.core) ? identity : null;
}

async function publicHalf(path: string, name: string): Promise<PublicKey> {
  const read = parsePublicKey(await readSome(`${path}.pub`, `${name}.pub`));
  if (!isPublicKey(read)) throw badPublicKey(`${name}.pub cannot be used: ${read.problem}.`);
  const own = await readKeyFile(path).catch(() => null);
  if (own !== null && own.publicKey !== null && !isSameKey(own.publicKey, read.core))
    throw badPublicKey(`${name}.pub is not the public half of ${name}.`);
  return read;
}

async function readSome(path: string, name: string): Promise<string> {
  if (path === '-') return readStdin();
  try {
    const about = await stat(path);
    if (!about.isFile()) throw badPublicKey(`${name} is not a file.`);
    const handle = await open(path);
    try {
      const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(MAX_BYTES), position: 0 });
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof ForgeError) throw error;
    throw badPublicKey(`${name} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

async function readStdin(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += chunk as string;
    if (text.length > MAX_BYTES) break;
  }
  return text;
}

function privateKey(name: string): ForgeError {
  return new ForgeError(`${name} is a private key, which never leaves its computer.`, {
    code: 'PRIVATE_KEY',
    exit: EXIT.usage,
    hint: 'Give its public half, the file with .pub. To write one: ssh-keygen -y -f KEY > KEY.pub',
  });
}

function badPublicKey(message: string): ForgeError {
  return new ForgeError(message, {
    code: 'BAD_PUBLIC_KEY',
    exit: EXIT.usage,
    hint: 'A public key is one line like "ssh-ed25519 AAAA… name", as in ~/.ssh/id_ed25519.pub.',
  });
}
