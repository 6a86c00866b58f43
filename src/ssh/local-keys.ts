import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listAgentKeys } from './agent.js';
import { expandHome, type IdentityOptions, isSameKey } from './identity.js';
import { publicLine, readKeyFile } from './key-file.js';

/** A key whose private half this computer has. */
export interface LocalKey {
  publicKey: string;
  /** For people: "forgectl's own key", "agent", "~/.ssh/id_ed25519". */
  where: string;
  isOwn: boolean;
}

type Places = Pick<IdentityOptions, 'file' | 'ownKeyDir' | 'env' | 'home'>;

/** What lies in ~/.ssh beside keys, and what is too large to be one. */
const NO_KEYS = /^(known_hosts|authorized_keys|config|environment)|\.pub$/u;
const MAX_BYTES = 64 * 1024;
const MAX_FILES = 200;

/** Looks without making or asking for anything: the named file, the agent, forgectl's own, ~/.ssh. */
export async function listLocalKeys(places: Places): Promise<LocalKey[]> {
  const { file, ownKeyDir, home } = places;
  const found: LocalKey[] = [];
  if (file !== null) found.push(...(await fromFile(expandHome(file, home), file)));
  found.push(...(await agentKeys(places)));
  found.push(...(await fromFile(ownKeyPath(ownKeyDir), "forgectl's own key", true)));
  for (const name of keyFilesIn(join(home, '.ssh')))
    found.push(...(await fromFile(join(home, '.ssh', name), `~/.ssh/${name}`)));
  return found;
}

/** The key that `findIdentity` would choose now; null when none exists yet and one would be made. */
export async function loginKey(places: Places): Promise<LocalKey | null> {
  if (places.file !== null) return (await fromFile(expandHome(places.file, places.home), places.file))[0] ?? null;
  const [agent] = await agentKeys(places);
  return agent ?? (await fromFile(ownKeyPath(places.ownKeyDir), "forgectl's own key", true))[0] ?? null;
}

/** Where the private halves of one key are. */
export function placesOf(publicKey: string, keys: readonly LocalKey[]): string[] {
  return [...new Set(keys.filter((key) => isSameKey(key.publicKey, publicKey)).map(({ where }) => where))];
}

function ownKeyPath(directory: string): string {
  return join(directory, 'id_ed25519');
}

async function fromFile(path: string, where: string, isOwn = false): Promise<LocalKey[]> {
  if (!existsSync(path)) return [];
  const file = await readKeyFile(path).catch(() => null);
  return file === null || file.publicKey === null ? [] : [{ publicKey: file.publicKey, where, isOwn }];
}

/** ed25519 first, as they are offered. */
async function agentKeys({ env }: Places): Promise<LocalKey[]> {
  const socket = env['SSH_AUTH_SOCK'];
  if (socket === undefined || socket === '' || !existsSync(socket)) return [];
  const keys = await listAgentKeys(socket);
  const modern = keys.filter(({ type }) => type === 'ssh-ed25519');
  return [...modern, ...keys.filter((key) => !modern.includes(key))].map((key) => ({
    publicKey: publicLine(key, key.comment || 'agent'),
    where: 'agent',
    isOwn: false,
  }));
}

function keyFilesIn(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => !NO_KEYS.test(name));
    return names.slice(0, MAX_FILES).filter((name) => looksPrivate(join(directory, name)));
  } catch {
    return [];
  }
}

function looksPrivate(path: string): boolean {
  try {
    const about = statSync(path);
    if (!about.isFile() || about.size > MAX_BYTES) return false;
    const handle = openSync(path, 'r');
    try {
      const head = Buffer.alloc(200);
      return head.subarray(0, readSync(handle, head)).includes('PRIVATE KEY-----');
    } finally {
      closeSync(handle);
    }
  } catch {
    return false;
  }
}
