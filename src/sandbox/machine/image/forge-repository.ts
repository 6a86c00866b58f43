/**
 * A small repository with Forge's shape: what an upgrade has to deal with (instance.md 5), and a launch.py that really
 * serves. Commits are made by git with fixed dates and authors, so their names are the same everywhere.
 */
const LAUNCH_PY = (version: string): string => `import argparse
from modules import launch_utils

VERSION = '${version}'


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument('--port', type=int, default=7860)
    parser.add_argument('--api', action='store_true')
    parser.add_argument('--exit', action='store_true')
    args, other = parser.parse_known_args()
    launch_utils.prepare_environment()
    if args.exit:
        return
    import webui
    webui.serve(VERSION, args.port, args.api, other)


if __name__ == '__main__':
    main()
`;

const LAUNCH_UTILS = `import importlib.metadata
import os
import re


def requirements_file():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for name in ('requirements_versions.txt', 'requirements.txt'):
        if os.path.exists(os.path.join(here, name)):
            return os.path.join(here, name)


def prepare_environment():
    print('Launching Web UI')
    with open(os.environ.get('REQS_FILE') or requirements_file()) as file:
        for line in file:
            name = re.split(r'[<>=!\\\\s]', line.strip())[0]
            if name and not name.startswith('#'):
                try:
                    importlib.metadata.version(name)
                except importlib.metadata.PackageNotFoundError:
                    print('Missing requirement: ' + name)
`;

const WEBUI = `import base64
import json
import os
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCALE = float(os.environ.get('SANDBOX_TIME_SCALE', '1'))
HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, 'models', 'Stable-diffusion')
DRAWING = []


def models():
    try:
        return sorted(name for name in os.listdir(MODELS) if name.endswith('.safetensors'))
    except OSError:
        return []


def png(width=64, height=64):
    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, 'big') + body + zlib.crc32(body).to_bytes(4, 'big')
    rows = b''.join(b'\\\\x00' + b''.join(bytes([x * 4 & 255, y * 4 & 255, 128]) for x in range(width)) for y in range(height))
    header = width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + b'\\\\x08\\\\x02\\\\x00\\\\x00\\\\x00'
    return b'\\\\x89PNG\\\\r\\\\n\\\\x1a\\\\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')


def page(version):
    return ('<!doctype html><html><head><title>Stable Diffusion WebUI Forge</title></head>'
            '<body><gradio-app></gradio-app><p>forge %s</p><p>models: %s</p></body></html>' % (version, ', '.join(models()) or 'none'))


class Handler(BaseHTTPRequestHandler):
    version, api, protocol_version = '', False, 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def answer(self, status, body, kind='application/json'):
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header('content-type', kind)
        self.send_header('content-length', str(len(data)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(data)

    def do_GET(self):
        path = self.path.split('?')[0]
        if path == '/':
            return self.answer(200, page(self.version), 'text/html; charset=utf-8')
        if path == '/internal/ping':
            return self.answer(200, {})
        table = {
            '/sdapi/v1/sd-models': [{'title': name, 'model_name': name.rsplit('.', 1)[0]} for name in models()],
            '/sdapi/v1/options': {'sd_model_checkpoint': (models() or [None])[0]},
            '/sdapi/v1/progress': {'progress': 0.5 if DRAWING else 0.0, 'eta_relative': 0.0, 'state': {'job': 'txt2img' if DRAWING else '', 'job_count': len(DRAWING)}},
            '/sdapi/v1/memory': {'ram': {}, 'cuda': {}},
            '/sdapi/v1/cmd-flags': {'api': True},
        }
        if self.api and path in table:
            return self.answer(200, table[path])
        return self.answer(404, {'detail': 'Not Found'})

    do_HEAD = do_GET

    def do_POST(self):
        length = int(self.headers.get('content-length') or 0)
        body = self.rfile.read(length)
        if self.api and self.path == '/sdapi/v1/txt2img':
            DRAWING.append(self)
            try:
                time.sleep(json.loads(body or b'{}').get('steps', 20) / 5 / SCALE)
            finally:
                DRAWING.remove(self)
            return self.answer(200, {'images': [base64.b64encode(png()).decode()], 'parameters': {}, 'info': '{}'})
        return self.answer(404, {'detail': 'Not Found'})


def serve(version, port, api, other):
    print('Loading weights: %s' % (models() or ['none'])[0], flush=True)
    time.sleep(6 / SCALE)
    Handler.version, Handler.api = version, api
    server = ThreadingHTTPServer(('127.0.0.1', port), Handler)
    server.daemon_threads = True
    print('Running on local URL:  http://127.0.0.1:%d' % port, flush=True)
    server.serve_forever()
`;

const REQUIREMENTS = (gradio: string, diffusers: string): string =>
  `setuptools==69.5.1\ntorch\naccelerate==0.31.0\ndiffusers==${diffusers}\ngradio==${gradio}\nhuggingface-hub==0.26.2\npillow==10.4.0\nsafetensors==0.4.5\ntorchvision==0.24.1\ntransformers==4.46.1\n`;

const IGNORE = `__pycache__\n*.safetensors\n/models\n/extensions\n/outputs\n/config.json\n/ui-config.json\n/venv\n/tmp\n`;

interface Commit {
  subject: string;
  files: Record<string, string>;
  tag?: string;
  branch?: string;
}

const BASE = {
  '.gitignore': IGNORE,
  'modules/launch_utils.py': LAUNCH_UTILS.replaceAll('\\\\', '\\'),
  'modules/__init__.py': '',
  'webui.py': WEBUI.replaceAll('\\\\', '\\'),
};

const COMMITS: Commit[] = [
  {
    subject: 'Initial commit',
    files: {
      ...BASE,
      'launch.py': LAUNCH_PY('2.0.0'),
      'requirements_versions.txt': REQUIREMENTS('4.40.0', '0.31.0'),
      'README.md': '# Stable Diffusion WebUI Forge\n',
    },
  },
  { subject: 'Faster loading of checkpoints', files: { 'launch.py': LAUNCH_PY('2.0.1') }, tag: 'v2.0.1' },
  { subject: 'Fix the memory estimate of small cards', files: { 'modules/memory.py': 'RESERVED_MB = 512\n' } },
  {
    subject: 'Update diffusers',
    files: { 'launch.py': LAUNCH_PY('2.0.2'), 'requirements_versions.txt': REQUIREMENTS('4.40.0', '0.32.2') },
  },
  { subject: 'Update gradio', files: { 'requirements_versions.txt': REQUIREMENTS('4.44.1', '0.32.2') } },
  { subject: 'Release 2.1.0', files: { 'launch.py': LAUNCH_PY('2.1.0') }, tag: 'v2.1.0' },
];

/** The image is built from this one: detached, two commits old at least (instance.md 5). */
const IMAGE_COMMIT = 2;

/** A bash script that makes the repository at $1 (bare) and the checkout at $2. */
export function repositoryScript(): string {
  const lines = [
    'set -e',
    'remote=$1 checkout=$2 work=$1.work',
    'export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_AUTHOR_NAME=Forge GIT_AUTHOR_EMAIL=forge@sandbox.invalid GIT_COMMITTER_NAME=Forge GIT_COMMITTER_EMAIL=forge@sandbox.invalid',
    'git init -q -b main "$work"',
    'cd "$work"',
  ];
  COMMITS.forEach((commit, index) => {
    for (const [path, text] of Object.entries(commit.files)) {
      lines.push(
        `mkdir -p "$(dirname '${path}')"`,
        `base64 -d >'${path}' <<'B64'\n${Buffer.from(text).toString('base64')}\nB64`,
      );
    }
    lines.push(
      'git add -A',
      `export GIT_AUTHOR_DATE='2026-0${index + 1}-10T12:00:00Z' GIT_COMMITTER_DATE='2026-0${index + 1}-10T12:00:00Z'`,
      `git commit -q -m '${commit.subject}'`,
    );
    if (commit.tag !== undefined) lines.push(`git tag ${commit.tag}`);
  });
  lines.push(
    'git branch dev HEAD~1',
    'git clone -q --bare "$work" "$remote"',
    'git clone -q "$remote" "$checkout"',
    'cd "$checkout"',
    `git checkout -q --detach "$(git rev-list --reverse main | sed -n ${IMAGE_COMMIT + 1}p)"`,
    // image: Dockerfile deletes the torch lines that carry a version, so the tree is dirty as shipped.
    `sed -i.bak -E '/^(torch|torchvision|torchaudio|torchcodec)[ <>=!]/d' requirements_versions.txt && rm requirements_versions.txt.bak`,
    'rm -rf "$work"',
  );
  return lines.join('\n');
}
