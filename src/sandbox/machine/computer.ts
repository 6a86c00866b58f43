import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The sandbox cannot run on this computer. The message says why in one line, and names everything that is missing. */
export class CannotRunHere extends Error {
  override readonly name = 'CannotRunHere';
  /** What to type or change. */
  readonly hint: string;

  constructor(reason: string, hint: string) {
    super(`The sandbox cannot run on this computer: ${reason}.`);
    this.hint = hint;
  }
}

const OLDEST_PYTHON = [3, 8];
/** The first with `git init -b`. */
const OLDEST_GIT = [2, 28];
/** A version manager's script may take a second, and more on a busy computer. */
const ANSWER_LIMIT_MS = 20_000;
const INSTALL =
  'Install what is missing. Debian, Ubuntu: sudo apt install python3 git. macOS: xcode-select --install, or brew install python git';

/**
 * Prints a line each: the interpreter itself instead of a script that looks for one at every start, its version, where pip
 * can be had without a network (the wheel that Python ships, else one that is installed), then the modules that it lacks.
 */
const DESCRIBE_PYTHON = `
import sys
lacking = []
for name in ('configparser', 'ctypes', 'fcntl', 'http.server', 'json', 'pty', 'ssl', 'termios', 'venv', 'zipfile', 'zlib'):
    try:
        __import__(name)
    except ImportError:
        lacking.append(name)

def find_pip():
    import glob, importlib.util, os
    bundled = importlib.util.find_spec('ensurepip')
    own = glob.glob(os.path.join(os.path.dirname(bundled.origin), '_bundled', 'pip-*.whl')) if bundled else []
    for wheel in own + glob.glob('/usr/share/python-wheels/pip-*.whl'):
        return wheel
    installed = importlib.util.find_spec('pip')
    return os.path.dirname(os.path.dirname(installed.origin)) if installed else ''

print('\\n'.join([sys.executable, '%d.%d.%d' % sys.version_info[:3], find_pip(), *lacking]))
`;

export interface Tools {
  /** The interpreter's path. */
  python: string;
  version: string;
  /** A wheel, or the folder that pip is installed in; empty when this computer has none. */
  pip: string;
}

/** What machines are made of: bash, git and python3 of PATH. Throws CannotRunHere when one is missing, too old or broken. */
export async function findTools(): Promise<Tools> {
  const [bash, git, described] = await Promise.all([
    answerOf('bash', ['-c', 'echo "$BASH_VERSION"']),
    answerOf('git', ['--version']),
    answerOf('python3', ['-c', DESCRIBE_PYTHON]),
  ]);
  const [python = '', version = '', pip = '', ...lacking] = described.lines;
  const wrong = [
    bash.problem,
    git.problem ?? tooOld('git', /\d[\d.]*/u.exec(git.lines[0] ?? '')?.[0] ?? '', OLDEST_GIT),
    described.problem ?? tooOld('python3', version, OLDEST_PYTHON),
    lacking.length === 0 ? null : `python3 (${python}, ${version}) comes without ${lacking.join(', ')}`,
  ].filter((problem) => problem !== null);
  if (wrong.length > 0) throw new CannotRunHere(wrong.join('; '), INSTALL);
  return { python, version, pip };
}

/** What works less well on this computer, a sentence each. */
export function limitsOf({ pip }: Tools): string[] {
  if (pip !== '') return [];
  return [
    'This computer has no pip, so machines of the sandbox install no Python packages. Debian, Ubuntu: sudo apt install python3-venv',
  ];
}

interface Answer {
  lines: string[];
  problem: string | null;
}

async function answerOf(program: string, words: string[]): Promise<Answer> {
  try {
    const { stdout } = await run(program, words, { timeout: ANSWER_LIMIT_MS, killSignal: 'SIGKILL' });
    return { lines: stdout.trimEnd().split('\n'), problem: null };
  } catch (error) {
    return { lines: [], problem: `${program} ${reasonOf(error as ExecError)}` };
  }
}

export interface ExecError extends Error {
  code?: string | number;
  killed?: boolean;
  stderr?: string;
}

/** Behind the program's name. macOS has a python3 and a git that only say how to install them. */
function reasonOf({ code, killed, stderr, message }: ExecError): string {
  if (code === 'ENOENT') return 'is not on PATH';
  if (killed === true) return `did not answer within ${ANSWER_LIMIT_MS / 1000} s`;
  return `does not start (${lastWords({ stderr, message })})`;
}

/** What a program said last, else how it ended. */
export function lastWords({ stderr = '', message }: { stderr?: string | undefined; message: string }): string {
  return (stderr.trim() || message).trim().split('\n').at(-1)?.slice(0, 200) ?? '';
}

function tooOld(program: string, version: string, oldest: readonly number[]): string | null {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [least = 0, leastMinor = 0] = oldest;
  if (major > least || (major === least && minor >= leastMinor)) return null;
  return `${program} ${version} is too old, ${oldest.join('.')} or newer is needed`;
}

const FORGE_PORT = '17860';
const LISTEN = `
import socket
server = socket.socket()
server.bind(('127.0.0.1', ${FORGE_PORT}))
print(server.getsockname()[1])
`;

/**
 * Listens on Forge's port as a program of a machine would, with both Pythons of the image. Throws CannotRunHere when that
 * is this computer's own port: machines would meet each other there, and nobody would find them.
 */
export async function provePorts(root: string, { python }: Tools): Promise<void> {
  // In turn: where nothing is caught they would be in each other's way.
  for (const path of ['venv/main/bin/python', 'usr/local/bin/python3']) await proveOne(join(root, path), python);
}

async function proveOne(program: string, python: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'forgectl-ports-'));
  try {
    const { stdout } = await run(program, ['-c', LISTEN], {
      env: { FORGECTL_ROOT: scratch },
      timeout: ANSWER_LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    const noted = await readFile(join(scratch, 'run/ports', FORGE_PORT), 'utf8').catch(() => '');
    if (noted.split(' ')[0] !== stdout.trim()) throw new Error(`it listens on this computer's ${stdout.trim()}`);
  } catch (error) {
    const reason = `${python} does not give a machine a port ${FORGE_PORT} of its own`;
    throw new CannotRunHere(`${reason} (${lastWords(error as ExecError)})`, 'Put another python3 first on PATH.');
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
