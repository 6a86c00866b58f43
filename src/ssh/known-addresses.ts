import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Candidate } from './login-attempt.js';

/**
 * Where the last login to each instance was accepted. It decides only what is tried first: whether an address is still
 * the instance's says the API, and who answers there says the host key.
 */
export class KnownAddresses {
  private readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  last(instanceId: string): Candidate | null {
    try {
      return readAddress(JSON.parse(readFileSync(this.file(instanceId), 'utf8')));
    } catch {
      return null;
    }
  }

  /** The candidates, with the one that was accepted last time in front when it is still one of them. */
  inOrder(instanceId: string, candidates: readonly Candidate[]): { candidates: Candidate[]; isKnown: boolean } {
    const last = this.last(instanceId);
    const first = candidates.find((one) => last !== null && isSame(one, last));
    if (first === undefined) return { candidates: [...candidates], isKnown: false };
    return { candidates: [first, ...candidates.filter((one) => one !== first)], isKnown: true };
  }

  /** A memory that cannot be written must not fail a login that has succeeded. */
  remember(instanceId: string, { host, port, via }: Candidate): void {
    const last = this.last(instanceId);
    if (last !== null && isSame(last, { host, port, via })) return;
    try {
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      writeFileSync(this.file(instanceId), `${JSON.stringify({ host, port, via })}\n`, { mode: 0o600 });
    } catch {
      // Then the next login begins with the best guess again, as it does after half a file.
    }
  }

  forget(instanceId: string): void {
    rmSync(this.file(instanceId), { force: true });
  }

  private file(instanceId: string): string {
    return join(this.directory, `${instanceId.replace(/[^\w-]/gu, '_')}.json`);
  }
}

function isSame(one: Candidate, other: Candidate): boolean {
  return one.host === other.host && one.port === other.port && one.via === other.via;
}

function readAddress(value: unknown): Candidate | null {
  const { host, port, via } = value as Record<string, unknown>;
  const isWhole = typeof host === 'string' && typeof port === 'number' && (via === 'direct' || via === 'proxy');
  return isWhole ? { host, port, via } : null;
}
