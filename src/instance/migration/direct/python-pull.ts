/**
 * The destination's half: takes jobs on stdin (a line of JSON each), has the source send what they name over one SSH
 * connection, writes it, and says on stdout how far it is. It ends when nobody listens any more. The connection is its own
 * (argv: the words of ssh), or comes from the source (argv: "meet", a directory, a number): then it waits at a socket there
 * until what sshd has started for the source hands over its two ends.
 */
export const PYTHON_PULL = `
import array, fcntl, json, os, socket, struct, subprocess, sys, time, zlib

PIECE = 1 << 20
EVERY_S = 0.25
MEET_S = 40
# The source flushes at 256 KiB, and hands over no more than a piece at once.
MOST_BLOCK = 2 * PIECE

class Lost(Exception):
    pass

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

    def readline(self):
        line = b''
        while not line.endswith(b'\\n'):
            if self.at == len(self.rest) and not self.fill():
                break
            end = self.rest.find(b'\\n', self.at)
            line += self.read1(len(self.rest) if end < 0 else end + 1 - self.at)
        return line

    def end(self):
        if self.at < len(self.rest) or self.fill():
            raise Lost()

def answer():
    line = source.readline()
    if not line.endswith(b'\\n'):
        raise Lost()
    return json.loads(line)

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

def store(item, data, part, told):
    """Written under another name until it is whole; a file that was changed meanwhile is not kept."""
    name, size, mode, when, uid, gid = item
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        for offset, length in data:
            take(handle, offset, length, told)
        os.ftruncate(handle, size)
        if uid is not None:
            os.fchown(handle, uid, gid)
        os.fchmod(handle, mode)
        os.utime(handle, ns=(int(when), int(when)))
    finally:
        os.close(handle)

def pack(job, told):
    global source
    base = job['to'].encode('latin1')
    aside = os.path.join(base, job['aside'].encode('latin1'))
    items = job['items']
    problems = []
    os.makedirs(aside, 0o700, exist_ok=True)
    files = [[name, size, when] for name, _, size, _, when, _, _ in items]
    ask({'base': job['base'], 'files': files, 'deflate': job['deflate']})
    source = Inflated() if job['deflate'] else from_source
    while True:
        said = answer()
        if said.get('end'):
            if source is not from_source:
                source.end()
            source = from_source
            break
        index = said['file']
        _, name, *rest = items[index]
        if 'problem' in said:
            problems.append([index, said['problem'], said.get('detail')])
            continue
        part = os.path.join(aside, b'%d' % index)
        if os.path.lexists(part):
            os.unlink(part)
        store([name] + rest, said['data'], part, told)
        if not answer()['kept']:
            problems.append([index, 'changed', None])
            os.unlink(part)
            continue
        try:
            os.rename(part, os.path.join(base, name.encode('latin1')))
        except OSError as error:
            if full(error):
                raise
            problems.append([index, 'unwritable', error.strerror])
            os.unlink(part)
    try:
        os.rmdir(aside)
    except OSError:
        pass
    return {'problems': problems}

def ranges(job, told):
    handle = os.open(job['to'].encode('latin1'), os.O_WRONLY | os.O_NOFOLLOW)
    try:
        ask({'file': job['file'], 'ranges': job['ranges']})
        said = answer()
        if 'problem' in said:
            return {'unreadable': said['problem']}
        for offset, length in job['ranges']:
            take(handle, offset, length, told)
        return {} if answer()['kept'] else {'shorter': True}
    finally:
        os.close(handle)

ssh = None
try:
    if sys.argv[1] == 'meet':
        to_source, from_source, kept = meet(*sys.argv[2:4])
    else:
        ssh = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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
