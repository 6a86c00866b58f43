"""In the place of a sandbox machine's bash: runs what it is given, and lies about what came out.

What to say instead lies in hostile.json beside it: {"seed", "share", "values": "escapes" | "all"}. Without that file it is
the real one. Only scripts that come on stdin are answered with lies, and the log reader's frames; what `exec` runs is the user's.
"""
import base64
import json
import os
import random
import re
import subprocess
import sys
import threading

WORDS = sys.argv[1:]
PLAN = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'hostile.json')
MARKER = re.compile(rb'__forgectl_[0-9a-f]{32}__')
READER = re.compile(rb"3<<'(__forgectl_[0-9a-f]{32}__)'\n")
FACT = re.compile(rb'^([\w.]+)=([A-Za-z0-9+/]+={0,2})$')
ESCAPES = b'\x1b]0;MACHINE\x07\x1b[2J\xc2\x9b31m\xe2\x80\xae\xe2\x81\xa6\r\x08\x1b[5;31;47mX\xc2\x85'
# Nine characters are enough for an OSC that swallows what comes next.
BYTES = [ESCAPES, b'\x1b]0;', b'\xff\xfe\x80\xc3', b'NaN', b'Infinity', b'-1', b'9' * 26, b'1e308', b'0x7f', b'', b'..', b'../../x',
         b'-rf', b'null', b'[]', b'{"toString":1}', b'a\nb', b'x' * 100000, b'\xe2\x80\xaegnp.exe', b'abc123', b'0']
VALUES = [None, True, -1, 1e308, 0.5, 2 ** 53 + 1, '', 'x' * 100000, '..', [], {}, {'toString': 1}, [None], ESCAPES.decode()]


def real():
    os.execv('/bin/bash', ['bash'] + WORDS)


class Liar:
    def __init__(self, plan):
        self.plan = plan
        self.share = plan['share']
        self.only_escapes = plan['values'] == 'escapes'

    def random_for(self, name):
        # str.hash differs from process to process; a seed of text does not.
        return random.Random('%s %s' % (self.plan['seed'], name))

    def value(self, rnd, value):
        """Somewhere in JSON, another value."""
        if isinstance(value, dict) and value and rnd.random() < .9:
            key = rnd.choice(sorted(value))
            if not self.only_escapes and rnd.random() < .1:
                return {k: v for k, v in value.items() if k != key}
            return {**value, key: self.value(rnd, value[key])}
        if isinstance(value, list) and value and rnd.random() < .9:
            at = rnd.randrange(len(value))
            return value[:at] + [self.value(rnd, value[at])] + value[at + 1:]
        if self.only_escapes:
            return value + ESCAPES.decode() if isinstance(value, str) else value
        return rnd.choice(VALUES)

    def text(self, rnd, text):
        """The whole of it, a line, a word, or something behind it."""
        lie = ESCAPES if self.only_escapes else rnd.choice(BYTES)
        as_json = self.json_of(text)
        if as_json is not None:
            return json.dumps(self.value(rnd, as_json)).encode()
        lines = text.split(b'\n')
        at = rnd.randrange(len(lines))
        words = lines[at].split(b' ')
        word = rnd.randrange(len(words))
        inner = self.json_in_base64(words[word])
        how = rnd.randrange(4)
        if inner is not None:
            words[word] = base64.b64encode(json.dumps(self.value(rnd, inner)).encode())
            lines[at] = b' '.join(words)
        elif self.only_escapes or how == 0:
            lines[at] = lie + lines[at] if rnd.random() < .5 else lines[at] + lie
        elif how == 1:
            words[word] = lie
            lines[at] = b' '.join(words)
        elif how == 2:
            lines[at] = lie
        else:
            return lie
        return b'\n'.join(lines)

    def json_of(self, text):
        if text[:1] not in (b'{', b'['):
            return None
        try:
            return json.loads(text)
        except ValueError:
            return None

    def json_in_base64(self, word):
        if len(word) < 20:
            return None
        try:
            return self.json_of(base64.b64decode(word, validate=True))
        except ValueError:
            return None

    def line(self, number, line):
        fact = FACT.match(line)
        key = fact.group(1) if fact else line.split(b'=', 1)[0] if b'=' in line[:40] else b'%d' % number
        rnd = self.random_for(key)
        # Without its marks an answer is one that was cut off, which is asked for again, for minutes.
        if rnd.random() >= self.share or MARKER.search(line):
            return [line]
        if not self.only_escapes and rnd.random() < .1:
            return []
        # `a=running` looks like one, too.
        text = decoded(fact.group(2)) if fact and len(fact.group(2)) % 4 == 0 else None
        if text is not None:
            return [fact.group(1) + b'=' + base64.b64encode(self.text(rnd, text))]
        if b'=' in line[:40]:
            return [key + b'=' + self.text(rnd, line[len(key) + 1:])]
        return [self.text(rnd, line)]

    def answer(self, script):
        ran = subprocess.run(['/bin/bash'] + WORDS, input=script, capture_output=True)
        lines = [lie for number, line in enumerate(ran.stdout.split(b'\n')) for lie in self.line(number, line)]
        write(1, b'\n'.join(lines))
        write(2, ran.stderr + b'oops ' + ESCAPES + b'\n')
        rnd = self.random_for('exit')
        code = ran.returncode if self.only_escapes or rnd.random() > .1 else rnd.randrange(256)
        sys.stdout.flush()
        os._exit(code if code >= 0 else 1)

    def frames(self, begun):
        """The log reader goes on talking on the same streams."""
        child = subprocess.Popen(['/bin/bash'] + WORDS, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdin.write(begun)
        child.stdin.flush()
        threading.Thread(target=self.pass_on, args=(child.stdin,), daemon=True).start()
        out = child.stdout
        for line in iter(out.readline, b''):
            write(1, line)
            if b':ready' in line:
                break
        for number, line in enumerate(iter(out.readline, b'')):
            header = json.loads(line)
            data = out.read(header['n'])
            rnd = self.random_for('frame %d' % number)
            if rnd.random() < self.share:
                header = self.value(rnd, header)
                data = data if self.only_escapes or rnd.random() < .7 else rnd.choice(BYTES)
            write(1, json.dumps(header).encode() + b'\n' + data)
        os._exit(child.wait())

    def pass_on(self, into):
        while True:
            chunk = os.read(0, 65536)
            if not chunk:
                break
            into.write(chunk)
            into.flush()
        into.close()


def decoded(word):
    text = base64.b64decode(word)
    return text if text.isascii() or len(word) > 12 else None


def write(file, data):
    view = memoryview(data)
    while view:
        view = view[os.write(file, view):]


def main():
    # What follows is a mark, by which the run is found and ended.
    if WORDS[:3] != ['--noprofile', '--norc', '-s'] or not os.path.exists(PLAN):
        real()
    with open(PLAN) as file:
        liar = Liar(json.load(file))
    script = b''
    while True:
        chunk = os.read(0, 65536)
        script += chunk
        reader = READER.search(script)
        if reader and script.endswith(b'\n' + reader.group(1) + b'\n'):
            return liar.frames(script)
        if not chunk:
            return liar.answer(script)


main()
