/** One log: where it is read from at first, and from where on after a reconnect. */
export const LOG = `class Piece:
    """One file of a log, open, and how far it was read."""
    def __init__(self, key, fd, offset, anchor=None):
        self.key, self.fd, self.offset = key, fd, offset
        self.anchor = before(fd, offset) if anchor is None else anchor
        self.id, self.place = identity(fd), place(fd)
        self.until = None
        self.shrunk, self.patience = None, 5

    def is_read(self):
        return self.shrunk is None and self.offset == size_of(self.fd)

class Log:
    def __init__(self, reader, name):
        self.reader, self.name = reader, name
        self.path = path_of(name)
        self.old = None if name.endswith('.old') or name == FAILURES else self.path + '.old'
        self.current, self.older, self.known_old = None, [], None
        self.caught_up, self.goal = False, 0

    def open_both(self):
        for _ in range(5):
            fd, old = open_log(self.path), open_log(self.old)
            if fd is None or old is None or place(fd) != place(old):
                break
            os.close(fd)
            os.close(old)
        return fd, old

    def tell(self, piece, role, why, gap=False):
        send({
            't': 'piece', 'name': self.name, 'key': piece.key, 'id': piece.id, 'offset': piece.offset,
            'role': role, 'why': why, 'gap': gap, 'old': self.known_old,
        }, piece.anchor)

    def take(self, fd, offset, why, key=None, gap=False, anchor=None):
        self.current = Piece(self.reader.new_key() if key is None else key, fd, offset, anchor)
        self.tell(self.current, 'current', why, gap)

    def take_older(self, fd, offset, why, key=None, until=None, gap=False, anchor=None):
        piece = Piece(self.reader.new_key() if key is None else key, fd, offset, anchor)
        piece.until = time.time() + LATE_LINES_S if until is None else until
        self.older.append(piece)
        self.tell(piece, 'older', why, gap)

    def end(self, key):
        send({'t': 'end', 'name': self.name, 'key': key})

    def begin(self, tail, since):
        fd, old = self.open_both()
        self.known_old = identity(old)
        ranges = []
        for file in (old, fd):
            start = 0 if file is None or since is None else after_older(file, since, self.reader.times)
            ranges.append([file, start, 0 if file is None else size_of(file)])
        if tail is not None:
            for part in reversed(ranges):
                part[1], found = last_lines(part[0], part[1], part[2], tail) if part[0] is not None else (0, 0)
                tail -= found
        if old is not None:
            if ranges[0][1] < ranges[0][2]:
                self.take_older(old, ranges[0][1], 'start', None, 0)
            else:
                os.close(old)
        if fd is not None:
            self.goal = ranges[1][2]
            self.take(fd, ranges[1][1], 'start')

    def resume(self, state):
        fd, old = self.open_both()
        rotated = old is not None and identity(old) != state['old']
        self.known_old = identity(old)
        pieces = state['pieces']
        last = next((piece for piece in pieces if piece['role'] == 'current'), None)
        for piece in pieces:
            if piece is not last:
                self.resume_older(piece, old, state['caught_up'])
        if fd is not None:
            self.goal = size_of(fd)
        if last is None:
            self.begin_anew(fd, old if rotated else None, None, False)
        elif fd is not None and self.is_same(fd, last, rotated):
            self.resume_piece(self.take, fd, last)
            if old is not None and not any(piece.fd == old for piece in self.older):
                os.close(old)
        else:
            self.find_again(fd, old, last, rotated)

    def resume_older(self, piece, old, was_read):
        """The last words of a file that had been moved aside; one that is gone hardly had any more to say."""
        if old is not None and self.is_same(old, piece, False):
            self.resume_piece(self.take_older, os.dup(old), piece)
        else:
            self.end(piece['key'])
            if not was_read:
                send({'t': 'gap', 'name': self.name, 'why': 'lost'})

    def resume_piece(self, take, fd, piece):
        take(fd, piece['offset'], 'resumed', piece['key'], anchor=base64.b64decode(piece['anchor']))

    def is_same(self, fd, piece, rotated):
        """The very file: by inode and birth, or, where a file system was mounted anew, by birth and what it holds."""
        inode, born = identity(fd).split(':', 1)
        known, known_born = piece['id'].split(':', 1)
        anchor = base64.b64decode(piece['anchor'])
        offset = piece['offset']
        holds = size_of(fd) >= offset and os.pread(fd, len(anchor), offset - len(anchor)) == anchor
        if born == '' and rotated:
            return False
        if inode == known and born == known_born:
            return True
        return holds and born != '' and born == known_born

    def find_again(self, fd, old, last, rotated):
        anchor, offset, key = base64.b64decode(last['anchor']), last['offset'], last['key']
        if old is not None and self.is_same(old, last, False):
            self.resume_piece(self.take_older, old, last)
            if fd is not None:
                self.take(fd, 0, 'new')
            return
        for file in ((old, fd) if rotated else (fd,)):
            at = None if file is None else find_moved(read_all(file, 0, min(size_of(file), SEARCH)), anchor, offset)
            if at is None:
                continue
            if file is fd:
                self.take(fd, at, 'trimmed', key)
            else:
                self.take_older(old, at, 'trimmed', key)
                if fd is not None:
                    self.take(fd, 0, 'new')
            return
        self.end(key)
        self.begin_anew(fd, old if rotated else None, 'lost', True)

    def begin_anew(self, fd, old, why, gap):
        if old is not None:
            self.take_older(old, 0, why or 'new', gap=gap)
            gap = False
        if fd is not None:
            self.take(fd, 0, why or 'new', gap=gap)
        elif gap and old is None:
            send({'t': 'gap', 'name': self.name, 'why': 'lost'})
`;
