import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A folder with a `python3` in it, to be put on PATH. */
export type Layout = (parent: string) => string;

interface Interpreter {
  executable: string;
  /** lib/python3.11, the standard library. */
  library: string;
  /** "python3.11" */
  name: string;
}

/** The interpreter behind this computer's python3, whatever stands in front of it. */
function interpreter(): Interpreter {
  const code =
    'import os, sys, sysconfig; print(os.path.realpath(sys.executable)); print(sysconfig.get_path("stdlib")); print("python%d.%d" % sys.version_info[:2])';
  const [executable = '', library = '', name = ''] = execFileSync('python3', ['-c', code], { encoding: 'utf8' })
    .trim()
    .split('\n');
  return { executable, library, name };
}

/** An installation of its own at `prefix`: the interpreter copied, its standard library by links, and `sitecustomize` in it. */
function install(prefix: string, sitecustomize: string): Interpreter {
  const real = interpreter();
  const [bin, library] = [join(prefix, 'bin'), join(prefix, 'lib', real.name)];
  for (const folder of [bin, library]) mkdirSync(folder, { recursive: true });
  cpSync(real.executable, join(bin, real.name));
  for (const entry of readdirSync(real.library))
    if (!/^(sitecustomize\.py|site-packages|dist-packages|__pycache__)$/u.test(entry))
      symlinkSync(join(real.library, entry), join(library, entry));
  mkdirSync(join(library, 'site-packages'));
  writeFileSync(join(library, 'sitecustomize.py'), sitecustomize);
  // A shared libpython is found beside the real one.
  return { executable: join(bin, real.name), library, name: real.name };
}

function script(folder: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'python3'), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

/** pyenv, asdf: a script in front that looks for the interpreter; its home has a quote in its name here. */
export const versionManager: Layout = (parent) => {
  const { executable } = install(join(parent, "o'brien", 'versions'), '');
  const shims = join(parent, 'shims');
  script(shims, `exec "${executable}" "$@"`);
  return shims;
};

/** Debian, Ubuntu: the distribution has a sitecustomize of its own in the standard library, before any environment's. */
export const debian: Layout = (parent) => {
  const { executable } = install(join(parent, 'usr'), '# install the apport exception handler if available\n');
  const bin = join(parent, 'usr/bin');
  symlinkSync(executable, join(bin, 'python3'));
  return bin;
};

/**
 * Homebrew: links on PATH into a cellar, and a sitecustomize that moves site-packages out of it and calls the interpreter
 * by its stable name.
 */
export const homebrew: Layout = (parent) => {
  const cellar = join(parent, 'Cellar/python@3/3.x/Frameworks/Python.framework/Versions/3');
  const stable = join(parent, 'opt/python@3');
  const { name } = install(
    cellar,
    `import os, re, site, sys
cellar, stable, packages = ${JSON.stringify([cellar, stable, join(parent, 'lib/site-packages')])}
sys.path = [entry for entry in sys.path if entry != os.path.join(cellar, 'lib', ${JSON.stringify(interpreter().name)}, 'site-packages')]
site.addsitedir(packages)
if sys.prefix == sys.base_prefix:
    sys.prefix = sys.exec_prefix = stable
    sys.executable = os.path.join(stable, 'bin', ${JSON.stringify(interpreter().name)})
    site.PREFIXES[:] = [sys.prefix]
sys.base_prefix = stable
`,
  );
  mkdirSync(join(parent, 'lib/site-packages'), { recursive: true });
  mkdirSync(join(parent, 'opt'));
  symlinkSync(cellar, stable);
  const bin = join(parent, 'bin');
  mkdirSync(bin);
  symlinkSync(join(stable, 'bin', name), join(bin, 'python3'));
  return bin;
};

/** A python3 whose site does not let anything be added to sockets: what is listened on is this computer's. */
export const uncatchable: Layout = (parent) => {
  const { executable } = install(
    join(parent, 'usr'),
    'import _socket, socket\nsocket.socket.bind = lambda self, address: _socket.socket.bind(self, address)\n',
  );
  const bin = join(parent, 'usr/bin');
  symlinkSync(executable, join(bin, 'python3'));
  return bin;
};

/** A python3 that is only a script of these lines. */
export const scripted =
  (text: string): Layout =>
  (parent) => {
    script(join(parent, 'bin'), text);
    return join(parent, 'bin');
  };

/** Links to programs of this computer, and nothing else. */
export function folderOf(parent: string, programs: readonly string[]): string {
  const bin = join(parent, 'only');
  mkdirSync(bin, { recursive: true });
  for (const program of programs) {
    const found = (process.env['PATH'] ?? '')
      .split(':')
      .map((folder) => join(folder, program))
      .find(existsSync);
    if (found !== undefined) symlinkSync(found, join(bin, program));
  }
  return bin;
}
