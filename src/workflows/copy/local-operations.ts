import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
} from 'node:fs';
import { type BytePath, joinPath, parentOf, toBytes } from '../../instance/files/byte-path.js';
import { type Operation, PART_PREFIX } from '../../instance/files/operations.js';
import { permissionBits } from '../../instance/files/tree-entry.js';

/** What `applyCommand` does on a machine. */
export function applyLocally(base: BytePath, operations: readonly Operation[]): { index: number; reason: string }[] {
  const failed: { index: number; reason: string }[] = [];
  for (const [index, operation] of operations.entries()) {
    try {
      change(base, operation);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      failed.push({ index, reason: code });
    }
  }
  return failed;
}

type Does = { [D in Operation['do']]: (operation: Extract<Operation, { do: D }>, at: At) => void };
type At = (path: BytePath) => Buffer;

const DOES: Does = {
  mkdir: ({ path }, at) => {
    if (!isDirectory(at(path))) mkdirSync(at(path), 0o700);
  },
  own: ({ path }, at) => {
    if (!isOwnDirectory(at(path))) mkdirSync(at(path), 0o700);
  },
  rename: ({ from, path }, at) => renameSync(at(from), at(path)),
  symlink: ({ target, path }, at) => replace(path, at, (draft) => symlinkSync(toBytes(target), draft)),
  link: ({ from, path }, at) => replace(path, at, (draft) => linkSync(at(from), draft)),
  chmod: ({ mode, path }, at) => chmodSync(at(path), permissionBits(mode)),
  touch: ({ mtimeNs, path }, at) => lutimesSync(at(path), timeOf(mtimeNs), timeOf(mtimeNs)),
  chown: ({ owner, path }, at) => chownSync(at(path), owner.uid, owner.gid),
  create: ({ path }, at) => {
    const { O_WRONLY, O_CREAT, O_NOFOLLOW } = constants;
    closeSync(openSync(at(path), O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600));
  },
  truncate: ({ size, path }, at) => truncateSync(at(path) as never, size),
  rmdir: ({ path }, at) => rmdirSync(at(path)),
  remove: ({ path }, at) => rmSync(at(path) as never, { recursive: true, force: true }),
};

function change<D extends Operation['do']>(base: BytePath, operation: Extract<Operation, { do: D }>): void {
  DOES[operation.do as D](operation, (path) => toBytes(joinPath(base, path)));
}

/** Node sets whole microseconds at best, and takes times before 1970 as dates only. */
export function timeOf(ns: bigint): number | Date {
  return ns < 0n ? new Date(Number(ns / 1_000_000n)) : Number(ns) / 1e9;
}

function isDirectory(path: Buffer): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Made by this user and closed to all others. A link to a directory is not one. */
function isOwnDirectory(path: Buffer): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isDirectory() === true && stats.uid === process.geteuid?.() && (stats.mode & 0o077) === 0;
}

/** The draft has a name that nobody can have put a trap under, and is gone afterwards, whatever happens. */
function replace(path: BytePath, at: At, make: (draft: Buffer) => void): void {
  const draft = at(joinPath(parentOf(path), `${PART_PREFIX}${randomBytes(8).toString('hex')}` as BytePath));
  make(draft);
  try {
    renameSync(draft, at(path));
  } finally {
    // Two names of the same file: the system leaves both.
    if (lstatSync(draft, { throwIfNoEntry: false }) !== undefined) rmSync(draft as never);
  }
}
