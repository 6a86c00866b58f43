import { PYTHON_LEASE } from './python-lease.js';

/**
 * The source's half, which is all that the key of the run may do there: it reads files below one directory (argv 1), those
 * that the run has planned, and sends what was asked for on stdin, a line of JSON a request. Names are bytes, written as
 * latin1. It changes nothing but its own count. In the directory of argv 2 lie the planned paths (`list`), how many bytes
 * may still be sent, over all connections (`left`), and how long (`lease`): whoever has the key may be anybody.
 */
export const PYTHON_SERVE = `${PYTHON_LEASE}
import fcntl, json, mmap, stat, struct, zlib

TOP = os.fsencode(os.path.realpath(sys.argv[1]))
PLACE = sys.argv[2]
PIECE = 1 << 20
BLOCK = 256 * 1024
PROBE = 32 * 1024
MOST_REQUEST = 16 << 20
# More than a run opens, with those of lost connections that have not noticed yet.
SLOTS = 64
IDLE_S = 30 * 60
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# What is compressed already, or holds numbers that are as good as random.
DENSE = tuple(('.safetensors .sft .ckpt .pt .pth .bin .gguf .onnx .npz .png .jpg .jpeg .webp .gif .avif .mp4 .webm .mkv'
    ' .mp3 .ogg .zip .gz .tgz .xz .bz2 .zst .7z .rar .whl .pack').encode().split())
busy = time.monotonic()

class Counted:
    """Everything that goes out, taken from what may still be sent. The number is kept in a file, for all connections."""
    def __init__(self, out):
        self.out, self.free = out, 0

    def write(self, data):
        global busy
        if len(data) > self.free:
            self.take(len(data) - self.free)
        self.free -= len(data)
        self.out.write(data)
        busy = time.monotonic()

    def take(self, count):
        with open(os.path.join(PLACE, 'left'), 'r+b', 0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            left = int(file.read(20))
            if left < count:
                stop('more was asked for than the run has planned')
            taken = min(left, max(count, PIECE))
            file.seek(0)
            file.write(b'%020d' % (left - taken))
        self.free += taken

    def flush(self):
        self.out.flush()

out = plain = Counted(sys.stdout.buffer)

class Deflated:
    """Blocks behind their length and one bit, which says that the block is deflated; a length of 0 is the end."""
    def __init__(self):
        self.parts, self.size, self.tries = [], 0, True

    def write(self, data):
        self.parts.append(data)
        self.size += len(data)
        if self.size >= BLOCK:
            self.flush()

    def flush(self):
        whole = b''.join(self.parts)
        self.parts, self.size = [], 0
        if not whole:
            return
        less = zlib.compress(whole, 1) if self.tries else whole
        is_less = len(less) < len(whole)
        body = less if is_less else whole
        plain.write(struct.pack('>I', len(body) << 1 | is_less) + body)

    def of(self, name, handle):
        """Whether it is worth the time is asked of each file's name and beginning."""
        probe = b'' if name.lower().endswith(DENSE) else os.pread(handle, PROBE, 0)
        tries = len(zlib.compress(probe, 1)) < len(probe) * 0.9 if len(probe) > 512 else bool(probe)
        if tries != self.tries:
            self.flush()
            self.tries = tries

    def end(self):
        self.flush()
        plain.write(bytes(4))

def say(document):
    out.write(json.dumps(document).encode() + b'\\n')

def is_listed(path):
    """The list is sorted, so that a process needs no memory for it."""
    low, high = 0, len(LIST)
    while low < high:
        middle = (low + high) // 2
        start = max(low, LIST.rfind(b'\\0', low, middle) + 1)
        end = LIST.find(b'\\0', start)
        here = LIST[start:end]
        if here == path:
            return True
        if here < path:
            low = end + 1
        else:
            high = start
    return False

class Reached:
    """The directory of the file before: the next one mostly lies there, too."""
    path, handle = None, None

def reach(directory):
    """Part by part from the top, because a link on the way may lead to what is not planned."""
    if Reached.path != directory:
        here = os.open(TOP, DIRECTORY)
        for part in directory[len(TOP.rstrip(b'/')):].split(b'/')[1:]:
            try:
                below = os.open(part, DIRECTORY, dir_fd=here)
            finally:
                os.close(here)
            here = below
        if Reached.handle is not None:
            os.close(Reached.handle)
        Reached.path, Reached.handle = directory, here
    return Reached.handle

def open_file(path):
    if not path.startswith(TOP.rstrip(b'/') + b'/') or not is_listed(path):
        raise PermissionError(1, 'not planned')
    directory, name = os.path.split(path)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(name, flags, dir_fd=reach(directory))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise PermissionError(1, 'not a file')
    return handle

def send(handle, offset, length):
    """All of it, or zeros where the file has become shorter since it was opened: the other side counts bytes."""
    whole = True
    while length > 0:
        piece = os.pread(handle, min(length, PIECE), offset)
        if not piece:
            piece, whole = bytes(min(length, PIECE)), False
        out.write(piece)
        offset += len(piece)
        length -= len(piece)
    return whole

def data_of(handle, size, holes):
    """Where its data lies; all of it for a file without holes."""
    if not holes:
        return [[0, size]]
    runs, at = [], 0
    while at < size:
        try:
            start = os.lseek(handle, at, os.SEEK_DATA)
        except OSError:
            break
        end = min(size, os.lseek(handle, start, os.SEEK_HOLE))
        runs.append([start, end - start])
        at = end
    return runs

def same(now, size, time):
    return now.st_size == size and now.st_mtime_ns == time

def send_file(base, index, name, size, time):
    path = os.path.join(base, name.encode('latin1'))
    try:
        handle = open_file(path)
    except FileNotFoundError:
        return say({'file': index, 'problem': 'vanished'})
    except OSError as error:
        kind = 'changed' if error.errno in (20, 40) else 'unreadable'
        return say({'file': index, 'problem': kind, 'detail': error.strerror})
    try:
        before = os.fstat(handle)
        if not same(before, size, int(time)):
            return say({'file': index, 'problem': 'changed'})
        runs = data_of(handle, size, before.st_blocks * 512 < size)
        if out is not plain:
            out.of(path, handle)
        say({'file': index, 'data': runs})
        whole = True
        for offset, length in runs:
            whole = send(handle, offset, length) and whole
        say({'kept': whole and same(os.fstat(handle), size, int(time))})
    except OSError as error:
        # The bytes that were promised can come no more.
        sys.exit('cannot read: %s' % error.strerror)
    finally:
        os.close(handle)

def are_inside(ranges, size):
    for offset, length in ranges:
        if type(offset) is not int or type(length) is not int or offset < 0 or length < 0:
            raise ValueError('not a range')
    return all(offset + length <= size for offset, length in ranges)

def send_ranges(path, ranges):
    try:
        handle = open_file(path.encode('latin1'))
    except OSError as error:
        return say({'problem': error.strerror})
    try:
        if not are_inside(ranges, os.fstat(handle).st_size):
            return say({'shorter': True})
        say({'ready': True})
        whole = True
        for offset, length in ranges:
            whole = send(handle, offset, length) and whole
        say({'kept': whole})
    finally:
        os.close(handle)

def answer(request):
    global out
    if 'ping' in request:
        say({'pong': 1})
    elif 'files' in request:
        base = request['base'].encode('latin1')
        if request.get('deflate'):
            out = Deflated()
        for index, (name, size, time) in enumerate(request['files']):
            send_file(base, index, name, size, time)
        say({'end': True})
        if out is not plain:
            out.end()
            out = plain
    else:
        send_ranges(request['file'], request['ranges'])
    out.flush()

def take_slot():
    """Kept until the end of the process."""
    for number in range(SLOTS):
        slot = os.open(os.path.join(PLACE, 'slot-%d' % number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(slot)
    stop('too many connections at once')

def is_idle():
    if time.monotonic() - busy > IDLE_S:
        stop('nothing was asked for or taken for a long time')

watch(PLACE, is_idle)
try:
    take_slot()
    with open(os.path.join(PLACE, 'list'), 'rb') as file:
        LIST = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for line in iter(lambda: sys.stdin.buffer.readline(MOST_REQUEST), b''):
        busy = time.monotonic()
        answer(json.loads(line))
except BrokenPipeError:
    os._exit(4)
except OSError as error:
    stop('cannot serve: %s' % error.strerror)
except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
    stop('that is no request')
`;
