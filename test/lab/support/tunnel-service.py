# What a tunnel leads to on the machine: python3 - PORT. The first line says what is wanted:
# "get BYTES" sends so many, "digest" reads to the end and then answers with its SHA-256, "echo" sends back what comes.
import hashlib, socketserver, sys

BLOCK = bytes(range(256)) * 1024


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        word, _, rest = self.rfile.readline().decode().strip().partition(' ')
        if word == 'get':
            left = int(rest)
            while left > 0:
                self.wfile.write(BLOCK[:left])
                left -= min(left, len(BLOCK))
        elif word == 'digest':
            digest = hashlib.sha256()
            while chunk := self.rfile.read1(65536):
                digest.update(chunk)
            self.wfile.write(digest.hexdigest().encode())
        elif word == 'echo':
            while chunk := self.rfile.read1(65536):
                self.wfile.write(chunk)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    handle_error = lambda *_: None


Server(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
