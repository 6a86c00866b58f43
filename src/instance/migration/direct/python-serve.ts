/**
 * The source's half, which is all that the key of the run may do there: it reads files below one directory (argv 1) and
 * sends what was asked for on stdin, a line of JSON a request. Names are bytes, written as latin1. It writes nothing.
 */
export const PYTHON_SERVE = `
import json, os, stat, struct, sys, zlib

TOP = os.fsencode(os.path.realpath(sys.argv[1]))
PIECE = 1 << 20
BLOCK = 256 * 1024
PROBE = 32 * 1024
# What is compressed already, or holds numbers that are as good as random.
DENSE = tuple(('.safetensors .sft .ckpt .pt .pth .bin .gguf .onnx .npz .png .jpg .jpeg .webp .gif .avif .mp4 .webm .mkv'
    ' .mp3 .ogg .zip .gz .tgz .xz .bz2 .zst .7z .rar .whl .pack').encode().split())
out = plain = sys.stdout.buffer
known = {}

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

def inside(directory):
    if directory not in known:
        real = os.path.realpath(directory)
        known[directory] = real == TOP or real.startswith(TOP.rstrip(b'/') + b'/')
    return known[directory]

def open_file(path):
    if not inside(os.path.dirname(path)):
        raise PermissionError(1, 'not below what is served')
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise PermissionError(1, 'not a file')
    return handle

def send(handle, offset, length):
    """All of it, or zeros where the file has become shorter: the other side counts bytes."""
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

def send_ranges(path, ranges):
    try:
        handle = open_file(path.encode('latin1'))
    except OSError as error:
        return say({'problem': error.strerror})
    try:
        say({'ready': True})
        whole = True
        for offset, length in ranges:
            whole = send(handle, offset, length) and whole
        say({'kept': whole})
    finally:
        os.close(handle)

for line in sys.stdin.buffer:
    request = json.loads(line)
    if 'ping' in request:
        say({'pong': request['ping']})
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
`;
