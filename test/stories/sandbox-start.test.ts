import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';
import { commandLinesWith } from '../support/machine-processes.ts';
import {
  debian,
  folderOf,
  homebrew,
  type Layout,
  scripted,
  uncatchable,
  versionManager,
} from '../support/python-layouts.ts';

const parent = mkdtempSync(join(tmpdir(), 'forgectl layouts '));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

const SYSTEM = '/usr/bin:/bin';
let made = 0;

function folder(): string {
  made += 1;
  return join(parent, String(made));
}

function homeWith(layout: Layout): Home {
  return new Home({ PATH: `${layout(folder())}:${SYSTEM}`, FORGECTL_SANDBOX: '1' });
}

describe('the sandbox with the python3 that a computer has', () => {
  /** Machines have their own ports, with both of their Pythons, and Forge answers. */
  async function launchesWith(layout: Layout): Promise<void> {
    const home = homeWith(layout);
    try {
      expect(await home.run(['sandbox', 'start', '--time-scale', '40'])).toMatchObject({ code: 0 });
      const launched = await home.run(['launch', '--best', '--yes', '--label', 'here']);
      expect(launched.code, launched.stderr).toBe(0);
      const listen = 'import socket; s = socket.socket(); s.bind(("", 7861)); print(s.getsockname()[1] != 7861)';
      for (const python of ['python3', '"$FORGECTL_ROOT/venv/main/bin/python"']) {
        const ran = await home.run(['exec', 'here', '--', `${python} -c '${listen}'`]);
        expect(ran).toMatchObject({ code: 0, stdout: 'True\n' });
      }
    } finally {
      await home.remove();
    }
  }

  it.concurrent('Debian’s and Ubuntu’s, which has a sitecustomize of its own', () => launchesWith(debian));
  it.runIf(isMost).concurrent('Homebrew’s (long)', () => launchesWith(homebrew));
  it.runIf(isMost).concurrent('a version manager’s, in a home with a quote in its name (long)', () =>
    launchesWith(versionManager),
  );
});

const MAC_STUB = 'echo "xcode-select: note: No developer tools were found, requesting install." >&2; exit 1';
const NO_VENV = `exec /usr/bin/env -i PATH="${process.env['PATH']}" python3 -c "import sys; sys.modules['venv'] = None; exec(sys.argv.pop(1))" "$2"`;

describe('a computer that the sandbox cannot run on', () => {
  it.concurrent.each<[string, () => string, string]>([
    ['no python3', () => folderOf(folderMade(), ['bash', 'git', 'sh']), 'python3 is not on PATH'],
    [
      'no git and no python3',
      () => folderOf(folderMade(), ['bash', 'sh']),
      'git is not on PATH; python3 is not on PATH',
    ],
    [
      'a python3 that only says how to get one',
      () => pathOf(scripted(MAC_STUB)),
      'python3 ended with 1 (xcode-select: note: No developer tools were found, requesting install.)',
    ],
    [
      'an old python3',
      () => pathOf(scripted(`echo 'forgectl:{"python":"/x","version":"3.7.17","pip":"","lacking":[]}'`)),
      'python3 3.7.17 is too old, 3.8 or newer is needed',
    ],
    ['an old git', () => pathOf(withGit('echo git version 2.20.1')), 'git 2.20.1 is too old, 2.28 or newer is needed'],
    [
      'a git that makes no repositories',
      () =>
        pathOf(
          withGit(
            '[ "$1" = --version ] && echo git version 2.50 || { echo "fatal: No space left on device" >&2; exit 128; }',
          ),
        ),
      'the image of its machines cannot be made: bash ended with 128 (fatal: No space left on device)',
    ],
    ['a python3 that says nothing', () => pathOf(scripted('exit 0')), 'python3 does not run what it is given'],
    ['a python3 that is killed', () => pathOf(scripted('kill -SEGV $$')), 'python3 was ended by SIGSEGV'],
    ['a python3 without venv', () => pathOf(scripted(NO_VENV)), 'comes without venv'],
    [
      'a python3 that lets nothing be caught',
      () => pathOf(uncatchable),
      "does not give a machine a port 17860 of its own (it listens on this computer's 17860)",
    ],
  ])('%s: said in one line, and nothing is started', async (_, path, reason) => {
    const home = new Home({ PATH: path(), FORGECTL_SANDBOX: '1', FORGECTL_SANDBOX_IMAGES: undefined });
    try {
      const started = await home.run(['sandbox', 'start']);
      expect(started.code).toBe(8);
      const [line = '', hint = ''] = started.stderr.split('\n');
      expect(line).toContain('The sandbox cannot run on this computer: ');
      expect(line).toContain(reason);
      expect(hint).toMatch(/^ {2}(Put a good one first|Put another python3 first|See what the program says)/u);
      expect(existsSync(join(home.directory, 'sandbox', 'sandbox.json'))).toBe(false);
    } finally {
      await home.remove();
    }
  });

  it('any command that starts it, and a dry run, fail as the start would', async () => {
    const home = new Home({ PATH: folderOf(folderMade(), ['bash', 'sh']) });
    const error = { code: 'SANDBOX_CANNOT_RUN', exit: 8, message: expect.stringContaining('python3 is not on PATH') };
    try {
      expect(await home.json(['launch', '--sandbox', '--best', '--yes'])).toMatchObject({ error });
      expect(await home.run(['sandbox', 'start', '--dry-run'])).toMatchObject({ code: 8, stdout: '' });
      expect(await home.json(['sandbox', 'start', '--foreground'])).toMatchObject({ error });
    } finally {
      await home.remove();
    }
  });
});

it('what else keeps the sandbox from starting is said too: a port that is taken, a folder that may not be made', async () => {
  const [home, other] = [new Home(), new Home()];
  try {
    const { url } = await home.json<{ url: string }>(['sandbox', 'start']);
    const port = new URL(url).port;
    expect(await other.json(['sandbox', 'start', '--port', port])).toMatchObject({
      error: { code: 'PORT_IN_USE', exit: 9 },
    });
    expect(await home.json(['sandbox', 'start', '--foreground'])).toMatchObject({
      error: { code: 'SANDBOX_RUNNING', exit: 9 },
    });
    const file = join(parent, 'a file');
    writeFileSync(file, '');
    const refused = await other.json(['sandbox', 'start'], { env: { FORGECTL_SANDBOX_DIR: join(file, 'sandbox') } });
    expect(refused).toMatchObject({ error: { code: 'SANDBOX_NOT_STARTED', exit: 8 } });
  } finally {
    await Promise.all([home.remove(), other.remove()]);
  }
});

describe('a start of the sandbox', () => {
  const inItsOwn = (more: NodeJS.ProcessEnv = {}): Home => new Home({ FORGECTL_SANDBOX_IMAGES: undefined, ...more });

  it('makes its commits in the image, whatever somebody has set for their own Git, Python and bash', async () => {
    const repository = folderMade();
    const git = (...words: string[]): string => execFileSync('git', ['-C', repository, ...words], { encoding: 'utf8' });
    git('init', '-q');
    const chatty = folderMade();
    writeFileSync(join(chatty, 'sitecustomize.py'), 'print("good morning")');
    const home = inItsOwn({
      GIT_DIR: join(repository, '.git'),
      GIT_INDEX_FILE: join(repository, '.git/index'),
      GIT_WORK_TREE: repository,
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'commit.gpgsign',
      GIT_CONFIG_VALUE_0: 'true',
      PYTHONHOME: '/nowhere',
      PYTHONPATH: chatty,
      PYTHONINSPECT: '1',
      PYTHONIOENCODING: 'utf-16',
      BASH_ENV: '/nowhere',
    });
    try {
      const started = await home.run(['sandbox', 'start']);
      expect(started.code, started.stderr).toBe(0);
      expect(git('for-each-ref')).toBe('');
      expect(git('status', '--porcelain')).toBe('');
    } finally {
      await home.remove();
    }
  });

  it('takes the answer of a python3 that says more, and makes an image anew that is not whole', async () => {
    const wrapper = `echo WARNING: deprecated; PATH="${process.env['PATH']}" exec python3 "$@"`;
    const home = inItsOwn({ PATH: pathOf(scripted(wrapper)) });
    try {
      expect(await home.run(['sandbox', 'start'])).toMatchObject({ code: 0 });
      await home.run(['sandbox', 'stop']);
      const machines = join(home.directory, 'sandbox', 'machines');
      const image = readdirSync(machines).find((name) => name.startsWith('.image-')) ?? '';
      rmSync(join(machines, image, 'venv'), { recursive: true });
      // As one that was killed in the middle leaves it.
      mkdirSync(join(machines, '.draft-999999999-x'));
      expect(await home.run(['sandbox', 'start'])).toMatchObject({ code: 0 });
      expect(existsSync(join(machines, image, 'venv/main/bin/python'))).toBe(true);
      expect(readdirSync(machines).filter((name) => name.startsWith('.draft-'))).toEqual([]);
    } finally {
      await home.remove();
    }
  });

  it('that is ended before it is up leaves nothing: no process, no draft, no file that says it runs', async () => {
    const slow = '[ "$1" = --version ] && exec /usr/bin/git --version; exec sleep 2000000';
    const home = inItsOwn({ PATH: pathOf(withGit(slow)) });
    const machines = join(home.directory, 'sandbox', 'machines');
    try {
      for (const signal of ['SIGINT', 'SIGKILL'] as const) {
        const child = home.start(['sandbox', 'start']);
        const ended = new Promise((resolve) => child.once('close', (code) => resolve(code)));
        await expect.poll(() => existsSync(machines) && readdirSync(machines).length).toBe(1);
        child.kill(signal);
        if (signal === 'SIGINT') expect(await ended).toBe(130);
        await expect.poll(() => readdirSync(machines)).toEqual([]);
        await expect.poll(() => commandLinesWith(home.directory)).toEqual([]);
      }
      expect(existsSync(join(home.directory, 'sandbox', 'sandbox.json'))).toBe(false);
    } finally {
      await home.remove();
    }
  });

  it('beside others of the same folder: one serves it, and all say which', async () => {
    const home = new Home();
    try {
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => home.json<{ pid: number; started: boolean }>(['sandbox', 'start'])),
      );
      expect(new Set(answers.map(({ pid }) => pid)).size, JSON.stringify(answers)).toBe(1);
      expect(answers.filter(({ started }) => started)).toHaveLength(1);
      expect(await home.json(['sandbox', 'stop'])).toMatchObject({ pid: answers[0]?.pid });
      await expect
        .poll(() => commandLinesWith('sandbox start').filter((line) => line.includes(home.directory)))
        .toEqual([]);
    } finally {
      await home.remove();
    }
  });

  it('after a reset knows nothing of the runs before, whose machines had the numbers of the next ones', async () => {
    const home = new Home();
    const runs = join(home.directory, '.local/state/forgectl/runs/sandbox');
    try {
      await home.run(['launch', '--best', '--yes', '--dry-run', '--sandbox']);
      mkdirSync(runs, { recursive: true });
      writeFileSync(join(runs, 'launch-00000000.json'), '{}');
      expect(await home.run(['sandbox', 'reset', '--yes'])).toMatchObject({ code: 0 });
      expect(existsSync(runs)).toBe(false);
    } finally {
      await home.remove();
    }
  });

  it.runIf(process.platform === 'linux')('is not taken for another process that has got its pid since', async () => {
    const home = new Home();
    const stranger = spawn('sleep', ['600']);
    try {
      await home.run(['sandbox', 'start']);
      const file = join(home.directory, 'sandbox', 'sandbox.json');
      const written = JSON.parse(readFileSync(file, 'utf8')) as object;
      await home.run(['sandbox', 'stop']);
      const taken = JSON.stringify({ ...written, pid: stranger.pid });
      for (const name of ['sandbox.json', 'sandbox.lock']) writeFileSync(join(home.directory, 'sandbox', name), taken);
      expect(await home.json(['sandbox', 'stop'])).toMatchObject({ stopped: false });
      expect(await home.json(['sandbox', 'start'])).toMatchObject({ started: true });
      expect(stranger.exitCode ?? stranger.signalCode).toBe(null);
    } finally {
      stranger.kill();
      await home.remove();
    }
  });
});

function folderMade(): string {
  const path = folder();
  mkdirSync(path);
  return path;
}

function pathOf(layout: Layout): string {
  return `${layout(folder())}:${SYSTEM}`;
}

function withGit(line: string): Layout {
  return (at) => {
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, 'git'), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
    return at;
  };
}
