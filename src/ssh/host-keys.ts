import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';

export type HostKeyState = 'pinned' | 'first-seen';

/** One pin an instance. Ports are recycled between strangers, so a pin belongs to the contract, never to host and port. */
export class HostKeys {
  private readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Remembers the key at the first sight. Throws when a known instance shows another key. */
  verify(instanceId: string, key: Buffer): HostKeyState {
    const shown = key.toString('base64');
    const pinned = this.read(instanceId);
    if (pinned === null) {
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      writeFileSync(this.file(instanceId), `${shown}\n`, { mode: 0o600 });
      return 'first-seen';
    }
    if (pinned === shown) return 'pinned';
    throw new ForgeError(
      `The host key of instance ${instanceId} has changed: ${fingerprint(Buffer.from(pinned, 'base64'))} was pinned, ${fingerprint(key)} is shown. Another machine may be answering at its address.`,
      {
        code: 'SSH_HOST_KEY_CHANGED',
        exit: EXIT.sshFailed,
        hint: `If you recycled it in the console, forget the old key: rm '${this.file(instanceId)}'`,
        details: { instance_id: instanceId },
      },
    );
  }

  /** After a recycle that forgectl asked for: the next key is new by right. */
  forget(instanceId: string): void {
    rmSync(this.file(instanceId), { force: true });
  }

  private read(instanceId: string): string | null {
    try {
      return readFileSync(this.file(instanceId), 'utf8').trim() || null;
    } catch {
      return null;
    }
  }

  private file(instanceId: string): string {
    return join(this.directory, instanceId.replace(/[^\w.-]/gu, '_'));
  }
}

/** As OpenSSH prints it. */
function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/u, '')}`;
}
