"""The image's tunnel manager on 11112 (instance.md 10), without an internet to open tunnels into."""
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_GET(self):
        known = self.path in ('/get-all-quick-tunnels', '/get-named-tunnels')
        data = json.dumps([] if known else {'detail': 'Not Found'}).encode()
        self.send_response(200 if known else 404)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)


ThreadingHTTPServer(('127.0.0.1', 11112), Handler).serve_forever()
