import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HostSettings } from './host-options.ts';

/** What a provider does to a container of its own accord: files, keys, variables. */
const LAUNCH = readFileSync(fileURLToPath(new URL('machine/launch.sh', import.meta.url)), 'utf8');
const JUPYTER = '/venv/main/bin/python /opt/lab-platform/jupyter.py >/var/log/platform-jupyter.log 2>&1 &\n';
/** image/sshd_config: this one also takes the account's keys. */
export const PROXY_PORT = 10_222;
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** The container's: the image's tools first, and a curl whose internet is the sandbox. */
const CONTAINER_PATH = `/opt/lab-internet:/opt/instance-tools/bin:${SYSTEM_PATH}`;
const PORTAL_CONFIG =
  'localhost:1111:11111:/:Instance Portal|localhost:7860:17860:/:Forge|localhost:8080:18080:/:Jupyter|localhost:8384:18384:/:Syncthing';

export interface Keys {
  instance: readonly string[];
  account: readonly string[];
}

/** A path inside -> a path here. */
export type Inside = (path: string) => string;

/** Before each start, while the disk is not in use. */
export function writePlatformFiles(inside: Inside, settings: HostSettings, address: string): void {
  const { id, onstart, runtype } = settings;
  const name = hostname(settings);
  // Nothing in the script of the other modes may say "jupyter": the image looks for the word.
  write(inside('/.launch'), LAUNCH.replace('# MODE\n', runtype.includes('jupyter') ? JUPYTER : ''), 0o755);
  write(inside('/root/onstart.sh'), runtype === 'args' ? 'entrypoint.sh\n' : `${onstart}\n`, 0o700);
  write(inside('/root/.vast_containerlabel'), `C.${id}\n`, 0o644);
  write(inside('/etc/hostname'), `${name}\n`, 0o644);
  write(inside('/etc/hosts'), `127.0.0.1 localhost\n::1 localhost\n${address} ${name}\n`, 0o644);
}

/** Also while it runs. */
export function writeKeys(inside: Inside, { instance, account }: Keys): void {
  const lines = (keys: readonly string[]): string => keys.map((key) => `${key.trim()}\n`).join('');
  write(inside('/root/.ssh/authorized_keys'), lines(instance), 0o600);
  write(inside('/etc/ssh/account_keys'), lines(account), 0o600);
}

export function hostname({ id }: HostSettings): string {
  return `c${id}`;
}

export function containerEnvironment(
  settings: HostSettings,
  address: string,
  ports: Record<number, number>,
): Record<string, string> {
  const { id, env, token, apiKey, gpuCount, sandboxUrl, timeScale } = settings;
  return {
    PORTAL_CONFIG,
    OPEN_BUTTON_PORT: '1111',
    FORGE_ARGS: '--port 17860',
    DATA_DIRECTORY: '/workspace/',
    WORKSPACE: '/workspace',
    ...env,
    CONTAINER_ID: String(id),
    VAST_CONTAINERLABEL: `C.${id}`,
    CONTAINER_API_KEY: apiKey,
    PUBLIC_IPADDR: address,
    JUPYTER_TOKEN: token,
    OPEN_BUTTON_TOKEN: token,
    GPU_COUNT: String(gpuCount),
    PIP_BREAK_SYSTEM_PACKAGES: '1',
    PYTHONUNBUFFERED: '1',
    ...Object.fromEntries(Object.entries(ports).map(([inner, outer]) => [`VAST_TCP_PORT_${inner}`, String(outer)])),
    SANDBOX_URL: sandboxUrl,
    SANDBOX_TIME_SCALE: String(timeScale),
    PATH: CONTAINER_PATH,
    HOME: '/root',
    LANG: 'C.UTF-8',
    LAB_SSH_PORTS: `-p ${ports[22]} -p ${PROXY_PORT}`,
  };
}

/** Folders as the image has them: /root and what is for ssh are private. */
function write(file: string, text: string, mode: number): void {
  const folder = dirname(file);
  if (!existsSync(folder)) {
    const parent = dirname(folder);
    if (folder.endsWith('/.ssh') && !existsSync(parent)) mkdirSync(parent, { mode: 0o700 });
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, /\/(?:root|\.ssh)$/u.test(folder) ? 0o700 : 0o755);
  }
  writeFileSync(file, text);
  chmodSync(file, mode);
}
