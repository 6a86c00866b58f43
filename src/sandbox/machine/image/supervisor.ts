/**
 * A supervisor with the real one's commands, words and exit codes (Supervisor 4: supervisorctl), small enough to live in
 * a directory. Python, because every machine has it; the socket is bound by a relative path, since absolute ones in a
 * deep state directory are longer than the system allows.
 */
export const SUPERVISORD = `import configparser, glob, json, os, signal, socket, subprocess, sys, threading, time
ROOT = os.environ['FORGECTL_ROOT']
SCALE = float(os.environ.get('SANDBOX_TIME_SCALE', '1'))
LOCK = threading.RLock()
PROGRAMS = {}
STOPPING = threading.Event()

class Program:
    def __init__(self, name, options):
        self.name, self.options = name, options
        self.state, self.process, self.started, self.ended, self.tries, self.asked = 'STOPPED', None, 0, 0, 0, False
    def option(self, key, default):
        return self.options.get(key, default)
    def start(self):
        env = dict(os.environ, PROC_NAME=self.name)
        for pair in filter(None, self.option('environment', '').split(',')):
            key, _, value = pair.partition('=')
            env[key.strip()] = value.strip().strip('"')
        self.asked, self.state, self.started = False, 'STARTING', time.time()
        try:
            self.process = subprocess.Popen(['bash', '-c', 'exec ' + self.option('command', 'false')], env=env, stdin=subprocess.DEVNULL, start_new_session=True, cwd=ROOT)
        except OSError:
            self.state = 'FATAL'
            return
        threading.Thread(target=self.watch, args=(self.process,), daemon=True).start()
        if float(self.option('startsecs', '1')) == 0:
            self.state = 'RUNNING'
    def watch(self, process):
        settle = float(self.option('startsecs', '1')) / SCALE
        try:
            code = process.wait(timeout=settle) if settle > 0 else None
        except subprocess.TimeoutExpired:
            code = None
        if code is None:
            with LOCK:
                if self.process is process and self.state == 'STARTING':
                    self.state, self.tries = 'RUNNING', 0
            code = process.wait()
        with LOCK:
            if self.process is not process:
                return
            early, self.ended = self.state == 'STARTING', time.time()
            if self.asked:
                self.state = 'STOPPED'
                return
            if STOPPING.is_set():
                self.state = 'STOPPED'
                return
            if early:
                self.tries += 1
                if self.tries > int(self.option('startretries', '3')):
                    self.state = 'FATAL'
                    return
                self.state = 'BACKOFF'
                threading.Timer(self.tries / SCALE, self.again).start()
                return
            self.state = 'EXITED'
            expected = str(code) in self.option('exitcodes', '0').replace(' ', '').split(',')
            mode = self.option('autorestart', 'unexpected')
            if mode == 'true' or (mode == 'unexpected' and not expected):
                threading.Timer(0.02, self.again).start()
    def again(self):
        with LOCK:
            if self.state in ('BACKOFF', 'EXITED') and not self.asked and not STOPPING.is_set():
                self.start()
    def stop(self):
        self.asked = True
        process = self.process
        if process is None or process.poll() is not None:
            self.state = 'STOPPED' if self.state != 'FATAL' else self.state
            return
        self.state = 'STOPPING'
        for sig, limit in ((signal.SIGTERM, float(self.option('stopwaitsecs', '10'))), (signal.SIGKILL, 5)):
            try:
                os.killpg(process.pid, sig)
            except ProcessLookupError:
                pass
            try:
                process.wait(timeout=limit)
                break
            except subprocess.TimeoutExpired:
                continue
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.state = 'STOPPED'
    def line(self):
        if self.state == 'RUNNING':
            up = int((time.time() - self.started) * SCALE)
            text = 'pid %d, uptime %d:%02d:%02d' % (self.process.pid, up // 3600, up // 60 % 60, up % 60)
        elif self.state in ('STOPPED', 'EXITED'):
            text = time.strftime('%b %d %I:%M %p', time.localtime(self.ended)) if self.ended else 'Not started'
        elif self.state == 'FATAL':
            text = 'Exited too quickly (process log may have details)'
        elif self.state == 'BACKOFF':
            text = 'Exited too quickly (process log may have details)'
        else:
            text = ''
        return '%-32s %-9s %s' % (self.name, self.state, text)

def read_config():
    found = {}
    for path in sorted(glob.glob(os.path.join(ROOT, 'etc/supervisor/conf.d/*.conf'))):
        parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(';',))
        parser.read(path)
        for section in parser.sections():
            if section.startswith('program:'):
                found[section[8:]] = dict(parser.items(section))
    return found

def load():
    for name, options in read_config().items():
        if name not in PROGRAMS:
            PROGRAMS[name] = Program(name, options)

def start_auto():
    for program in PROGRAMS.values():
        if program.option('autostart', 'true') == 'true' and program.state == 'STOPPED':
            program.start()

def chosen(words):
    return sorted(PROGRAMS) if not words or 'all' in words else words

def wait_started(program):
    limit = time.time() + 5 + float(program.option('startsecs', '1')) / SCALE
    while program.state == 'STARTING' and time.time() < limit:
        LOCK.release(); time.sleep(0.02); LOCK.acquire()

def handle(words):
    verb, rest = (words[0], words[1:]) if words else ('help', [])
    out, code = [], 0
    if verb == 'status':
        for name in chosen(rest):
            program = PROGRAMS.get(name)
            if program is None:
                out.append('%s: ERROR (no such process)' % name); code = 4
            else:
                out.append(program.line())
                # STARTING and BACKOFF count as running.
                if program.state in ('STOPPED', 'EXITED', 'FATAL', 'UNKNOWN') and code == 0:
                    code = 3
    elif verb == 'restart':
        for part in ('stop', 'start'):
            done = handle([part, *rest])
            out += filter(None, [done['out']]); code = max(code, done['code'])
    elif verb in ('start', 'stop'):
        # Asked for what is so already, it says so and leaves with 0; "all" passes over it in silence.
        whole = not rest or 'all' in rest
        for name in chosen(rest):
            program = PROGRAMS.get(name)
            running = program is not None and program.state in ('RUNNING', 'STARTING', 'BACKOFF')
            if program is None:
                out.append('%s: ERROR (no such process)' % name); code = code or 1
            elif running == (verb == 'start'):
                out += [] if whole else ['%s: ERROR (%s)' % (name, 'already started' if running else 'not running')]
            elif verb == 'stop':
                program.stop(); out.append('%s: stopped' % name)
            else:
                program.tries = 0; program.start(); wait_started(program)
                bad = program.state in ('FATAL', 'BACKOFF')
                out.append('%s: ERROR (spawn error)' % name if bad else '%s: started' % name)
                code = 7 if bad else code
    elif verb == 'reread':
        fresh = read_config()
        out += ['%s: available' % n for n in fresh if n not in PROGRAMS]
        out += ['%s: changed' % n for n in fresh if n in PROGRAMS and PROGRAMS[n].options != fresh[n]]
        out += ['%s: disappeared' % n for n in PROGRAMS if n not in fresh]
        out = out or ['No config updates to processes']
    elif verb == 'update':
        fresh = read_config()
        for name in list(PROGRAMS):
            if name not in fresh:
                PROGRAMS[name].stop(); del PROGRAMS[name]; out += ['%s: stopped' % name, '%s: removed process group' % name]
            elif PROGRAMS[name].options != fresh[name]:
                PROGRAMS[name].stop(); PROGRAMS[name] = Program(name, fresh[name]); PROGRAMS[name].start(); out += ['%s: stopped' % name, '%s: updated process group' % name]
        for name in fresh:
            if name not in PROGRAMS:
                PROGRAMS[name] = Program(name, fresh[name]); PROGRAMS[name].start(); out.append('%s: added process group' % name)
    elif verb == 'reload':
        for program in PROGRAMS.values():
            program.stop()
        PROGRAMS.clear(); load(); start_auto(); out.append('Restarted supervisord')
    elif verb == 'pid' and rest and rest[0] not in PROGRAMS:
        out.append('No such process %s' % rest[0]); code = 1
    elif verb == 'pid':
        out.append(str(os.getpid()) if not rest else str(PROGRAMS[rest[0]].process.pid if PROGRAMS[rest[0]].process and PROGRAMS[rest[0]].process.poll() is None else 0))
    elif verb == 'version':
        out.append('4.2.5')
    elif verb == 'tail':
        out.append('')
    elif verb == 'shutdown':
        out.append('Shut down'); threading.Timer(0.05, shutdown).start()
    else:
        out.append('*** Unknown syntax: %s' % ' '.join(words)); code = 1
    return {'out': '\\n'.join(out), 'code': code}

def shutdown(*_):
    if STOPPING.is_set():
        return
    STOPPING.set()
    with LOCK:
        threads = [threading.Thread(target=program.stop) for program in PROGRAMS.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    try:
        os.unlink('supervisor.sock')
    except OSError:
        pass
    os._exit(0)

def leash():
    # The pipe's other end is held by the sandbox: when it closes, nobody is left to end this machine.
    try:
        while os.read(3, 1):
            pass
    except OSError:
        return
    shutdown()

os.makedirs(os.path.join(ROOT, 'run'), exist_ok=True)
os.chdir(os.path.join(ROOT, 'run'))
if os.path.exists('supervisor.sock'):
    os.unlink('supervisor.sock')
server = socket.socket(socket.AF_UNIX)
server.bind('supervisor.sock')
server.listen(16)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=shutdown).start())
signal.signal(signal.SIGHUP, signal.SIG_IGN)
threading.Thread(target=leash, daemon=True).start()
with LOCK:
    load(); start_auto()

def answer(peer):
    with peer:
        words = json.loads(peer.makefile().readline())
        with LOCK:
            reply = handle(words)
        try:
            peer.sendall(json.dumps(reply).encode())
        except OSError:
            pass

while True:
    try:
        peer, _ = server.accept()
    except InterruptedError:
        continue
    threading.Thread(target=answer, args=(peer,), daemon=True).start()
`;

export const SUPERVISORCTL = `import json, os, socket, sys
try:
    os.chdir(os.path.join(os.environ['FORGECTL_ROOT'], 'run'))
    peer = socket.socket(socket.AF_UNIX)
    peer.connect('supervisor.sock')
except OSError:
    print('unix:///var/run/supervisor.sock no such file')
    sys.exit(4 if sys.argv[1:2] == ['status'] else 7)
peer.sendall((json.dumps(sys.argv[1:]) + '\\n').encode())
text = b''
while True:
    piece = peer.recv(65536)
    if not piece:
        break
    text += piece
reply = json.loads(text or b'{"out": "error: connection closed", "code": 4}')
if reply['out']:
    print(reply['out'])
sys.exit(reply['code'])
`;

interface ProgramOptions {
  autorestart: string;
  startsecs: number;
}

/** image: etc/supervisor/conf.d (instance.md 7). */
export const PROGRAMS: Record<string, ProgramOptions> = {
  caddy: { autorestart: 'unexpected', startsecs: 5 },
  instance_portal: { autorestart: 'unexpected', startsecs: 5 },
  tunnel_manager: { autorestart: 'unexpected', startsecs: 5 },
  forge: { autorestart: 'true', startsecs: 0 },
  jupyter: { autorestart: 'unexpected', startsecs: 0 },
  syncthing: { autorestart: 'unexpected', startsecs: 0 },
  tensorboard: { autorestart: 'unexpected', startsecs: 0 },
  cron: { autorestart: 'unexpected', startsecs: 0 },
};

export function programConfig(name: string, { autorestart, startsecs }: ProgramOptions): string {
  return `[program:${name}]
environment=PROC_NAME="${name}"
command="$FORGECTL_ROOT/opt/supervisor-scripts/${name}.sh"
autostart=true
autorestart=${autorestart}
startsecs=${startsecs}
exitcodes=0
stopasgroup=true
killasgroup=true
stopsignal=TERM
stopwaitsecs=10
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
redirect_stderr=true
`;
}
