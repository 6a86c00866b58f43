import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';

/** A key to log in with. */
export interface Identity {
  /** The public key line, as it is registered: "ssh-ed25519 AAAA… comment". */
  publicKey: string;
  /** "~/.ssh/id_ed25519", "agent", "forgectl's own key": for people. */
  description: string;
  /** Where the private key lies, for `ssh -i`; null when the agent holds it. */
  path: string | null;
  /** PEM text; null when the agent holds the key. */
  privateKey: string | null;
  /** Path of the agent's socket when the agent holds the key. */
  agentSocket: string | null;
  passphrase: string | null;
}

export interface IdentityOptions {
  /** A private key file that the user named; nothing else is tried then. */
  file: string | null;
  /** Where forgectl's own key is, or is made on first need. */
  ownKeyDir: string;
  env: NodeJS.ProcessEnv;
  home: string;
  /** Asks for the passphrase of an encrypted key; null when nobody can be asked. */
  askPassphrase: ((path: string) => Promise<string>) | null;
}

/** DESIGN 5: the named file, the agent, forgectl's own key. The agent counts when it holds a key that every host takes. */
export async function findIdentity(options: IdentityOptions): Promise<Identity> {
  if (options.file !== null) return fromFile(expandHome(options.file, options.home), options);
  const agent = await fromAgent(options.env['SSH_AUTH_SOCK']);
  return agent ?? ownIdentity(options.ownKeyDir);
}

async function fromFile(path: string, { askPassphrase }: IdentityOptions): Promise<Identity> {
  const { utils } = (await import('ssh2')).default;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw badKey(path, `it cannot be read (${(error as NodeJS.ErrnoException).code})`, error);
  }
  let parsed = utils.parseKey(text);
  let passphrase: string | null = null;
  if (parsed instanceof Error && /passphrase|encrypted/iu.test(parsed.message)) {
    if (askPassphrase === null)
      throw badKey(path, 'it is encrypted, and there is no terminal to ask for its passphrase on');
    passphrase = await askPassphrase(path);
    parsed = utils.parseKey(text, passphrase);
  }
  if (parsed instanceof Error)
    throw badKey(path, passphrase === null ? 'it is not a private key' : 'the passphrase is wrong', parsed);
  const key = Array.isArray(parsed) ? parsed[0] : parsed;
  if (key === undefined || !key.isPrivateKey()) throw badKey(path, 'it is a public key; give the private one');
  return {
    publicKey: publicLine(key, 'forgectl'),
    description: path,
    path,
    privateKey: text,
    agentSocket: null,
    passphrase,
  };
}

function badKey(path: string, why: string, cause?: unknown): ForgeError {
  return new ForgeError(`The SSH key ${path} cannot be used: ${why}.`, {
    code: 'BAD_SSH_KEY',
    exit: EXIT.usage,
    hint: "Check --ssh-key, or leave it out to use forgectl's own key.",
    cause,
  });
}

/** The first ed25519 key of the agent, else its first. Null without a working agent: that is no error. */
async function fromAgent(socket: string | undefined): Promise<Identity | null> {
  if (socket === undefined || socket === '' || !existsSync(socket)) return null;
  const { default: ssh2 } = await import('ssh2');
  const agent = ssh2.createAgent(socket);
  const keys = await new Promise<{ type: string; getPublicSSH(): Buffer; comment?: string }[]>((resolve) => {
    const timer = setTimeout(() => resolve([]), AGENT_LIMIT_MS);
    agent.getIdentities((error, found) => {
      clearTimeout(timer);
      resolve(error || found === undefined ? [] : (found as never));
    });
  });
  const key = keys.find(({ type }) => type === 'ssh-ed25519') ?? keys[0];
  if (key === undefined) return null;
  return {
    publicKey: publicLine(key, key.comment ?? 'agent'),
    description: `agent (${key.comment ?? key.type})`,
    path: null,
    privateKey: null,
    agentSocket: socket,
    passphrase: null,
  };
}

const AGENT_LIMIT_MS = 2000;

/** forgectl's own ed25519 key, without a passphrase, readable by the user alone. Two processes may race to make it. */
async function ownIdentity(directory: string): Promise<Identity> {
  const { utils } = (await import('ssh2')).default;
  const path = join(directory, 'id_ed25519');
  if (!existsSync(path)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const made = utils.generateKeyPairSync('ed25519', { comment: 'forgectl' });
    const draft = join(directory, `.draft-${process.pid}-${Date.now()}`);
    writeFileSync(draft, made.private, { mode: 0o600 });
    try {
      // A link fails when the name exists: whoever came first wins, and both read the same key.
      linkSync(draft, path);
      writeFileSync(`${path}.pub`, `${made.public}\n`, { mode: 0o644 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft, { force: true });
    }
  }
  chmodSync(path, 0o600);
  const text = readFileSync(path, 'utf8');
  const key = utils.parseKey(text);
  if (key instanceof Error) throw badKey(path, key.message, key);
  const parsed = Array.isArray(key) ? key[0] : key;
  return {
    publicKey: publicLine(parsed as never, 'forgectl'),
    description: "forgectl's own key",
    path,
    privateKey: text,
    agentSocket: null,
    passphrase: null,
  };
}

function publicLine(key: { type: string; getPublicSSH(): Buffer }, comment: string): string {
  return `${key.type} ${key.getPublicSSH().toString('base64')} ${comment.replace(/[^\w@.+-]+/gu, '-')}`;
}

/** Two lines are the same key when type and base64 agree; comments differ. */
export function isSameKey(one: string, other: string): boolean {
  const core = (line: string): string => line.trim().split(/\s+/u).slice(0, 2).join(' ');
  return core(one) !== '' && core(one) === core(other);
}

function expandHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path;
}
