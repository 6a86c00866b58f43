"""The image's proxy (instance.md 9): a site for each application of portal.yaml that has a published port of its own."""
import http.client
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

TOKEN = os.environ.get('OPEN_BUTTON_TOKEN', '')
COOKIE = os.environ.get('VAST_CONTAINERLABEL', '') + '_auth_token'
OPEN = os.environ.get('ENABLE_AUTH', 'true') == 'false'
EXCLUDED = os.environ.get('AUTH_EXCLUDE', '').split(',')
HOP = ('connection', 'keep-alive', 'transfer-encoding', 'content-length')


def sites():
    found, fields = [], {}
    for line in open('/etc/portal.yaml'):
        match = re.match(r'\s+(external_port|internal_port): (\d+)', line)
        if match:
            fields[match[1]] = int(match[2])
        if len(fields) == 2:
            found.append((fields['external_port'], fields['internal_port']))
            fields = {}
    # image: 10-prep-env.sh leaves 8080 to the Jupyter that the platform runs.
    taken = [8080] if 'jupyter' in open('/.launch').read() else []
    published = [pair for pair in found if 'VAST_TCP_PORT_%d' % pair[0] in os.environ]
    return [(ext, int_) for ext, int_ in published if ext != int_ and ext not in taken]


def handler(external, internal):
    class Site(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def log_message(self, *_):
            pass

        def allowed(self):
            given = [self.headers.get('authorization', '').removeprefix('Bearer ')]
            given += parse_qs(urlsplit(self.path).query).get('token', [])
            given += re.findall(re.escape(COOKIE) + r'=([^;\s]+)', self.headers.get('cookie', ''))
            return OPEN or str(external) in EXCLUDED or TOKEN in given

        def answer(self, status, headers, body):
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header('content-length', str(len(body)))
            self.end_headers()
            if self.command != 'HEAD':
                self.wfile.write(body)

        def pass_on(self):
            body = self.rfile.read(int(self.headers.get('content-length') or 0))
            if not self.allowed():
                return self.answer(401, [('www-authenticate', 'Basic realm="restricted"')], b'Unauthorized')
            inner = http.client.HTTPConnection('127.0.0.1', internal, timeout=60)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
                inner.request(self.command, self.path, body or None, {**headers, 'host': 'localhost:%d' % internal})
                reply = inner.getresponse()
                self.answer(reply.status, reply.getheaders(), reply.read())
            except OSError:
                marks = [('x-portal-placeholder', 'true'), ('content-type', 'text/html')]
                self.answer(502, marks, b'<title>Starting</title>')
            finally:
                inner.close()

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = pass_on

    return Site


# image: caddy.log holds the web credentials.
print('Bearer token %s' % TOKEN, flush=True)
ThreadingHTTPServer.daemon_threads = True
threads = [Thread(target=ThreadingHTTPServer(('', ext), handler(ext, int_)).serve_forever) for ext, int_ in sites()]
threads.append(Thread(target=ThreadingHTTPServer(('127.0.0.1', 2019), handler(0, 0)).serve_forever))
for thread in threads:
    thread.start()
