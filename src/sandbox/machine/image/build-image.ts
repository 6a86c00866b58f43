import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CannotRunHere, findTools, type Tools } from '../computer.js';
import { ProgramFailed, runProgram } from '../run-program.js';
import { BASHRC, BOOT_DEFAULT, ENTRYPOINT, PROVISIONER } from './boot-scripts.js';
import { repositoryScript } from './forge-repository.js';
import { LOG_TEE } from './log-tee.js';
import { PORTAL } from './portal.js';
import { ACTIVATE, CURL, MAKE_PACKAGES, PORTS, PORTS_FOLDER, portsLoader } from './python-environment.js';
import { serviceScripts } from './service-scripts.js';
import { PROGRAMS, programConfig, SUPERVISORCTL, SUPERVISORD } from './supervisor.js';

export interface Image {
  /** The directory that every machine's root is a copy of. */
  root: string;
  tools: Tools;
}

const building = new Map<string, Promise<Image>>();

/**
 * Builds the image once below `parent`; later machines, also of other processes, copy it. Throws CannotRunHere, and the
 * reason of the signal of whoever began it.
 */
export function imageBelow(parent: string, signal?: AbortSignal): Promise<Image> {
  const known = building.get(parent);
  if (known !== undefined) return known;
  const made = buildImage(parent, signal);
  building.set(parent, made);
  made.catch(() => building.delete(parent));
  return made;
}

/** For an image that is not whole any more. */
export async function dropImage(parent: string, { root }: Image): Promise<void> {
  building.delete(parent);
  await rm(root, { recursive: true, force: true });
}

async function buildImage(parent: string, signal?: AbortSignal): Promise<Image> {
  const tools = await findTools(signal);
  const files = imageFiles(tools.python);
  const version = createHash('sha256')
    .update(JSON.stringify([files, repositoryScript(), MAKE_PACKAGES, tools]))
    .digest('hex')
    .slice(0, 12);
  const root = join(parent, `.image-${version}`);
  if (existsSync(root)) return { root, tools };
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await dropDeadDrafts(parent);
  const draft = await mkdtemp(join(parent, `.draft-${process.pid}-`));
  try {
    for (const [path, text] of Object.entries(files)) await place(join(draft, path), text);
    const maker: Maker = { draft, root, tools, run: (program, words) => runProgram(program, words, { signal }) };
    const parts = [makeRepository(maker), makeVirtualEnv(maker), makeSystemPython(maker)];
    // All have ended before a draft is removed: what goes on would write into it.
    await Promise.allSettled(parts);
    await Promise.all(parts);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error instanceof ProgramFailed ? notMade(error) : error;
  }
  // Whoever comes second finds the place taken and throws its draft away.
  await rename(draft, root).catch(async (error: NodeJS.ErrnoException) => {
    await rm(draft, { recursive: true, force: true });
    if (!existsSync(root)) throw error;
  });
  return { root, tools };
}

/** What the parts of the image are made with. */
interface Maker {
  draft: string;
  /** Where the draft will be. */
  root: string;
  tools: Tools;
  run: (program: string, words: readonly string[]) => Promise<string>;
}

/** Of processes that were killed while they built. */
async function dropDeadDrafts(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = Number(/^\.draft-(\d+)-/u.exec(name)?.[1] ?? 0);
    if (pid > 0 && !isAlive(pid)) await rm(join(parent, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A program that was found, and then failed: for want of disk, or for reasons of its own. */
function notMade({ message }: ProgramFailed): CannotRunHere {
  const hint = 'See what the program says when you run it yourself, and how full the disk is: df -h';
  return new CannotRunHere(`the image of its machines cannot be made: ${message}`, hint);
}

/** Path below the root -> text. Everything with #! is executable. */
function imageFiles(python: string): Record<string, string> {
  const tool = (file: string): string =>
    `#!/bin/bash\nexec ${quoted(python)} -S "$FORGECTL_ROOT/usr/lib/${file}" "$@"\n`;
  return {
    'opt/instance-tools/bin/entrypoint.sh': ENTRYPOINT,
    'opt/instance-tools/bin/boot_default.sh': BOOT_DEFAULT,
    'opt/instance-tools/bin/provisioner': PROVISIONER,
    'opt/portal-aio/portal.py': PORTAL,
    'opt/syncthing/index.html': '<title>Syncthing</title>\n',
    ...serviceScripts(),
    ...Object.fromEntries(
      Object.entries(PROGRAMS).map(([name, options]) => [
        `etc/supervisor/conf.d/${name}.conf`,
        programConfig(name, options),
      ]),
    ),
    'usr/lib/supervisord.py': SUPERVISORD,
    'usr/lib/supervisorctl.py': SUPERVISORCTL,
    'usr/lib/curl.py': CURL,
    'usr/lib/log-tee.py': LOG_TEE,
    [`${PORTS_FOLDER}/sandbox_ports.py`]: PORTS,
    'usr/local/bin/supervisorctl': tool('supervisorctl.py'),
    'usr/local/bin/curl': tool('curl.py'),
    'opt/nvm/alias/default': 'lts/*\n',
    'opt/nvm/alias/lts/*': 'lts/sandbox\n',
    'opt/nvm/alias/lts/sandbox': `${process.version}\n`,
    [`opt/nvm/versions/node/${process.version}/bin/node`]: `#!/bin/bash\nexec ${quoted(process.execPath)} "$@"\n`,
    'usr/local/bin/log-tee': tool('log-tee.py'),
    'root/.bashrc': BASHRC,
    'workspace/.keep': '',
    'tmp/.keep': '',
    'run/.keep': '',
    'var/log/portal/.keep': '',
  };
}

/** One word of bash, whatever is in it. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** From inside a wheel each start of pip would read and compile itself again, which is most of its time. */
async function unpacked({ draft, root, tools: { python, pip }, run }: Maker): Promise<string> {
  if (!pip.endsWith('.whl')) return pip;
  await run(python, ['-m', 'zipfile', '-e', pip, join(draft, 'opt/pip')]);
  return join(root, 'opt/pip');
}

async function place(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  if (text.startsWith('#!') || path.endsWith('.sh')) await chmod(path, 0o755);
}

/** Below the root; the boot copies the checkout into the workspace. */
export const CHECKOUT = 'opt/workspace-internal/stable-diffusion-webui-forge';
export const REMOTE = 'srv/forge.git';

async function makeRepository({ draft, run }: Maker): Promise<void> {
  const [checkout, remote] = [join(draft, CHECKOUT), join(draft, REMOTE)];
  await mkdir(dirname(remote), { recursive: true });
  await mkdir(dirname(checkout), { recursive: true });
  await run('bash', ['-c', repositoryScript(), 'bash', remote, checkout]);
}

/** An environment of Python at `place` below the draft, whose ports are caught. Returns its site-packages. */
async function makeEnvironment({ draft, tools: { python }, run }: Maker, place: string): Promise<string> {
  const environment = join(draft, place);
  await run(python, ['-m', 'venv', '--without-pip', environment]);
  const where = 'import sysconfig; print(sysconfig.get_path("purelib"))';
  const site = (await run(join(environment, 'bin/python'), ['-c', where])).trim().split('\n').at(-1) ?? '';
  await writeFile(join(site, 'sandbox-ports.pth'), portsLoader(draft, site));
  return site;
}

/** The system's own Python: at its place, alone, and not through whatever this computer has in front of it. */
async function makeSystemPython(maker: Maker): Promise<void> {
  await makeEnvironment(maker, 'usr/local');
  const bin = join(maker.draft, 'usr/local/bin');
  const interpreter = await realpath(join(bin, 'python'));
  for (const name of await readdir(bin)) if (/^(activate|python)/iu.test(name)) await rm(join(bin, name));
  await symlink(interpreter, join(bin, 'python3'));
}

async function makeVirtualEnv(maker: Maker): Promise<void> {
  const { draft, root, tools, run } = maker;
  const site = await makeEnvironment(maker, 'venv/main');
  const venv = join(draft, 'venv/main');
  const packages = join(draft, 'opt/packages');
  await mkdir(packages, { recursive: true });
  await run(tools.python, ['-c', MAKE_PACKAGES, packages, site]);
  await writeFile(join(venv, 'bin/activate'), ACTIVATE);
  if (tools.pip !== '') await writeFile(join(site, 'pip-of-the-system.pth'), `${await unpacked(maker)}\n`);
  const pipScript =
    tools.pip === ''
      ? '#!/bin/bash\necho "pip is not available: this computer\'s Python comes without it" >&2\nexit 1\n'
      : '#!/bin/bash\nexec "$(dirname "$0")/python" -m pip "$@"\n';
  await place(join(venv, 'bin/pip'), pipScript);
  await writeFile(
    join(venv, 'pip.conf'),
    `[global]\nno-index = true\nfind-links = ${pathToFileURL(join(root, 'opt/packages')).href}\ndisable-pip-version-check = true\n`,
  );
}
