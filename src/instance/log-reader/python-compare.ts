/** What is in them: times, lines from the end, and what two files have in common. */
export const COMPARE = String.raw`class Times:
    """When a line was written, where the line says so."""
    def __init__(self, patterns):
        self.date, self.epoch = [re.compile(pattern.encode()) for pattern in patterns]

    def of(self, line):
        text = re.sub(rb'\x1b\[[0-9;]*m', b'', line[:400])[:200]
        match = self.epoch.match(text)
        if match:
            return float(match.group(1))
        match = self.date.match(text)
        if not match:
            return None
        parts = tuple(int(part) for part in match.groups()[:6])
        zone = match.group(8)
        try:
            if zone is None:
                return time.mktime(parts + (0, 0, -1))
            moved = 0
            if zone != b'Z':
                digits = zone[1:].replace(b':', b'')
                moved = (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (-1 if zone[:1] == b'-' else 1)
            return calendar.timegm(parts) - moved
        except (ValueError, OverflowError):
            return None

def after_older(fd, since, times):
    """Behind the last line that is known to be older; the end when the whole file is."""
    info = os.fstat(fd)
    if info.st_mtime < since:
        return info.st_size
    start = at = 0
    older = False
    with os.fdopen(os.dup(fd), 'rb') as file:
        file.seek(0)
        for line in file:
            at += len(line)
            when = times.of(line)
            if when is not None:
                older = when < since
                if older:
                    start = at
            elif older and line[:1] in (b' ', b'\t'):
                start = at
    return start

def last_lines(fd, start, end, count):
    """Where the last lines begin, and how many there are. What follows the last line end is a line too."""
    if count <= 0 or end <= start:
        return end, 0
    found, at = 0, end
    while at > start:
        size = min(65536, at - start)
        block = os.pread(fd, size, at - size)
        cut = block.rfind(b'\n')
        while cut >= 0:
            if at - size + cut < end - 1:
                found += 1
                if found == count:
                    return at - size + cut + 1, found
            cut = block.rfind(b'\n', 0, cut)
        at -= size
    return start, found + 1

def find_moved(content, anchor, offset):
    """
    Where to read on in a file that kept only the end of what was read up to offset; None when it is not such a file. A few
    bytes prove nothing, but for those of a line that is not whole yet: a line that begins so goes on as well.
    """
    if len(anchor) == ANCHOR:
        at = content.rfind(anchor)
        if at >= 0 and at + ANCHOR < offset:
            return at + ANCHOR
    starts = [0] + [hit.end() for hit in re.finditer(b'\n', anchor)]
    for start in starts:
        kept = len(anchor) - start
        is_sure = kept >= CHECK or kept == len(content) or start == starts[-1]
        if 0 < kept < offset and is_sure and content.startswith(anchor[start:]):
            return kept
    return None

def common(one, start, other):
    length = min(len(one) - start, len(other))
    if one[start:start + length] == other[:length]:
        return length
    low, high = 0, length
    while low < high:
        middle = (low + high + 1) // 2
        if one[start:start + middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low

def find_copied(old, old_start, new):
    """How many bytes at the start of new are a copy of the end of old. Lines may have gone to old after the copy."""
    first = new.find(b'\n') + 1
    for probe in (4096, 1024, 256, CHECK, first):
        head = new[:probe]
        if not head:
            continue
        best, at = 0, len(old)
        for _ in range(64):
            at = old.rfind(head, 0, at + len(head) - 1 if at < len(old) else at)
            if at < 0:
                break
            length = common(old, at, new)
            rest = len(old) - at - length
            if old_start + at > 0 and rest <= (min(LATE, length // 2) if len(head) >= CHECK else 0):
                best = max(best, length)
        if best:
            return best
    return 0
`;
