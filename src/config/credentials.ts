import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';
import { type Paths, writePrivateFile } from './paths.js';
import { Secret } from './secret.js';

export interface Credential {
  key: Secret;
  /** Where it came from, in words. Never the key. */
  source: string;
  /** Set when other users of this computer can read the file. */
  warning: string | null;
}

/**
 * Own variable, official variable, login's file, the official client's files, the instance's own key. A variable is a key of
 * one endpoint: it goes to no other context than the one that was named beside it.
 */
export function resolveCredential({
  context,
  paths,
  env,
}: {
  context: string;
  paths: Paths;
  env: NodeJS.ProcessEnv;
}): Credential | null {
  if (context === 'sandbox') return fromSandbox(paths);
  const own = isMeant(context, env) ? fromVariable(env, 'FORGECTL_API_KEY') : null;
  const official = context === 'vast';
  return (
    own ??
    (official ? fromVariable(env, 'VAST_API_KEY') : null) ??
    fromFile(credentialFile(paths, context), 'forgectl login') ??
    (official
      ? fromFile(
          join(env['XDG_CONFIG_HOME'] || join(paths.home, '.config'), 'vastai', 'vast_api_key'),
          'the official client',
        )
      : null) ??
    (official ? fromFile(join(paths.home, '.vast_api_key'), 'the official client') : null) ??
    (official ? fromVariable(env, 'CONTAINER_API_KEY') : null)
  );
}

/** Null, or why FORGECTL_API_KEY, though it is set, is not used for this context. */
export function keyNotMeant(context: string, env: NodeJS.ProcessEnv): string | null {
  if (context === 'sandbox' || isMeant(context, env) || !env['FORGECTL_API_KEY']?.trim()) return null;
  return `FORGECTL_API_KEY is not sent to ${context}: it counts for vast, or for the context that FORGECTL_CONTEXT names.`;
}

/** Vast's, unless the same environment says otherwise. */
function isMeant(context: string, env: NodeJS.ProcessEnv): boolean {
  return context === (env['FORGECTL_CONTEXT']?.trim() || 'vast');
}

export async function saveCredential(paths: Paths, context: string, typed: string): Promise<string> {
  const file = credentialFile(paths, context);
  await writePrivateFile(file, `${checkedKey(typed)}\n`);
  return file;
}

/** The file that login wrote, or null. */
export function savedCredentialFile(paths: Paths, context: string): string | null {
  const file = credentialFile(paths, context);
  return statSync(file, { throwIfNoEntry: false }) === undefined ? null : file;
}

export function deleteCredential(paths: Paths, context: string): string | null {
  const file = savedCredentialFile(paths, context);
  if (file !== null) rmSync(file);
  return file;
}

/** The key's text without what pasting adds. Throws wrong usage; the message never holds the key. */
export function checkedKey(typed: string): string {
  const key = typed.trim();
  const problem =
    key === ''
      ? 'is empty'
      : /[\s\p{Cc}]/u.test(key)
        ? 'has a space or line break in it'
        : key.length > 512
          ? 'is longer than 512 characters'
          : null;
  if (problem === null) return key;
  throw new ForgeError(`The API key ${problem}.`, {
    code: 'BAD_KEY',
    exit: EXIT.usage,
    hint: 'Copy it again from https://cloud.vast.ai/manage-keys/',
  });
}

function credentialFile(paths: Paths, context: string): string {
  return join(paths.configDir, 'credentials', context);
}

function fromVariable(env: NodeJS.ProcessEnv, name: string): Credential | null {
  const value = env[name]?.trim();
  return value === undefined || value === ''
    ? null
    : { key: new Secret(checkedKey(value)), source: `environment ${name}`, warning: null };
}

function fromFile(file: string, owner: string): Credential | null {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return null;
  }
  if (text.trim() === '') return null;
  const readable = (statSync(file).mode & 0o077) !== 0;
  return {
    key: new Secret(checkedKey(text)),
    source: `file ${file} (${owner})`,
    warning: readable ? `Others on this computer can read your API key: chmod 600 '${file}'` : null,
  };
}

function fromSandbox(paths: Paths): Credential | null {
  try {
    const { api_key: key } = JSON.parse(readFileSync(join(paths.sandboxDir, 'sandbox.json'), 'utf8')) as {
      api_key: string;
    };
    return { key: new Secret(key), source: 'the sandbox', warning: null };
  } catch {
    return null;
  }
}
