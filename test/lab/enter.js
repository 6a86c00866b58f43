// Runs a command in a world of the lab's own: namespaces for processes, mounts and the network, a bridge, and memory for disks.
//   node test/lab/enter.js COMMAND [WORD...]     a first word that ends in .ts is run by node
//   node test/lab/enter.js --missing             prints the Debian packages that it needs and does not find
// Nothing of it has a name outside, and the kernel ends all of it with this process, whichever way that ends; so there is
// nothing that a later start would have to sweep.
// biome-ignore-all lint/suspicious/noConsole: a script for people
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TYPESCRIPT = new URL('typescript.js', import.meta.url).href;
const WORLD = fileURLToPath(new URL('machine/world.sh', import.meta.url));
/** Debian package -> a file of it. */
const PACKAGES = {
  'openssh-server': '/usr/sbin/sshd',
  'openssh-client': '/usr/bin/ssh-keygen',
  supervisor: '/usr/bin/supervisord',
  rsync: '/usr/bin/rsync',
  tmux: '/usr/bin/tmux',
  git: '/usr/bin/git',
  curl: '/usr/bin/curl',
  procps: '/usr/bin/pgrep',
  openssl: '/usr/bin/openssl',
  iproute2: '/sbin/ip',
  python3: '/usr/bin/python3',
};
const UNSHARE = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--net', '--pid', '--mount-proc', '--kill-child=KILL'];

function missingPackages() {
  const absent = Object.keys(PACKAGES).filter((name) => !existsSync(PACKAGES[name]));
  const { status } = spawnSync('/usr/bin/python3', ['-c', 'import ensurepip'], { stdio: 'ignore' });
  return status === 0 ? absent : [...absent, 'python3-venv'];
}

/** Why the lab cannot run here, or null. */
function obstacle() {
  if (process.platform !== 'linux') return 'it needs Linux';
  if (process.getuid() !== 0) return 'it needs root';
  const here = realpathSync(fileURLToPath(import.meta.url));
  if (/^\/(tmp|run)\//u.test(here)) return `its /tmp and /run are its own, and this checkout lies there: ${here}`;
  const absent = missingPackages();
  if (absent.length > 0) return `these Debian packages are missing: ${absent.join(' ')}`;
  const tried = spawnSync('setpriv', [...UNSHARE, '--', 'bash', WORLD, 'true'], { encoding: 'utf8' });
  const said = (tried.error?.message ?? tried.stderr).trim().split('\n').at(-1);
  return tried.status === 0 ? null : `namespaces or mounts are not allowed: ${said}`;
}

/** Runs the command in a world, or, where there can be none, as it is: its tests are collected, and count as skipped. */
function enter([program = 'bash', ...words]) {
  const reason = obstacle();
  if (reason !== null) {
    console.error(`The lab cannot run here: ${reason}.`);
    if (process.env.CI === 'true') return process.exit(1);
  }
  const command = program.endsWith('.ts') ? [process.execPath, '--import', TYPESCRIPT, program] : [program];
  const world = reason === null ? ['setpriv', ...UNSHARE, '--', 'bash', WORLD] : [];
  const [file, ...rest] = [...world, ...command, ...words];
  const child = spawn(file, rest, { stdio: 'inherit' });
  // A terminal's Ctrl-C reaches the command by itself; that one's end is the end of all.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill('SIGKILL'));
  child.on('error', (error) => console.error(error.message));
  child.on('close', (code, signal) => {
    process.exitCode = signal === null ? code : 137;
  });
}

if (process.argv[2] === '--missing') console.log(missingPackages().join(' '));
else enter(process.argv.slice(2));
