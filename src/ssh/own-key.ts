import { chmodSync, existsSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { utils as Utils } from 'ssh2';

/** Where forgectl's own ed25519 key lies: made at the first need, without a passphrase, readable by the user alone. */
export async function ensureOwnKey(directory: string): Promise<string> {
  const path = join(directory, 'id_ed25519');
  if (!existsSync(path)) await makeOwnKey(directory, path);
  chmodSync(path, 0o600);
  return path;
}

async function makeOwnKey(directory: string, path: string): Promise<void> {
  const { utils } = (await import('ssh2')).default;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const made = generateKeyPair(utils);
  const draft = join(directory, `.draft-${process.pid}-${process.hrtime.bigint()}`);
  writeFileSync(draft, made.private, { mode: 0o600, flag: 'wx' });
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

/** One in 128 of ssh2's ed25519 pairs cannot be read back, by ssh2 or anybody (mscdex/ssh2 issues 1390 and 1513). */
export function generateKeyPair(utils: typeof Utils): { private: string; public: string } {
  for (;;) {
    const made = utils.generateKeyPairSync('ed25519', { comment: 'forgectl' });
    const parsed = [utils.parseKey(made.private), utils.parseKey(made.public)];
    if (parsed.every((key) => !(key instanceof Error))) return made;
  }
}
