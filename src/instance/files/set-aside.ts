import { REMOTE } from '../layout.js';
import type { BytePath } from './byte-path.js';

/** What a restore changes on a machine, by paths relative to the workspace. Written down there before the first change. */
export interface ChangeList {
  /** Files, links and whole directories that make room. None lies in another. */
  aside: readonly BytePath[];
  /** Files and links that will be there, and were not. */
  created: readonly BytePath[];
  /** Directories that will be there, and were not; parents first. */
  directories: readonly BytePath[];
  /** What stays, and gets another mode or time: as they were. */
  attributes: readonly { path: BytePath; mode: number; mtimeNs: bigint }[];
  /** Files with the content already: the time that they get. */
  times: readonly { path: BytePath; mtimeNs: bigint }[];
  /** Where the copy keeps what has not arrived. */
  staging: BytePath | null;
}

/** Root's own place on the machine's disk, beside those of upgrades. */
const KEPT = '$ROOT/var/lib/forgectl/restores';

/** In the workspace itself, so that a move is a rename. */
export const ASIDE_PREFIX = '.forgectl-aside-';

/**
 * aside: moves away what the list names. back: takes away what has come and moves all back; a path that was moved back
 * already, or never moved, is left alone. drop: removes what was moved away. Each may be stopped anywhere and run again.
 */
const PROGRAM = `import os, shutil, sys
verb, kept, top, run = [os.fsencode(word) for word in sys.argv[1:5]]
away = os.path.join(top, b'${ASIDE_PREFIX}' + run)

def read(name):
    with open(os.path.join(kept, name), 'rb') as file:
        return file.read().split(b'\\0')[:-1]

def inside(path):
    # Never through a link: each directory on the way must be one.
    place = top
    for part in path.split(b'/')[:-1]:
        place = os.path.join(place, part)
        if os.path.islink(place):
            sys.exit('a link lies on the way to ' + os.fsdecode(path))
    return os.path.join(top, path)

def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)

def forget():
    # At once: half of the lists would be taken for all of them.
    os.rename(kept, kept + b'.gone')
    shutil.rmtree(kept + b'.gone', ignore_errors=True)

def aside():
    for path in read(b'aside'):
        there = os.path.join(away, path)
        if os.path.lexists(there) or not os.path.lexists(inside(path)):
            continue
        os.makedirs(os.path.dirname(there), 0o700, exist_ok=True)
        os.rename(inside(path), there)
    times = read(b'times')
    for ns, path in zip(times[0::2], times[1::2]):
        os.utime(inside(path), ns=(int(ns), int(ns)), follow_symlinks=False)

def back():
    moved = read(b'aside')
    tops = set(moved)
    def is_moved(path):
        parts = path.split(b'/')
        return any(b'/'.join(parts[:count]) in tops for count in range(1, len(parts) + 1))
    for path in moved:
        there = os.path.join(away, path)
        if os.path.lexists(there):
            remove(inside(path))
            os.makedirs(os.path.dirname(inside(path)), exist_ok=True)
            os.rename(there, inside(path))
    for path in read(b'created'):
        if not is_moved(path) and (os.path.islink(inside(path)) or os.path.isfile(inside(path))):
            os.unlink(inside(path))
    for path in reversed(read(b'directories')):
        if is_moved(path) or os.path.islink(inside(path)) or not os.path.isdir(inside(path)):
            continue
        if not os.listdir(inside(path)):
            os.rmdir(inside(path))
    kinds = read(b'attributes')
    for mode, ns, path in zip(kinds[0::3], kinds[1::3], kinds[2::3]):
        if os.path.lexists(inside(path)) and not os.path.islink(inside(path)):
            os.chmod(inside(path), int(mode, 8))
            os.utime(inside(path), ns=(int(ns), int(ns)))
    for path in read(b'staging'):
        remove(inside(path))
    # Only directories are left, and all of them empty.
    for place, _, names in os.walk(away, topdown=False):
        os.rmdir(place)
    forget()

def drop():
    if os.path.isdir(away):
        shutil.rmtree(away)
    forget()

{b'aside': aside, b'back': back, b'drop': drop}[verb]()
`;

/** Writes the lists and the program down; whole, or not at all. Harmless twice. */
export function keepChangesScript(run: string, list: ChangeList): string {
  const attributes = list.attributes.flatMap(({ path, mode, mtimeNs }) => [mode.toString(8), String(mtimeNs), path]);
  const times = list.times.flatMap(({ path, mtimeNs }) => [String(mtimeNs), path]);
  const files: [string, Buffer][] = [
    ['aside', nulList(list.aside)],
    ['created', nulList(list.created)],
    ['directories', nulList(list.directories)],
    ['attributes', nulList(attributes)],
    ['times', nulList(times)],
    ['staging', nulList(list.staging === null ? [] : [list.staging])],
    ['program.py', Buffer.from(PROGRAM)],
  ];
  const writes = files.map(([name, content]) => {
    return `base64 -d >"$kept.new/${name}" <<'FORGECTL_LIST' || exit 1\n${wrapped(content)}FORGECTL_LIST`;
  });
  return `${place(run)}
[ -d "$kept" ] && exit 0
umask 077
rm -rf "$kept.new"
mkdir -p "$kept.new" || exit 1
${writes.join('\n')}
sync "$kept.new"/* 2>/dev/null
mv -T "$kept.new" "$kept"
`;
}

/** Nothing to do where nothing was written down. Errors are on stderr. */
export function changeScript(verb: 'aside' | 'back' | 'drop', run: string): string {
  return `${place(run)}
rm -rf "$kept.gone"
[ -d "$kept" ] || exit ${verb === 'aside' ? 1 : 0}
python=/usr/bin/python3; [ -x "$python" ] || python="${REMOTE.python}"
"$python" -I -S "$kept/program.py" ${verb} "$kept" "\${WORKSPACE%/}" '${run}'
`;
}

function place(run: string): string {
  if (!/^[a-z]+-[0-9a-f]{8}$/u.test(run)) throw new Error(`not a run: ${run}`);
  return `kept="${KEPT}/${run}"`;
}

function nulList(paths: readonly string[]): Buffer {
  return Buffer.from(paths.map((path) => `${path}\0`).join(''), 'latin1');
}

function wrapped(content: Buffer): string {
  return content.toString('base64').replace(/.{1,76}/gu, '$&\n');
}
