import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProgramFailed, runProgram } from './run-program.js';

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
  'Put a good one first on PATH. Debian, Ubuntu: sudo apt install python3 git. macOS: xcode-select --install, or brew install python git';

/**
 * Prints one line with a document: the interpreter itself instead of a script that looks for one at every start, its
 * version, where pip can be had without a network (the wheel that Python ships, else one that is installed), and the
 * modules that it lacks. Marked, because wrappers and sitecustomize files print lines of their own.
 */
const MARK = 'forgectl:';
const DESCRIBE_PYTHON = `
import glob, importlib.util, json, os, sys
def find_pip():
    bundled = importlib.util.find_spec('ensurepip')
    own = glob.glob(os.path.join(os.path.dirname(bundled.origin), '_bundled', 'pip-*.whl')) if bundled else []
    for wheel in own + glob.glob('/usr/share/python-wheels/pip-*.whl'):
        return wheel
    installed = importlib.util.find_spec('pip')
    return os.path.dirname(os.path.dirname(installed.origin)) if installed and installed.origin else ''

lacking = []
for name in ('configparser', 'ctypes', 'fcntl', 'http.server', 'pty', 'ssl', 'termios', 'venv', 'zipfile', 'zlib'):
    try:
        __import__(name)
    except ImportError:
        lacking.append(name)
version = '.'.join(map(str, sys.version_info[:3]))
print('${MARK}' + json.dumps({'python': sys.executable, 'version': version, 'pip': find_pip(), 'lacking': lacking}))
`;

export interface Tools {
  /** The interpreter's path. */
  python: string;
  version: string;
  /** A wheel, or the folder that pip is installed in; empty when this computer has none. */
  pip: string;
}

/** What machines are made of: bash, git and python3 of PATH. Throws CannotRunHere when one is missing, too old or broken. */
export async function findTools(signal?: AbortSignal): Promise<Tools> {
  const wrong: string[] = [];
  const answer = async (program: string, words: string[]): Promise<string | null> => {
    try {
      return await runProgram(program, words, { limitMs: ANSWER_LIMIT_MS, signal });
    } catch (error) {
      if (!(error instanceof ProgramFailed)) throw error;
      wrong.push(error.message);
      return null;
    }
  };
  const [, git, described] = await Promise.all([
    answer('bash', ['-c', 'true']),
    answer('git', ['--version']),
    answer('python3', ['-c', DESCRIBE_PYTHON]),
  ]);
  if (git !== null) wrong.push(...tooOld('git', /\d+[\d.]*/u.exec(git)?.[0] ?? 'without a version', OLDEST_GIT));
  const tools = described === null ? null : readTools(described);
  if (tools === null) {
    if (described !== null) wrong.push('python3 does not run what it is given');
  } else wrong.push(...tooOld('python3', tools.version, OLDEST_PYTHON), ...lacks(tools));
  if (tools === null || wrong.length > 0) throw new CannotRunHere(wrong.sort().join('; '), INSTALL);
  const { python, version, pip } = tools;
  return { python, version, pip };
}

interface Described extends Tools {
  lacking: string[];
}

function readTools(printed: string): Described | null {
  const line = printed.split('\n').find((one) => one.includes(MARK));
  if (line === undefined) return null;
  try {
    return JSON.parse(line.slice(line.indexOf(MARK) + MARK.length)) as Described;
  } catch {
    return null;
  }
}

function lacks({ python, version, lacking }: Described): string[] {
  return lacking.length === 0 ? [] : [`python3 (${python}, ${version}) comes without ${lacking.join(', ')}`];
}

function tooOld(program: string, version: string, oldest: readonly number[]): string[] {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [least = 0, leastMinor = 0] = oldest;
  if (major > least || (major === least && minor >= leastMinor)) return [];
  return [`${program} ${version} is too old, ${oldest.join('.')} or newer is needed`];
}

/** What works less well on this computer, a sentence each. */
export function limitsOf({ pip }: Tools): string[] {
  if (pip !== '') return [];
  return [
    'This computer has no pip, so machines of the sandbox install no Python packages. Debian, Ubuntu: sudo apt install python3-venv',
  ];
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
 * is this computer's own port: machines would meet each other there, and nobody would find them. Throws ProgramFailed when
 * a Python of the image does not run.
 */
export async function provePorts(root: string, { python }: Tools, signal?: AbortSignal): Promise<void> {
  // In turn: where nothing is caught they would be in each other's way.
  for (const path of ['venv/main/bin/python', 'usr/local/bin/python3'])
    await proveOne(join(root, path), python, signal);
}

async function proveOne(program: string, python: string, signal?: AbortSignal): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'forgectl-ports-'));
  try {
    const env = { FORGECTL_ROOT: scratch };
    const printed = await runProgram(program, ['-c', LISTEN], { env, limitMs: ANSWER_LIMIT_MS, signal });
    const listensOn = printed.trim().split('\n').at(-1) ?? '';
    const noted = await readFile(join(scratch, 'run/ports', FORGE_PORT), 'utf8').catch(() => '');
    if (noted.split(' ')[0] === listensOn) return;
    const reason = `${python} does not give a machine a port ${FORGE_PORT} of its own`;
    throw new CannotRunHere(
      `${reason} (it listens on this computer's ${listensOn})`,
      'Put another python3 first on PATH.',
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
