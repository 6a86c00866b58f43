/** The instance portal's JSON side (instance.md 10), on 11111. */
export const PORTAL = `import json, os, re, subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
ROOT = os.environ['FORGECTL_ROOT']
UNSTOPPABLE = ('instance_portal', 'caddy', 'tunnel_manager')


def control(*words):
    done = subprocess.run([os.path.join(ROOT, 'usr/local/bin/supervisorctl'), *words], capture_output=True, text=True)
    return done.stdout.strip()


def processes():
    found = []
    skipped = os.listdir(os.path.join(ROOT, 'tmp/supervisor-skip')) if os.path.isdir(os.path.join(ROOT, 'tmp/supervisor-skip')) else []
    for line in control('status').splitlines():
        name, state, *rest = line.split(None, 2)
        if name in skipped:
            continue
        text = rest[0] if rest else ''
        pid = re.search(r'pid (\\d+)', text)
        found.append({'name': name, 'group': name, 'state': state, 'description': text, 'pid': int(pid.group(1)) if pid else 0, 'unstoppable': name in UNSTOPPABLE})
    return found


def applications():
    apps, name = {}, None
    for line in open(os.path.join(ROOT, 'etc/portal.yaml')):
        head = re.match(r'  (\\S.*):\\s*$', line)
        field = re.match(r'    (\\w+): (.*)$', line)
        if head:
            name = head.group(1); apps[name] = {}
        elif field and name:
            value = field.group(2).strip()
            apps[name][field.group(1)] = int(value) if value.isdigit() else value
    for app in apps.values():
        app['target_url'] = 'http://localhost:%s' % app.get('external_port')
    return apps


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(data)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(data)

    def do_GET(self):
        path = self.path.split('?')[0]
        marks = {name: os.path.exists(os.path.join(ROOT, '.' + name)) for name in ('provisioning', 'provisioning_failed', 'provisioning_complete')}
        status = 'in_progress' if marks['provisioning'] else 'failed' if marks['provisioning_failed'] else 'complete' if marks['provisioning_complete'] else 'none'
        if path == '/health':
            return self.answer(200, {'status': 'ok'})
        if path == '/':
            return self.answer(200, {'title': 'Instance Portal', 'applications': list(applications())})
        if path == '/get-applications':
            return self.answer(200, applications())
        if path == '/supervisor/processes':
            return self.answer(200, processes())
        if path in ('/capabilities', '/.well-known/vast-capabilities'):
            return self.answer(200, {'schema_version': 1, 'instance': {'container_id': os.environ.get('CONTAINER_ID'), 'workspace': os.environ.get('WORKSPACE')}, 'services': processes(), 'provisioning': {'status': status}})
        if path == '/openapi.json':
            return self.answer(200, {'openapi': '3.1.0', 'paths': {name: {} for name in ('/health', '/get-applications', '/supervisor/processes', '/supervisor/process/{name}/{action}', '/capabilities')}})
        return self.answer(404, {'detail': 'Not Found'})

    do_HEAD = do_GET

    def do_POST(self):
        self.rfile.read(int(self.headers.get('content-length') or 0))
        found = re.fullmatch(r'/supervisor/process/([\\w-]+)/(start|stop|restart)', self.path)
        if not found:
            return self.answer(404, {'detail': 'Not Found'})
        name, action = found.groups()
        if action == 'stop' and name in UNSTOPPABLE:
            return self.answer(403, {'detail': 'This process cannot be stopped'})
        text = control(action, name)
        if 'no such process' in text:
            return self.answer(404, {'detail': text})
        return self.answer(400 if 'ERROR' in text else 200, {'detail': text} if 'ERROR' in text else {'status': 'ok', 'name': name, 'action': action})


ThreadingHTTPServer(('127.0.0.1', 11111), Handler).serve_forever()
`;
