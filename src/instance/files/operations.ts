import { unreadable } from '../unreadable.js';
import type { BytePath } from './byte-path.js';

/** A change of names and attributes. Paths are relative to one directory; each is done, or fails, by itself. */
export type Operation =
  | { do: 'mkdir'; path: BytePath }
  /** A directory of this login's alone (0700). What somebody else has put there, a link too, is a failure. */
  | { do: 'own'; path: BytePath }
  /** Takes the place of a file that is there. */
  | { do: 'rename'; from: BytePath; path: BytePath }
  | { do: 'symlink'; target: BytePath; path: BytePath }
  | { do: 'link'; from: BytePath; path: BytePath }
  | { do: 'chmod'; mode: number; path: BytePath }
  | { do: 'touch'; mtimeNs: bigint; path: BytePath }
  | { do: 'chown'; owner: { uid: number; gid: number }; path: BytePath }
  /** An empty file, unless there is one. */
  | { do: 'create'; path: BytePath }
  /** Never makes a file: done again after the file was moved, it would put zeros in its place. */
  | { do: 'truncate'; size: number; path: BytePath }
  /** With everything below. Only for what a copy has put there itself. */
  | { do: 'remove'; path: BytePath }
  /** Only when it is empty. */
  | { do: 'rmdir'; path: BytePath };

/** Names of what a copy has not finished yet. */
export const PART_PREFIX = '.forgectl-part-';

/** Three fields each: what, how, where. */
export function encodeOperations(operations: readonly Operation[]): Buffer {
  const fields = operations.flatMap((operation) => [operation.do, argumentOf(operation), operation.path || '.']);
  return Buffer.from(fields.map((field) => `${field}\0`).join(''), 'latin1');
}

function argumentOf(operation: Operation): string {
  switch (operation.do) {
    case 'rename':
    case 'link':
      return operation.from;
    case 'symlink':
      return operation.target;
    case 'chmod':
      return operation.mode.toString(8);
    case 'touch':
      return formatTime(operation.mtimeNs);
    case 'chown':
      return `${operation.owner.uid}:${operation.owner.gid}`;
    case 'truncate':
      return String(operation.size);
    default:
      return '';
  }
}

/** "-1.500000000": as `touch -d @` reads it. */
function formatTime(ns: bigint): string {
  const [sign, size] = ns < 0n ? ['-', -ns] : ['', ns];
  return `${sign}${size / 1_000_000_000n}.${String(size % 1_000_000_000n).padStart(9, '0')}`;
}

/** One process for thousands of changes. */
const IN_PYTHON = `
import os, shutil, stat, sys
fields = sys.stdin.buffer.read().split(b"\\0")
def replace(make, path):
    draft = os.path.join(os.path.dirname(path), b"${PART_PREFIX}" + os.urandom(8).hex().encode())
    make(draft)
    try: os.rename(draft, path)
    finally:
        if os.path.lexists(draft): os.unlink(draft)
def own(path):
    try: os.mkdir(path, 0o700)
    except FileExistsError:
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077: raise
def touch(how, path):
    ns = int(how.replace(b".", b""))
    os.utime(path, ns=(ns, ns), follow_symlinks=False)
def remove(path):
    if os.path.isdir(path) and not os.path.islink(path): shutil.rmtree(path)
    elif os.path.lexists(path): os.unlink(path)
does = {
    b"mkdir": lambda how, path: os.path.isdir(path) or os.mkdir(path, 0o700),
    b"own": lambda how, path: own(path),
    b"rename": os.rename,
    b"symlink": lambda how, path: replace(lambda draft: os.symlink(how, draft), path),
    b"link": lambda how, path: replace(lambda draft: os.link(how, draft, follow_symlinks=False), path),
    b"chmod": lambda how, path: os.chmod(path, int(how, 8)),
    b"touch": touch,
    b"chown": lambda how, path: os.chown(path, *map(int, how.split(b":")), follow_symlinks=False),
    b"create": lambda how, path: os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)),
    b"truncate": lambda how, path: os.truncate(path, int(how)),
    b"rmdir": lambda how, path: os.rmdir(path),
    b"remove": lambda how, path: remove(path),
}
for at in range(0, len(fields) - 2, 3):
    what, how, path = fields[at:at + 3]
    try:
        does[what](how, path)
    except OSError as error:
        sys.stdout.buffer.write(b"%d %s\\0" % (at // 3, os.strerror(error.errno).encode()))
`;

/** The same with one process a change, for a machine without Python. */
const IN_BASH = `
own() {
  said=$(mkdir -m 700 -- "$1" 2>&1) && return
  case $(stat -c '%F %u %a' -- "$1") in "directory $(id -u) "*00) ;; *) printf '%s\\n' "$said"; return 1 ;; esac
}
change() {
  case $1 in
    mkdir) [ -d "$3" ] || mkdir -m 700 -- "$3" ;;
    own) own "$3" ;;
    rename) mv -fT -- "$2" "$3" ;;
    symlink) ln -sfnT -- "$2" "$3" ;;
    link) ln -fPT -- "$2" "$3" ;;
    chmod) chmod "$2" -- "$3" ;;
    touch) touch -ch -d "@$2" -- "$3" ;;
    chown) chown -h "$2" -- "$3" ;;
    create) [ -e "$3" ] || : >"$3" ;;
    truncate) stat -- "$3" >/dev/null && truncate -cs "$2" -- "$3" ;;
    rmdir) rmdir -- "$3" ;;
    remove) rm -rf -- "$3" ;;
  esac
}
at=0
while IFS= read -r -d "" what && IFS= read -r -d "" how && IFS= read -r -d "" path; do
  said=$(change "$what" "$how" "$path" 2>&1 </dev/null) || printf "%d %s\\0" "$at" "\${said##*: }"
  at=$((at + 1))
done
`;

/** Bash that defines \`apply\`: reads operations on stdin, prints those that failed. */
export const DEFINE_APPLY = `
apply() {
  # Not a shim or a wrapper, which may take longer to start than the whole work.
  python=/usr/bin/python3; [ -x "$python" ] || python=$(command -v python3)
  if [ -n "$python" ]; then "$python" -I -S -c '${IN_PYTHON}'
  else ${IN_BASH}
  fi
}`;

export interface FailedOperation {
  index: number;
  reason: string;
}

/** "12345 No space left on device" and NUL. */
export const LONGEST_FAILURE_BYTES = 256;

/** `operations`: how many were sent. Throws (REMOTE_ANSWER_UNREADABLE) for what is no such list. */
export function parseFailures(output: Buffer, operations: number): FailedOperation[] {
  const lines = output.toString('utf8').split('\0').slice(0, -1);
  return lines.map((line) => {
    const [, index, reason = ''] = /^(\d{1,9}) (.{1,200})$/su.exec(line) ?? [];
    if (index === undefined || Number(index) >= operations || lines.length > operations)
      throw unreadable('what it says of changed files is nonsense');
    return { index: Number(index), reason };
  });
}
