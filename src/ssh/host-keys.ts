import { createHash } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, ForgeError } from '../errors.js';

export type HostKeyState = 'pinned' | 'first-seen';

interface Pin {
  key: Buffer;
  /** Until then another key is right: the instance was recycled through forgectl. */
  renewUntilMs: number;
  /** The instance has named it through a channel that only its owner can read. */
  isProved: boolean;
  /** When it was pinned; null in files of an earlier forgectl. */
  seenMs: number | null;
  /** When the instance was last asked and named none; null when it was not, or did. */
  unnamedMs: number | null;
}

/** What is known of the host key of one instance. */
export interface PinnedKey {
  /** "type base64" */
  key: string;
  fingerprint: string;
  isProved: boolean;
  seenMs: number | null;
}

/** An instance that names no key now has printed its line out of sight, most likely; asking costs a call and seconds. */
const ASK_AGAIN_MS = 15 * 60_000;

/** A recycled machine shows its new key within this time, or it was no renewal. */
const RENEWAL_MS = 60 * 60_000;
const RENEWAL_MARK = '# forgectl: a new key is expected until ';
const PROVED_MARK = '# forgectl: named by the instance itself';
const UNNAMED_MARK = '# forgectl: named no key when it was asked ';
const SEEN_MARK = '# forgectl: first seen ';

/**
 * One pin an instance. Ports are recycled between strangers, so a pin belongs to the contract, never to host and port.
 * A pin is a known_hosts file that OpenSSH reads: `ssh -o UserKnownHostsFile=FILE -o HostKeyAlias=ALIAS`.
 */
export class HostKeys {
  private readonly directory: string;
  private readonly nowMs: () => number;
  /** New keys that the user has agreed to in this process, by instance. */
  private readonly accepted = new Map<string, string>();

  constructor(directory: string, nowMs: () => number = Date.now) {
    this.directory = directory;
    this.nowMs = nowMs;
  }

  /** Compares without remembering. Throws when a known instance shows another key. */
  check(instanceId: string, key: Buffer): HostKeyState {
    const pin = this.read(instanceId);
    if (pin === null) return 'first-seen';
    if (pin.key.equals(key)) return 'pinned';
    if (this.nowMs() < pin.renewUntilMs || this.accepted.get(instanceId) === fingerprint(key)) return 'first-seen';
    throw this.changed(instanceId, pin.key, key);
  }

  /**
   * The same for a machine of which more is known: `named` are the only keys that the instance has ("type base64"), null
   * when it has not said. At an address that is only guessed, nobody is trusted at first sight.
   */
  assertTrusted(instanceId: string, key: Buffer, at: { named: ReadonlySet<string> | null; isGuess: boolean }): void {
    const state = this.check(instanceId, key);
    const isNamed = at.named?.has(`${keyType(key)} ${key.toString('base64')}`) ?? null;
    if (isNamed === false) throw this.notNamed(instanceId, key);
    if (state === 'first-seen' && isNamed === null && at.isGuess) throw this.onlyGuessed(instanceId);
  }

  /** Remembers the key at the first sight. Throws when a known instance shows another key. */
  verify(instanceId: string, key: Buffer): HostKeyState {
    const state = this.check(instanceId, key);
    if (state === 'pinned') return state;
    // Made whole beside its place: a crash or a second process never leaves or sees half a pin.
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    chmodSync(this.directory, 0o700);
    const draft = this.writeDraft(instanceId, {
      key,
      renewUntilMs: 0,
      isProved: false,
      seenMs: this.nowMs(),
      unnamedMs: null,
    });
    try {
      if (this.read(instanceId) === null) linkSync(draft, this.file(instanceId));
      else renameSync(draft, this.file(instanceId));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      return this.check(instanceId, key);
    } finally {
      rmSync(draft, { force: true });
    }
    return state;
  }

  /**
   * forgectl has asked for a recycle: another key is right for an hour. The old machine may answer a little longer, and
   * must not use the renewal up.
   */
  repin(instanceId: string): void {
    const pin = this.read(instanceId);
    if (pin !== null) this.replace(instanceId, { ...pin, renewUntilMs: this.nowMs() + RENEWAL_MS });
  }

  /** The user has seen both fingerprints and agrees: this key, and no other, is pinned at the next accepted login. */
  accept(instanceId: string, newFingerprint: string): void {
    this.accepted.set(instanceId, newFingerprint);
  }

  /** The pinned key is the instance's own: it was named through the API, not only seen. */
  confirm(instanceId: string): void {
    const pin = this.read(instanceId);
    if (pin === null || pin.isProved) return;
    this.replace(instanceId, { ...pin, isProved: true, unnamedMs: null });
  }

  /** The instance was asked and named no key: it is not asked again for a while. */
  noteUnnamed(instanceId: string): void {
    const pin = this.read(instanceId);
    if (pin !== null && !pin.isProved) this.replace(instanceId, { ...pin, unnamedMs: this.nowMs() });
  }

  /** It was asked a moment ago and named no key. */
  isUnnamed(instanceId: string): boolean {
    const { unnamedMs = null } = this.read(instanceId) ?? {};
    return unnamedMs !== null && Math.abs(this.nowMs() - unnamedMs) < ASK_AGAIN_MS;
  }

  /** Null when no key was seen yet. */
  pinned(instanceId: string): PinnedKey | null {
    const pin = this.read(instanceId);
    if (pin === null) return null;
    const { key, isProved, seenMs } = pin;
    return {
      key: `${keyType(key)} ${key.toString('base64')}`,
      fingerprint: fingerprint(key),
      isProved,
      seenMs,
    };
  }

  /** A key is pinned, and no other one is expected: somebody else may compare with it. */
  isSettled(instanceId: string): boolean {
    const pin = this.read(instanceId);
    return pin !== null && this.nowMs() >= pin.renewUntilMs;
  }

  /** The instance is gone; its number never comes back. */
  forget(instanceId: string): void {
    rmSync(this.file(instanceId), { force: true });
  }

  /** The kind of key to ask the server for, so that a server with several shows the pinned one. */
  pinnedType(instanceId: string): string | null {
    const pin = this.read(instanceId);
    return pin === null ? null : keyType(pin.key);
  }

  file(instanceId: string): string {
    return join(this.directory, safeName(instanceId));
  }

  alias(instanceId: string): string {
    return `forgectl-${safeName(instanceId)}`;
  }

  private replace(instanceId: string, pin: Pin): void {
    renameSync(this.writeDraft(instanceId, pin), this.file(instanceId));
  }

  private writeDraft(instanceId: string, pin: Pin): string {
    const draft = join(this.directory, `.${safeName(instanceId)}-${process.pid}-${process.hrtime.bigint()}`);
    writeFileSync(draft, this.textOf(instanceId, pin), { mode: 0o600 });
    return draft;
  }

  /** OpenSSH passes over the lines with a #. */
  private textOf(instanceId: string, { key, renewUntilMs, isProved, seenMs, unnamedMs }: Pin): string {
    const marks = [
      seenMs === null ? null : `${SEEN_MARK}${new Date(seenMs).toISOString()}`,
      isProved ? PROVED_MARK : null,
      unnamedMs === null ? null : `${UNNAMED_MARK}${new Date(unnamedMs).toISOString()}`,
      renewUntilMs === 0 ? null : `${RENEWAL_MARK}${new Date(renewUntilMs).toISOString()}`,
    ].filter((mark) => mark !== null);
    const line = `${this.alias(instanceId)} ${keyType(key)} ${key.toString('base64')}`;
    return [...marks, line, ''].join('\n');
  }

  /** Null only when there is no pin: one that cannot be read must not count as "never seen". */
  private read(instanceId: string): Pin | null {
    let text: string;
    try {
      text = readFileSync(this.file(instanceId), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw this.unreadable(instanceId, error);
    }
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    const fields = lines.find((line) => !line.startsWith('#'))?.split(/\s+/u) ?? [];
    const key = Buffer.from(fields[2] ?? fields[0] ?? '', 'base64');
    if (keyType(key) === null) throw this.unreadable(instanceId);
    const timeAfter = (mark: string): number | null => {
      const line = lines.find((candidate) => candidate.startsWith(mark));
      return line === undefined ? null : Date.parse(line.slice(mark.length)) || null;
    };
    return {
      key,
      renewUntilMs: timeAfter(RENEWAL_MARK) ?? 0,
      isProved: lines.includes(PROVED_MARK),
      seenMs: timeAfter(SEEN_MARK),
      unnamedMs: timeAfter(UNNAMED_MARK),
    };
  }

  private changed(instanceId: string, pinned: Buffer, shown: Buffer): ForgeError {
    return new ForgeError(
      `The host key of instance ${instanceId} has changed: ${fingerprint(pinned)} was pinned, ${fingerprint(shown)} is shown. Another machine may be answering at its address.`,
      {
        code: 'SSH_HOST_KEY_CHANGED',
        exit: EXIT.sshFailed,
        hint: `If you recycled it in the console: forgectl keys repair ${instanceId} --accept-host-key`,
        details: { instance_id: instanceId, pinned: fingerprint(pinned), shown: fingerprint(shown) },
      },
    );
  }

  private notNamed(instanceId: string, shown: Buffer): ForgeError {
    return new ForgeError(
      `Instance ${instanceId} names other host keys than the one that its address showed: another machine answers there.`,
      {
        code: 'SSH_HOST_KEY_MISMATCH',
        exit: EXIT.sshFailed,
        hint: `Nothing was sent there. What the instance is and where: forgectl show ${instanceId}   To compare and repair: forgectl keys repair ${instanceId}`,
        details: { instance_id: instanceId, shown: fingerprint(shown) },
      },
    );
  }

  private onlyGuessed(instanceId: string): ForgeError {
    return new ForgeError(
      `Somebody answers where instance ${instanceId} might be, and nothing proves that it is the instance.`,
      {
        code: 'SSH_HOST_KEY_UNPROVED',
        exit: EXIT.sshFailed,
        hint: `Right after a start this passes within a minute: forgectl wait ${instanceId} --for ssh`,
        details: { instance_id: instanceId },
      },
    );
  }

  private unreadable(instanceId: string, cause?: unknown): ForgeError {
    return new ForgeError(`The pinned host key of instance ${instanceId} cannot be read: ${this.file(instanceId)}.`, {
      code: 'SSH_HOST_KEY_UNREADABLE',
      exit: EXIT.sshFailed,
      hint: `Put its permissions right, or forget it: rm '${this.file(instanceId)}'`,
      cause,
    });
  }
}

function safeName(instanceId: string): string {
  return instanceId.replace(/[^\w-]/gu, '_');
}

/** The name at the head of the key's own bytes (RFC 4253, 6.6), or null when these are no key. */
function keyType(key: Buffer): string | null {
  const length = key.length < 4 ? 0 : key.readUInt32BE(0);
  const name = key.subarray(4, 4 + length).toString('latin1');
  return length > 0 && key.length > 4 + length && /^[a-z0-9@.-]+$/u.test(name) ? name : null;
}

/** As OpenSSH prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=$/u, '')}`;
}
