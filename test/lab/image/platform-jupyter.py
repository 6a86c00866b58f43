"""The platform's own Jupyter of the jupyter launch modes: HTTPS on 8080 with a token (image README)."""
import json
import os
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = os.environ['JUPYTER_TOKEN']


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        given = [self.headers.get('authorization', '').removeprefix('token '), *parse_qs(url.query).get('token', [])]
        allowed = TOKEN in given
        body = {'version': '2.14.2'} if url.path == '/api' else {'path': url.path} if allowed else {'message': 'Forbidden'}
        data = json.dumps(body).encode()
        self.send_response(200 if allowed or url.path == '/api' else 403)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)


server = ThreadingHTTPServer(('', 8080), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/etc/instance.crt', '/etc/instance.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
