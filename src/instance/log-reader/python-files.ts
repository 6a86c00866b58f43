/** Talking to the client, and the files: opened, told apart, listed. */
export const FILES = String.raw`import base64, calendar, json, os, re, select, stat, struct, sys, time
try:
    import ctypes
    LIBC = ctypes.CDLL(None)
except Exception:
    LIBC = None

ROOT = os.environ.get('FORGECTL_ROOT', '')
PORTAL, SYSTEM = ROOT + '/var/log/portal', ROOT + '/var/log'
FAILURES = 'vast_boot_failures'
BLOCK = 131072
ANCHOR = 4096
CHECK = 64
SEARCH = 33554432
LATE = 1048576
POLL, TICK, RESCAN = 0.2, 10, 2
LATE_LINES_S, UNLINKED_S = 5, 600

typed = b''

def send(header, data=b''):
    header['n'] = len(data)
    view = memoryview(json.dumps(header).encode() + b'\n' + data)
    while len(view):
        view = view[os.write(1, view):]

def ask():
    global typed
    while b'\n' not in typed:
        more = os.read(0, 65536)
        if not more:
            sys.exit(0)
        typed += more
    line, typed = typed.split(b'\n', 1)
    return json.loads(line.decode())

def open_log(path):
    if path is None:
        return None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None

def birth(fd):
    info = os.fstat(fd)
    if hasattr(info, 'st_birthtime'):
        return repr(info.st_birthtime)
    try:
        answer = ctypes.create_string_buffer(256)
        if LIBC.statx(fd, b'', 0x1000, 0x800, answer) == 0 and struct.unpack_from('I', answer, 0)[0] & 0x800:
            return '%d.%09d' % struct.unpack_from('qI', answer, 80)
    except Exception:
        pass
    return ''

def identity(fd):
    return None if fd is None else '%d:%s' % (os.fstat(fd).st_ino, birth(fd))

def place(fd):
    info = os.fstat(fd)
    return (info.st_dev, info.st_ino)

def size_of(fd):
    return os.fstat(fd).st_size

def read_all(fd, start, end):
    parts = []
    while start < end:
        data = os.pread(fd, min(1048576, end - start), start)
        if not data:
            break
        parts.append(data)
        start += len(data)
    return b''.join(parts)

def before(fd, offset):
    return read_all(fd, max(0, offset - ANCHOR), offset)

def path_of(name):
    name = os.path.basename(name)
    if name == FAILURES:
        return SYSTEM + '/' + name
    base = name[:-4] + '.log.old' if name.endswith('.old') else name + '.log'
    for folder in (PORTAL, SYSTEM):
        if os.path.isfile(folder + '/' + base):
            return folder + '/' + base
    return PORTAL + '/' + base

def listed():
    logs, seen = [], set()
    for folder in (PORTAL, SYSTEM):
        try:
            entries = sorted(os.listdir(folder))
        except OSError:
            continue
        for entry in entries:
            if entry.endswith('.log'):
                name = entry[:-4]
            elif entry.endswith('.log.old'):
                name = entry[:-8] + '.old'
            elif folder == SYSTEM and entry == FAILURES:
                name = entry
            else:
                continue
            path = folder + '/' + entry
            try:
                info = os.stat(path)
            except OSError:
                continue
            if name in seen or name in ('', '.old') or not stat.S_ISREG(info.st_mode):
                continue
            seen.add(name)
            logs.append({
                'name': name, 'path': path[len(ROOT):], 'bytes': info.st_size, 'changed': info.st_mtime,
                'portal': folder == PORTAL,
            })
    return logs
`;
