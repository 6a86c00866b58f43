/**
 * The destination's half: takes jobs on stdin (a line of JSON each), has the source send what they name over one SSH
 * connection, writes it below one directory (argv 1), and says on stdout how far it is. It ends when nobody listens any
 * more. The connection is its own (argv: the words of ssh), or comes from the source (argv: "meet", a directory, a number):
 * then it waits at a socket there until what sshd has started for the source hands over its two ends. The source may be
 * anybody: it chooses no name, no mode and no link, and of a file it sends no byte more than the job says.
 */
export const PYTHON_PULL = `
import array, fcntl, json, os, socket, struct, subprocess, sys, time, zlib

TOP = os.fsencode(sys.argv[1])
PIECE = 1 << 20
EVERY_S = 0.25
MEET_S = 40
# The source flushes at 256 KiB, and hands over no more than a piece at once.
MOST_BLOCK = 2 * PIECE
# A small file in pieces of a page each has no longer map.
MOST_LINE = PIECE
MOST_DETAIL = 200
PROBLEMS = ('vanished', 'changed', 'unreadable')
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

class Lost(Exception):
    pass

class Nonsense(Lost):
    """The source has sent what nobody asked for. Told as a loss: the same job is tried again a few times."""

def meet(directory, number):
    os.chdir(directory)
    # By its short name: a longer one does not fit a socket.
    place = number + '.sock'
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(place)
        door.listen(1)
        say({'waits': True})
        door.settimeout(MEET_S)
        try:
            guest, _ = door.accept()
        except OSError:
            raise Lost()
        finally:
            os.unlink(place)
    _, sent, _, _ = guest.recvmsg(1, socket.CMSG_SPACE(8))
    ends = array.array('i')
    for _, _, data in sent:
        ends.frombytes(data[:8])
    return os.fdopen(ends[1], 'wb'), os.fdopen(ends[0], 'rb'), guest

def say(document):
    sys.stdout.write(json.dumps(document) + '\\n')
    sys.stdout.flush()

def ask(document):
    try:
        to_source.write(json.dumps(document).encode() + b'\\n')
        to_source.flush()
    except OSError:
        raise Lost()

class Inflated:
    """What the source has deflated, as it was. A block may not become larger than the source makes them."""
    def __init__(self):
        self.rest, self.at = b'', 0

    def exactly(self, count):
        data = from_source.read(count)
        if len(data) < count:
            raise Lost()
        return data

    def fill(self):
        length, = struct.unpack('>I', self.exactly(4))
        if length >> 1 > MOST_BLOCK:
            raise Lost()
        self.rest, self.at = self.exactly(length >> 1), 0
        if length & 1:
            inflate = zlib.decompressobj()
            try:
                self.rest = inflate.decompress(self.rest, MOST_BLOCK)
            except zlib.error:
                raise Lost()
            if not inflate.eof:
                raise Lost()
        return len(self.rest) > 0

    def read1(self, most):
        if self.at == len(self.rest) and not self.fill():
            return b''
        piece = self.rest[self.at:self.at + most]
        self.at += len(piece)
        return piece

    def readline(self, most):
        line = b''
        while not line.endswith(b'\\n') and len(line) < most:
            if self.at == len(self.rest) and not self.fill():
                break
            end = self.rest.find(b'\\n', self.at)
            line += self.read1(len(self.rest) if end < 0 else end + 1 - self.at)
        return line

    def end(self):
        if self.at < len(self.rest) or self.fill():
            raise Lost()

def answer():
    line = source.readline(MOST_LINE)
    if not line.endswith(b'\\n'):
        raise Nonsense() if len(line) >= MOST_LINE else Lost()
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise Nonsense()
    if type(said) is not dict:
        raise Nonsense()
    return said

def words(said):
    """What the source says of a failure, short enough to be passed on."""
    return said[:MOST_DETAIL] if type(said) is str else None

def is_count(number):
    return type(number) is int and number >= 0

def checked_runs(runs, size):
    """In order, and inside of the file: then they are no more than it."""
    end = 0
    try:
        for offset, length in runs:
            if not is_count(offset) or not is_count(length) or offset < end or offset + length > size:
                raise Nonsense()
            end = offset + length
    except (TypeError, ValueError):
        raise Nonsense()
    return runs

class Reached:
    path, handle = None, None

def reach(parts):
    """The directory of these parts below the top; no link leads there. The one before is kept."""
    if Reached.path != parts:
        here = os.open(TOP, DIRECTORY)
        for part in parts:
            try:
                below = os.open(part, DIRECTORY, dir_fd=here)
            finally:
                os.close(here)
            here = below
        if Reached.handle is not None:
            os.close(Reached.handle)
        Reached.path, Reached.handle = parts, here
    return Reached.handle

def split(name):
    parts = name.encode('latin1').split(b'/')
    if any(part in (b'', b'.', b'..') or b'\\0' in part for part in parts):
        raise PermissionError(1, 'not below the staging folder')
    return parts[:-1], parts[-1]

class Told:
    """Counts what has arrived, tells it now and then, and holds back what may not be faster."""
    def __init__(self, rate):
        self.bytes, self.told, self.rate, self.free = 0, time.monotonic(), rate, 0.0

    def add(self, count):
        self.bytes += count
        now = time.monotonic()
        if self.rate:
            self.free = max(self.free, now) + count / self.rate
            if self.free > now + 0.01:
                time.sleep(min(5.0, self.free - now))
        if now - self.told >= EVERY_S:
            self.tell()

    def tell(self):
        if self.bytes:
            say({'bytes': self.bytes})
        self.bytes, self.told = 0, time.monotonic()

def take(handle, offset, length, told):
    while length > 0:
        piece = source.read1(min(length, PIECE))
        if not piece:
            raise Lost()
        view = memoryview(piece)
        at = 0
        while at < len(piece):
            at += os.pwrite(handle, view[at:], offset + at)
        offset += len(piece)
        length -= len(piece)
        told.add(len(piece))

def full(error):
    return error.errno in (28, 122)

def store(item, data, aside, part, told):
    """Written under another name until it is whole; a file that was changed meanwhile is not kept."""
    size, mode, when, uid, gid = item
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(part, flags, 0o600, dir_fd=aside)
    try:
        for offset, length in data:
            take(handle, offset, length, told)
        os.ftruncate(handle, size)
        if uid is not None:
            os.fchown(handle, uid, gid)
        # Bits that lend a program its owner's rights stay behind.
        os.fchmod(handle, mode & 0o777)
        os.utime(handle, ns=(int(when), int(when)))
    finally:
        os.close(handle)

def drop(part, aside):
    try:
        os.unlink(part, dir_fd=aside)
    except FileNotFoundError:
        pass

def open_aside(name):
    parents, last = split(name)
    above = reach(parents)
    try:
        os.mkdir(last, 0o700, dir_fd=above)
    except FileExistsError:
        pass
    return os.open(last, DIRECTORY, dir_fd=above)

def take_files(items, aside, told):
    problems, last = [], -1
    while True:
        said = answer()
        if said.get('end'):
            return problems
        index = said.get('file')
        if not is_count(index) or not last < index < len(items):
            raise Nonsense()
        last = index
        _, name, *item = items[index]
        if 'problem' in said:
            kind = said['problem'] if said['problem'] in PROBLEMS else 'unreadable'
            problems.append([index, kind, words(said.get('detail'))])
            continue
        part = b'%d' % index
        drop(part, aside)
        store(item, checked_runs(said.get('data'), item[0]), aside, part, told)
        if not answer().get('kept'):
            problems.append([index, 'changed', None])
            drop(part, aside)
            continue
        try:
            parents, own = split(name)
            os.rename(part, own, src_dir_fd=aside, dst_dir_fd=reach(parents))
        except OSError as error:
            if full(error):
                raise
            problems.append([index, 'unwritable', error.strerror])
            drop(part, aside)

def pack(job, told):
    global source
    items = job['items']
    aside = open_aside(job['aside'])
    try:
        files = [[name, size, when] for name, _, size, _, when, _, _ in items]
        ask({'base': job['base'], 'files': files, 'deflate': job['deflate']})
        source = Inflated() if job['deflate'] else from_source
        problems = take_files(items, aside, told)
        if source is not from_source:
            source.end()
        source = from_source
    finally:
        os.close(aside)
    try:
        parents, last = split(job['aside'])
        os.rmdir(last, dir_fd=reach(parents))
    except OSError:
        pass
    return {'problems': problems}

def ranges(job, told):
    parents, name = split(job['to'])
    handle = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=reach(parents))
    try:
        ask({'file': job['file'], 'ranges': job['ranges']})
        said = answer()
        if 'problem' in said:
            return {'unreadable': words(said['problem']) or 'for no reason that it gives'}
        if said.get('shorter'):
            return {'shorter': True}
        for offset, length in job['ranges']:
            take(handle, offset, length, told)
        return {} if answer().get('kept') else {'shorter': True}
    finally:
        os.close(handle)

ssh = None
try:
    if sys.argv[2] == 'meet':
        to_source, from_source, kept = meet(*sys.argv[3:5])
    else:
        ssh = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        to_source, from_source = ssh.stdin, ssh.stdout
    source = from_source
    try:
        # F_SETPIPE_SZ: fewer turns between ssh and here.
        fcntl.fcntl(from_source, 1031, PIECE)
    except OSError:
        pass
    for _ in range(2):
        asked = time.monotonic()
        ask({'ping': 1})
        answer()
    # The first has waited for the login.
    say({'ready': True, 'away_ms': round((time.monotonic() - asked) * 1000, 1)})
    for line in sys.stdin:
        job = json.loads(line)
        told = Told(job.get('rate'))
        done = pack(job, told) if 'items' in job else ranges(job, told)
        told.tell()
        say(dict(done, done=True))
    code = 0
except Nonsense:
    sys.stderr.write('it sent what was not asked for\\n')
    code = 3
except Lost:
    code = 3
except BrokenPipeError:
    code = 4
except OSError as error:
    sys.stderr.write('%s\\n' % error.strerror)
    code = 28 if full(error) else 5
if ssh is not None:
    ssh.kill()
    ssh.wait()
try:
    sys.stdout.flush()
except OSError:
    pass
os._exit(code)
`;
