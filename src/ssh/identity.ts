import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type AgentKey, listAgentKeys } from './agent.js';
import { badKey, type KeyFile, publicLine, readKeyFile, unlockKeyFile } from './key-file.js';
import { ensureOwnKey } from './own-key.js';

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
  /** Asks for the passphrase, once, when a server has refused all keys before it; absent when the key is open. */
  unlock?: () => Promise<string>;
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

/** sshd hangs up after 6 refused keys (MaxAuthTries), and forgectl's own must have its turn. */
const MAX_AGENT_KEYS = 3;
const USUAL_NAMES = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** The key to register and to log in with: the named file, the agent's, or forgectl's own. */
export async function findIdentity(options: IdentityOptions): Promise<Identity> {
  if (options.file !== null) return namedIdentity(expandHome(options.file, options.home), options);
  const [agent] = await agentIdentities(options);
  return agent ?? ownIdentity(options.ownKeyDir);
}

/** All keys in DESIGN 5's order, for a machine that somebody else has set up. A named file stands alone. */
export async function findIdentities(options: IdentityOptions): Promise<Identity[]> {
  if (options.file !== null) return [await findIdentity(options)];
  const own = await ownIdentity(options.ownKeyDir);
  const all = [...(await agentIdentities(options)), own, ...(await usualIdentities(options))];
  return all.filter((one, index) => all.findIndex((other) => isSameKey(one.publicKey, other.publicKey)) === index);
}

async function namedIdentity(path: string, options: IdentityOptions): Promise<Identity> {
  const file = await readKeyFile(path);
  if (!file.isLocked && !file.isPublic) return fileIdentity(file, path);
  // As with ssh: a key that the agent holds needs no passphrase, and its public half is enough to name it.
  const held = (await agentIdentities(options, Number.POSITIVE_INFINITY)).find(
    ({ publicKey }) => file.publicKey !== null && isSameKey(publicKey, file.publicKey),
  );
  if (held !== undefined) return held;
  if (file.isPublic)
    throw badKey(path, 'it is a public key, and the agent does not hold its private half; give the private one');
  if (options.askPassphrase === null)
    throw badKey(path, 'it is encrypted, and there is no terminal to ask for its passphrase on');
  const passphrase = await options.askPassphrase(path);
  const publicKey = await unlockKeyFile(file, passphrase);
  return { ...fileIdentity({ ...file, publicKey }, path), passphrase };
}

/** Keys that a user usually has. One that cannot be read, or asked for, is passed over: others exist. */
async function usualIdentities({ home, askPassphrase }: IdentityOptions): Promise<Identity[]> {
  const found: Identity[] = [];
  for (const name of USUAL_NAMES) {
    const path = join(home, '.ssh', name);
    const file = existsSync(path) ? await readKeyFile(path).catch(() => null) : null;
    if (file === null || file.isPublic || file.publicKey === null) continue;
    if (!file.isLocked) found.push(fileIdentity(file, path));
    else if (askPassphrase !== null) found.push({ ...fileIdentity(file, path), unlock: askOnce(file, askPassphrase) });
  }
  return found;
}

/** However many addresses and connections need it, the user types it once. */
function askOnce(file: KeyFile, ask: (path: string) => Promise<string>): () => Promise<string> {
  let answer: Promise<string> | null = null;
  return () => {
    answer ??= ask(file.path).then(async (passphrase) => {
      await unlockKeyFile(file, passphrase);
      return passphrase;
    });
    return answer;
  };
}

async function ownIdentity(directory: string): Promise<Identity> {
  const path = await ensureOwnKey(directory);
  return fileIdentity(await readKeyFile(path), "forgectl's own key");
}

function fileIdentity(file: KeyFile, description: string): Identity {
  return {
    publicKey: file.publicKey ?? '',
    description,
    path: file.path,
    privateKey: file.text,
    agentSocket: null,
    passphrase: null,
  };
}

/** Without a working agent there are none: that is no error. ed25519 first, which every host takes. */
async function agentIdentities({ env }: IdentityOptions, limit = MAX_AGENT_KEYS): Promise<Identity[]> {
  const socket = env['SSH_AUTH_SOCK'];
  if (socket === undefined || socket === '' || !existsSync(socket)) return [];
  const modernFirst = (key: AgentKey): number => (key.type === 'ssh-ed25519' ? 0 : 1);
  const keys = (await listAgentKeys(socket)).sort((one, other) => modernFirst(one) - modernFirst(other));
  return keys.slice(0, limit).map((key) => ({
    publicKey: publicLine(key, key.comment || 'agent'),
    description: `agent (${(key.comment || key.type).replace(/\p{Cc}+/gu, ' ')})`,
    path: null,
    privateKey: null,
    agentSocket: socket,
    passphrase: null,
  }));
}

/** Two lines are the same key when type and base64 agree; comments differ. */
export function isSameKey(one: string, other: string): boolean {
  const core = (line: string): string => line.trim().split(/\s+/u).slice(0, 2).join(' ');
  return core(one) !== '' && core(one) === core(other);
}

export function expandHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path;
}
