import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BASHRC, BOOT_DEFAULT, ENTRYPOINT, PROVISIONER, TMUX } from '../../src/sandbox/machine/image/boot-scripts.ts';
import { repositoryScript } from '../../src/sandbox/machine/image/forge-repository.ts';
import { LOG_TEE } from '../../src/sandbox/machine/image/log-tee.ts';
import { PORTAL } from '../../src/sandbox/machine/image/portal.ts';
import { ACTIVATE, MAKE_PACKAGES } from '../../src/sandbox/machine/image/python-environment.ts';
import { serviceScripts } from '../../src/sandbox/machine/image/service-scripts.ts';
import { PROGRAMS, programConfig } from '../../src/sandbox/machine/image/supervisor.ts';
import { run, world } from './world.ts';

const SOURCES = fileURLToPath(new URL('image/', import.meta.url));

/** The layer below every machine's disk, built once in a world (about 5 s). Two processes at once: the second one waits. */
export async function prepareImage(): Promise<string> {
  const image = join(world(), 'image');
  const layer = join(image, 'layer');
  const claim = join(world(), 'image.claim');
  try {
    mkdirSync(claim);
  } catch {
    return waitFor(layer);
  }
  const draft = join(world(), 'image.draft');
  writeTexts(join(draft, 'files'));
  try {
    await run('unshare', ['--mount', 'bash', join(SOURCES, 'build.sh'), draft], { maxBuffer: 1 << 24 });
  } catch (error) {
    rmSync(claim, { recursive: true });
    throw error;
  }
  renameSync(draft, image);
  return layer;
}

async function waitFor(layer: string): Promise<string> {
  for (let look = 0; !existsSync(layer); look += 1) {
    if (look > 600) throw new Error('the image of the lab was not built in a minute');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return layer;
}

/** What the sandbox's machines have, at its real paths: there `FORGECTL_ROOT` is not set. */
function writeTexts(root: string): void {
  const own = (name: string): string => readFileSync(join(SOURCES, name), 'utf8');
  const texts: Record<string, string> = {
    'opt/instance-tools/bin/entrypoint.sh': ENTRYPOINT,
    'opt/instance-tools/bin/boot_default.sh': replaced(BOOT_DEFAULT, [
      ['"$SANDBOX_PYTHON" "$root/usr/lib/supervisord.py"', 'supervisord -n -c /etc/supervisor/supervisord.conf'],
    ]),
    'opt/instance-tools/bin/provisioner': PROVISIONER,
    'opt/portal-aio/portal.py': PORTAL,
    'opt/portal-aio/caddy.py': own('caddy.py'),
    'opt/portal-aio/tunnel_manager.py': own('tunnel_manager.py'),
    'opt/syncthing/index.html': '<title>Syncthing</title>\n',
    'opt/lab-internet/curl': own('curl'),
    'opt/lab-platform/jupyter.py': own('platform-jupyter.py'),
    ...serviceTexts(),
    'etc/supervisor/supervisord.conf': own('supervisord.conf'),
    'etc/ssh/sshd_config': own('sshd_config'),
    'usr/local/bin/log-tee': `#!/usr/bin/python3\n${LOG_TEE}`,
    'etc/banner': 'Welcome. If authentication fails, try again after a few seconds, and look at your ssh key.\n',
    'root/.bashrc': bashrc(),
    'root/.profile': '[ "$BASH" ] && [ -f ~/.bashrc ] && . ~/.bashrc\n',
    'lab-build/inside.sh': own('inside.sh'),
    'lab-build/repository.sh': repositoryScript(),
    'lab-build/packages.py': MAKE_PACKAGES,
    'lab-build/activate': ACTIVATE,
  };
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  }
}

/** Programs that supervisor really runs: it expands no variables of a shell. */
function serviceTexts(): Record<string, string> {
  const scripts = serviceScripts();
  const change = (name: string, pairs: [string, string][]): void => {
    const path = `opt/supervisor-scripts/${name}.sh`;
    scripts[path] = replaced(scripts[path] ?? '', pairs);
  };
  const python = 'exec /venv/main/bin/python /opt/portal-aio';
  change('caddy', [['echo "Caddy serves the published ports"\nexec sleep 2147483647', `${python}/caddy.py`]]);
  change('tunnel_manager', [
    ['echo "Tunnel manager: no internet here, no tunnels"\nexec sleep 2147483647', `${python}/tunnel_manager.py`],
  ]);
  change('instance_portal', [
    ['exec "$FORGECTL_ROOT/venv/main/bin/python"', 'FORGECTL_ROOT=/ exec /venv/main/bin/python'],
  ]);
  const configs = Object.entries(PROGRAMS).map(([name, options]) => {
    const text = replaced(programConfig(name, options), [
      [`"$FORGECTL_ROOT/opt/supervisor-scripts/${name}.sh"`, `/opt/supervisor-scripts/${name}.sh`],
    ]);
    return [`etc/supervisor/conf.d/${name}.conf`, name === 'syncthing' ? `${text}user=user\n` : text];
  });
  return { ...scripts, ...Object.fromEntries(configs) };
}

/** The platform's own line: who comes with a terminal lands in tmux (instance.md 4). */
function bashrc(): string {
  const tmux = '[ -z "$TMUX" ] && [ ! -e ~/.no_auto_tmux ] && exec tmux new-session -A -s ssh_tmux\n';
  return replaced(BASHRC, [[TMUX, tmux]]);
}

/** Each must occur: what the sandbox says today may be said differently tomorrow. */
function replaced(text: string, pairs: readonly [string, string][]): string {
  return pairs.reduce((whole, [from, to]) => {
    if (!whole.includes(from)) throw new Error(`the sandbox's image no longer has: ${from}`);
    return whole.replace(from, () => to);
  }, text);
}
