import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';
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
      'python3 does not start (xcode-select: note: No developer tools were found, requesting install.)',
    ],
    [
      'an old python3',
      () => pathOf(scripted("printf '/usr/bin/python3\\n3.7.17\\n\\n'")),
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
      'cannot be made (fatal: No space left on device)',
    ],
    ['a python3 without venv', () => pathOf(scripted(NO_VENV)), 'comes without venv'],
    [
      'a python3 that lets nothing be caught',
      () => pathOf(uncatchable),
      "does not give a machine a port 17860 of its own (it listens on this computer's 17860)",
    ],
  ])('%s: said in one line, before anything is rented', async (_, path, reason) => {
    const home = new Home({ PATH: path(), FORGECTL_SANDBOX: '1', FORGECTL_SANDBOX_IMAGES: undefined });
    try {
      const started = await home.run(['sandbox', 'start']);
      expect(started.code).toBe(8);
      const [line = '', hint = ''] = started.stderr.split('\n');
      expect(line).toContain('The sandbox cannot run on this computer: ');
      expect(line).toContain(reason);
      expect(hint).toMatch(/^ {2}(Install what is missing|Put another python3 first|See what the program says)/u);
      const launched = await home.json<{ error: object }>(['launch', '--best', '--yes']);
      expect(launched.error).toMatchObject({
        code: 'SANDBOX_CANNOT_RUN',
        exit: 8,
        message: line.replace('Error: ', ''),
      });
      expect(existsSync(join(home.directory, 'sandbox', 'sandbox.json'))).toBe(false);
    } finally {
      await home.remove();
    }
  });

  it('a dry run fails as the start would', async () => {
    const home = new Home({ PATH: folderOf(folderMade(), ['bash', 'sh']) });
    try {
      expect(await home.run(['sandbox', 'start', '--dry-run'])).toMatchObject({ code: 8, stdout: '' });
      expect(await home.json(['sandbox', 'start', '--foreground'])).toMatchObject({
        error: { code: 'SANDBOX_CANNOT_RUN' },
      });
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
