import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Paths {
  home: string;
  /** Settings, contexts, credentials, forgectl's own SSH key. */
  configDir: string;
  /** Host keys and other things that forgectl remembers. */
  stateDir: string;
  sandboxDir: string;
}

/** XDG directories on macOS too: the people who use this keep their dotfiles there, and the official client does so. */
export function resolvePaths(env: NodeJS.ProcessEnv, home: string = env['HOME'] || homedir()): Paths {
  const configDir = env['FORGECTL_CONFIG_DIR'] || join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'forgectl');
  const stateDir =
    env['FORGECTL_STATE_DIR'] || join(env['XDG_STATE_HOME'] || join(home, '.local', 'state'), 'forgectl');
  return { home, configDir, stateDir, sandboxDir: env['FORGECTL_SANDBOX_DIR'] || join(stateDir, 'sandbox') };
}

/** Writes the whole file or nothing, 0600, flushed, in directories that only the user can open. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const { default: writeFileAtomic } = await import('write-file-atomic');
  await writeFileAtomic(path, text, { mode: 0o600 });
}

/** The names in a directory as they are now survive a loss of power. */
export function flushDirectory(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
