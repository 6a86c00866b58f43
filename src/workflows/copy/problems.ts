import { EXIT, ForgeError } from '../../errors.js';
import { quoted } from '../../secrets/sent.js';
import type { Problem } from './side.js';

/** A file ended before the bytes that it had when it was listed. */
export class ShorterThanListed extends Error {}

/** One file on a machine could not be read. */
export class Unreadable extends Error {}

/** Of a failed call of this computer's system; null for any other error. */
export function systemCode(error: unknown): string | null {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return typeof syscall === 'string' && typeof code === 'string' ? code : null;
}

export function readProblem(error: unknown): Problem {
  const code = systemCode(error);
  if (code === null) throw error;
  if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'vanished', detail: null };
  // A link has taken the file's place.
  if (code === 'ELOOP') return { kind: 'changed', detail: null };
  return { kind: 'unreadable', detail: code };
}

export function writeProblem(error: unknown): Problem {
  const code = systemCode(error);
  if (code === null) throw error;
  if (code === 'ENOSPC' || code === 'EDQUOT') throw diskFull('this computer');
  return { kind: 'unwritable', detail: code };
}

/** The folder in which files grow is somebody else's, or cannot be made. */
export function notOurs(reason: string): ForgeError {
  return new ForgeError(`The folder for unfinished files there cannot be used: ${reason}.`, {
    code: 'COPY_NOT_WRITABLE',
    exit: EXIT.notPermitted,
    hint: 'Somebody else may have put something under its name. Choose another place.',
  });
}

/** What a remote command that failed says of it. */
export function commandFailed(
  what: string,
  name: string,
  { exitCode, stderr }: { exitCode: number | null; stderr: string },
): ForgeError {
  if (/No space left on device|Disk quota exceeded/u.test(stderr)) return diskFull(name);
  const last = lastLine(stderr);
  return new ForgeError(`${name} could not ${what}: ${last === '' ? `exit ${exitCode ?? 'by a signal'}` : last}.`, {
    code: 'COPY_FAILED',
    exit: EXIT.partlyFailed,
    hint: GO_ON,
  });
}

export function lastLine(stderr: string): string {
  return quoted(stderr.trim().split('\n').at(-1)?.slice(0, 4096) ?? '');
}

export function diskFull(name: string): ForgeError {
  return new ForgeError(`The disk of ${name} is full.`, { code: 'DISK_FULL', exit: EXIT.notReady, hint: GO_ON });
}

const GO_ON = 'What is in its place is whole. The same line again goes on where this one stopped.';
