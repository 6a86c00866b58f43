import { join, relative } from 'node:path';

/**
 * Two machines both have a port 17860, on one computer. Python on a machine therefore listens on a free port of this
 * computer's loopback instead, and writes down which; whoever connects, looks it up. Files: run/ports/<port> holding
 * "<real port> <pid>…", of all processes that have it: a daemon's parent ends. A `.pth` file loads it (portsLoader): a `sitecustomize` would not do, because Debian's, Ubuntu's
 * and Homebrew's Python have one of their own, which comes first.
 */
export const PORTS = `import errno, os, socket
_here = os.path.abspath(__file__)
for _ in range(4):
    _here = os.path.dirname(_here)
_root = os.environ.get('FORGECTL_ROOT') or _here
_ports = os.path.join(_root, 'run', 'ports')
_bind, _connect, _connect_ex = socket.socket.bind, socket.socket.connect, socket.socket.connect_ex
_LOOPBACK = {socket.AF_INET: '127.0.0.1', socket.AF_INET6: '::ffff:127.0.0.1'}
_LOCAL = ('', '0.0.0.0', 'localhost', '::', '::1')
# Port -> kind of what this process has listened on: '4', '6', or '46' for both.
_mine = {}

def _is_caught(peer, address):
    # What is no address is for the real call to refuse.
    return (peer.family in _LOOPBACK and peer.type == socket.SOCK_STREAM and isinstance(address, tuple)
            and len(address) >= 2 and isinstance(address[1], int) and 0 <= address[1] <= 65535)

def _is_local(host):
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode('ascii', 'replace')
    return host in _LOCAL or host.startswith(('127.', '::ffff:127.'))

def _kind(peer):
    if peer.family == socket.AF_INET:
        return '4'
    return '6' if peer.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) else '46'

def _is_alive(pid):
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        pass
    except OSError:
        return False
    return True

def _real(port):
    try:
        with open(os.path.join(_ports, str(port))) as file:
            real, *pids = file.read().split()
        return int(real) if any(map(_is_alive, pids)) else None
    except (OSError, ValueError):
        return None

def _after_fork():
    for port in list(_mine):
        try:
            with open(os.path.join(_ports, str(port)), 'a') as file:
                file.write(' %d' % os.getpid())
        except OSError:
            pass

os.register_at_fork(after_in_child=_after_fork)

def _is_taken(port):
    real = _real(port)
    if real is None:
        return False
    # A program that looks for a free port binds one, closes it, and binds it again.
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        _bind(probe, ('127.0.0.1', real))
        return False
    except OSError:
        return True
    finally:
        probe.close()

def bind(self, address):
    if not _is_caught(self, address):
        return _bind(self, address)
    # All addresses of a machine are its own, so whichever is asked for is this computer's loopback.
    port = address[1]
    # asyncio listens twice on one port: IPv4, and IPv6 alone. Here either is reached by both.
    kind = _kind(self)
    if port != 0 and {kind, _mine.get(port)} != {'4', '6'} and _is_taken(port):
        raise OSError(errno.EADDRINUSE, 'Address already in use')
    if self.family == socket.AF_INET6:
        self.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    _bind(self, (_LOOPBACK[self.family], 0))
    real = self.getsockname()[1]
    os.makedirs(_ports, exist_ok=True)
    draft = os.path.join(_ports, '.%d-%d' % (port, os.getpid()))
    with open(draft, 'w') as file:
        file.write('%d %d' % (real, os.getpid()))
    os.replace(draft, os.path.join(_ports, str(port or real)))
    _mine[port or real] = kind

def _translate(self, address):
    if not _is_caught(self, address) or not _is_local(address[0]):
        return address
    real = _real(address[1])
    if real is None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, 'Connection refused')
    return (_LOOPBACK[self.family], real)

def connect(self, address):
    return _connect(self, _translate(self, address))

def connect_ex(self, address):
    try:
        return _connect_ex(self, _translate(self, address))
    except ConnectionRefusedError:
        return errno.ECONNREFUSED

def off():
    """For what leads out of the machine, as the sandbox's own address does."""
    socket.socket.bind, socket.socket.connect, socket.socket.connect_ex = _bind, _connect, _connect_ex

socket.socket.bind, socket.socket.connect, socket.socket.connect_ex = bind, connect, connect_ex
`;

/** Below a machine's root; a program outside of its Python environments puts this folder on its path by itself. */
export const PORTS_FOLDER = 'usr/lib/sandbox-net';

/** The text of a `.pth` file in `site` (site-packages), relative because the image is built in one place and copied to others. */
export function portsLoader(root: string, site: string): string {
  return `${relative(site, join(root, PORTS_FOLDER))}\nimport sandbox_ports\n`;
}

/** image: the activate hook says so on stdout (traps 19). */
export const ACTIVATE = `VIRTUAL_ENV="$FORGECTL_ROOT/venv/main"; export VIRTUAL_ENV
PATH="$VIRTUAL_ENV/bin:$PATH"; export PATH
unset PYTHONHOME
printf '\\033[0;32mActivated conda/uv virtual environment at \\033[0;36m%s\\033[0m\\n' "/venv/main"
`;

/** Run once per sandbox: local wheels, and the packages of the image installed from them. argv: packages dir, site-packages. */
export const MAKE_PACKAGES = `import base64, hashlib, os, sys, zipfile
packages, site = sys.argv[1], sys.argv[2]
IMAGE = {'torch': '2.9.1+cu128', 'torchvision': '0.24.1+cu128', 'torchaudio': '2.9.1+cu128', 'gradio': '4.40.0', 'transformers': '4.46.1', 'diffusers': '0.31.0', 'accelerate': '0.31.0', 'safetensors': '0.4.5', 'pillow': '10.4.0', 'huggingface-hub': '0.26.2'}
MORE = {'wants-torch': ['1.0'], 'gradio': ['4.44.1'], 'transformers': ['4.48.3'], 'diffusers': ['0.32.2'], 'torch': ['2.6.0'], 'open-clip-torch': ['2.20.0'], 'insightface': ['0.7.3']}
CUDA = '\\nclass cuda:\\n    @staticmethod\\n    def is_available():\\n        return True\\n'

def build(name, version):
    module = name.replace('-', '_')
    info = '%s-%s.dist-info' % (module, version)
    files = {
        '%s/__init__.py' % module: "__version__ = '%s'\\n%s" % (version, CUDA if name == 'torch' else ''),
        info + '/METADATA': 'Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n' % (name, version) + ('Requires-Dist: torch>=3\\n' if name == 'wants-torch' else ''),
        info + '/WHEEL': 'Wheel-Version: 1.0\\nGenerator: sandbox\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n',
    }
    record = ''
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()
        record += '%s,sha256=%s,%d\\n' % (path, digest, len(text))
    files[info + '/RECORD'] = record + info + '/RECORD,,\\n'
    wheel = os.path.join(packages, '%s-%s-py3-none-any.whl' % (module, version))
    with zipfile.ZipFile(wheel, 'w') as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2026, 1, 1, 0, 0, 0)), text)
    return wheel

for name, version in IMAGE.items():
    with zipfile.ZipFile(build(name, version)) as archive:
        archive.extractall(site)
    info = '%s-%s.dist-info' % (name.replace('-', '_'), version)
    with open(os.path.join(site, info, 'INSTALLER'), 'w') as file:
        file.write('pip\\n')
    with open(os.path.join(site, info, 'RECORD'), 'a') as file:
        file.write(info + '/INSTALLER,,\\n')
for name, versions in MORE.items():
    for version in versions:
        build(name, version)
`;

/** A curl for machines: this machine's own ports, and of the internet only what the sandbox serves. */
export const CURL = `import os, sys, urllib.error, urllib.parse, urllib.request
sys.path.insert(0, os.path.join(os.environ['FORGECTL_ROOT'], 'usr', 'lib', 'sandbox-net'))
import sandbox_ports
LOCAL = ('127.0.0.1', 'localhost')
opts = {'headers': {}, 'method': None, 'out': None, 'format': None, 'fail': False, 'head': False, 'data': None, 'timeout': None, 'offset': None, 'config': None, 'show': False, 'include': False, 'silent': False}
words, urls = sys.argv[1:], []
WITH_VALUE = {'o': 'out', 'w': 'format', 'X': 'method', 'm': 'timeout', 'H': 'header', 'd': 'data', 'A': 'agent', 'u': 'user', 'C': 'offset', 'K': 'config'}
LONG = {'output': 'o', 'write-out': 'w', 'request': 'X', 'max-time': 'm', 'connect-timeout': 'm', 'header': 'H', 'data': 'd', 'data-binary': 'd', 'data-raw': 'd', 'user-agent': 'A', 'user': 'u', 'silent': 's', 'show-error': 'S', 'fail': 'f', 'head': 'I', 'location': 'L', 'include': 'i', 'retry': 'ignored', 'retry-delay': 'ignored', 'continue-at': 'C', 'config': 'K', 'globoff': 'g'}

def take(flag, value):
    if flag == 'H':
        name, _, text = value.partition(':'); opts['headers'][name.strip()] = text.strip()
    elif flag == 'K':
        for line in sys.stdin if value == '-' else open(value):
            key, _, text = line.partition('=')
            if key.strip() == 'header': take('H', text.strip().strip('"'))
    elif flag == 'd':
        if value == '@-': opts['data'] = sys.stdin.buffer.read()
        elif value.startswith('@'): opts['data'] = open(value[1:], 'rb').read()
        else: opts['data'] = value.encode()
    else:
        opts[WITH_VALUE[flag]] = value

while words:
    word = words.pop(0)
    if word.startswith('--'):
        name, has, value = word[2:].partition('=')
        if name == 'url':
            urls.append(value if has else words.pop(0)); continue
        flag = LONG.get(name)
        if flag is None:
            sys.stderr.write('curl: option %s: is unknown\\n' % word); sys.exit(2)
        if flag == 'ignored': words.pop(0)
        elif flag in WITH_VALUE: take(flag, value if has else words.pop(0))
        else: opts[{'s': 'silent', 'S': 'show', 'f': 'fail', 'I': 'head', 'L': 'follow', 'i': 'include', 'g': 'globoff'}[flag]] = True
    elif word.startswith('-') and len(word) > 1:
        letters = word[1:]
        while letters:
            flag, letters = letters[0], letters[1:]
            if flag in WITH_VALUE:
                take(flag, letters or words.pop(0)); break
            opts[{'s': 'silent', 'S': 'show', 'f': 'fail', 'I': 'head', 'L': 'follow', 'i': 'include', 'k': 'insecure', 'g': 'globoff'}.get(flag, 'other')] = True
    else:
        urls.append(word)

def finish(code, body, status):
    if opts['out'] and opts['out'] != '/dev/null':
        open(opts['out'], 'wb').write(body)
    elif not opts['out']:
        sys.stdout.buffer.write(body)
    sys.stdout.flush()
    if opts['format']:
        sys.stdout.write(opts['format'].replace('%{http_code}', '%03d' % status).replace('\\\\n', '\\n'))
    sys.stdout.flush()
    sys.exit(code)

if not urls:
    sys.stderr.write('curl: no URL specified\\n'); sys.exit(2)
url = urls[0] if '://' in urls[0] else 'http://' + urls[0]
parts = urllib.parse.urlsplit(url)
if parts.hostname not in LOCAL:
    url = os.environ['SANDBOX_URL'] + '/internet/' + urllib.parse.quote(url, safe='')
    sandbox_ports.off()
request = urllib.request.Request(url, data=opts['data'], headers=opts['headers'], method=opts['method'] or ('HEAD' if opts['head'] else None))
try:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=float(opts['timeout'] or 300)) as reply:
        finish(0, reply.read(), reply.status)
except urllib.error.HTTPError as error:
    if opts['fail']:
        if opts['show'] or not opts['silent']: sys.stderr.write('curl: (22) The requested URL returned error: %d\\n' % error.code)
        finish(22, b'', error.code)
    finish(0, error.read(), error.code)
except OSError as error:
    if opts['show'] or not opts['silent']: sys.stderr.write('curl: (7) Failed to connect: %s\\n' % error)
    finish(28 if 'timed out' in str(error) else 7, b'', 0)
`;
