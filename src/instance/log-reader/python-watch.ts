/** The rest of class Log: what is added to its files, and what is done to them. */
export const WATCH = `    def step(self):
        sent = 0
        for piece in list(self.older):
            sent += self.read(piece)
            if not piece.is_read():
                return sent
            if not self.reader.follow or time.time() >= piece.until:
                self.older.remove(piece)
                os.close(piece.fd)
                self.end(piece.key)
        if self.current is None:
            self.look_for_new()
        else:
            sent += self.read(self.current)
            self.look_at_name()
        self.settle()
        return sent

    def settle(self):
        if self.caught_up or self.older and any(piece.until == 0 for piece in self.older):
            return
        if self.current is None or self.current.offset >= self.goal:
            self.caught_up = True
            send({'t': 'caught_up', 'name': self.name})

    def read(self, piece):
        size = size_of(piece.fd)
        if size == piece.offset and piece.shrunk is None:
            return 0
        check = piece.anchor[-CHECK:]
        data = b'' if size < piece.offset else os.pread(piece.fd, len(check) + BLOCK, piece.offset - len(check))
        if size < piece.offset or data[:len(check)] != check:
            return self.shrink(piece, size)
        piece.shrunk, piece.patience = None, 5
        data = data[len(check):]
        if not data:
            return 0
        send({'t': 'data', 'name': self.name, 'key': piece.key, 'at': piece.offset}, data)
        piece.offset += len(data)
        piece.anchor = (piece.anchor + data)[-ANCHOR:]
        return len(data)

    def shrink(self, piece, size):
        """Emptied, or written anew with only its end kept: looked at when it has come to rest."""
        if piece.shrunk != size and piece.patience > 0:
            piece.shrunk, piece.patience = size, piece.patience - 1
            return 0
        at = find_moved(read_all(piece.fd, 0, min(size, SEARCH)), piece.anchor, piece.offset)
        piece.shrunk, piece.patience = None, 5
        role = 'current' if piece is self.current else 'older'
        if at is None:
            self.end(piece.key)
            piece.key = self.reader.new_key()
        piece.offset = at or 0
        piece.anchor = before(piece.fd, piece.offset)
        self.goal = min(self.goal, size)
        self.tell(piece, role, 'emptied' if at is None else 'trimmed', at is None)
        return 1

    def look_for_new(self):
        fd, old = self.open_both()
        known, self.known_old = self.known_old, identity(old)
        is_known = old is None or self.known_old == known or any(place(old) == piece.place for piece in self.older)
        if not is_known:
            self.take_older(old, 0, 'rotated', gap=True)
        elif old is not None:
            os.close(old)
        if fd is not None:
            self.take(fd, 0, 'new')

    def look_at_name(self):
        last = self.current
        try:
            info = os.stat(self.path)
            if (info.st_dev, info.st_ino) == last.place:
                return
        except OSError:
            pass
        fd, old = self.open_both()
        is_replaced = fd is not None and place(fd) != last.place
        # Written anew and then moved aside, with nothing under the name since.
        is_gone = fd is None and old is not None and place(old) != last.place and identity(old) != self.known_old
        if is_replaced or is_gone:
            while self.read(last):
                pass
            self.replace(fd, old)
            return
        for file in (fd, old):
            if file is not None:
                os.close(file)

    def replace(self, fd, old):
        last, self.current, self.goal = self.current, None, 0
        known, self.known_old = self.known_old, identity(old)
        if old is not None and place(old) == last.place:
            os.close(old)
            self.retire(last, LATE_LINES_S)
        elif old is not None and self.known_old != known:
            self.retire(last, LATE_LINES_S)
            at = self.copied(last, old)
            self.take_older(old, at, 'trimmed' if at else 'rotated', gap=not at)
        else:
            if old is not None:
                os.close(old)
            return self.follow_copy(last, fd)
        if fd is not None:
            self.take(fd, 0, 'new')

    def retire(self, piece, seconds):
        piece.until = time.time() + seconds
        self.older.append(piece)
        self.tell(piece, 'older', 'moved')
        while len(self.older) > 4:
            first = self.older.pop(0)
            os.close(first.fd)
            self.end(first.key)

    def copied(self, last, fd):
        start = max(0, last.offset - SEARCH)
        return find_copied(read_all(last.fd, start, last.offset), start, read_all(fd, 0, min(size_of(fd), SEARCH)))

    def follow_copy(self, last, fd):
        """Written anew under the same name. Lines may still go to the file that has lost it, so it stays open for long."""
        at, key = self.copied(last, fd), last.key
        if at:
            last.key = self.reader.new_key()
            self.take(fd, at, 'trimmed', key)
        self.retire(last, UNLINKED_S)
        if not at:
            self.take(fd, 0, 'new')
`;
