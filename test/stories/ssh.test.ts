import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSsh } from '../ssh/support/openssh.ts';
import { Home } from '../support/forgectl.ts';
import { isChecked } from '../support/is-checked.ts';

const has = (program: string): boolean =>
  isChecked(spawnSync(program, ['-V'], { stdio: 'ignore' }).error === undefined, program, 'reaching machines by name');
const USER_CONFIG = Buffer.from('# mine, in Latin-1: \xe9\r\nHost taken\n  User me\n', 'latin1');
const LABEL = 'my "forge" $(touch pwned)\u2603';
const NAME = 'my-forge-touch-pwned';

const home = new Home({ FORGECTL_SANDBOX: '1' });
const ssh = join(home.directory, '.ssh');
const state = join(home.directory, '.local/state/forgectl');
let id = 0;
const root = (): string => join(home.directory, 'sandbox', 'machines', String(id), 'root');
/** OpenSSH looks for its own configuration in the home directory of the user database, whatever HOME says. */
const client = (program: string, words: string[], input = '') =>
  spawnSync(program, ['-F', join(ssh, 'config'), ...words], {
    input,
    env: home.env,
    encoding: 'utf8',
    timeout: 60_000,
  });

beforeAll(async () => {
  expect((await home.run(['sandbox', 'start', '--time-scale', '100'])).code).toBe(0);
  id = (await home.json<{ id: number }>(['launch', '--best', '--yes', '--label', LABEL, '--wait-for', 'boot'])).id;
});
afterAll(() => home.remove());

describe('ssh in a terminal', () => {
  it('opens the image’s own shell in tmux, with its size, and ends with its code', async () => {
    const seen = await home.terminal(
      ['ssh'],
      [
        { wait: '# ' },
        { send: 'echo "<$(basename "$TMUX")>"; stty size\r' },
        { wait: '33 99' },
        { resize: [20, 70] },
        { send: 'sleep 0.3; stty size\r' },
        { wait: '20 70' },
        { send: '\r~?' },
        { wait: 'end the connection' },
        { send: '\rexit 7\r' },
      ],
    );
    expect(seen).toMatchObject({ code: 7, isRestored: true });
    expect(seen.text).toContain('<tmux,ssh_tmux>');
    expect(seen.text).toContain(`direct 127.0.0.1:`);
  });

  it('--no-tmux: a plain shell, and the wish of the machine stays as it was; ~. leaves it', async () => {
    const seen = await home.terminal(
      ['ssh', '--no-tmux'],
      [
        { wait: '# ' },
        { send: '[ -v TMUX ] || echo no""tmux $WORKSPACE\r' },
        { wait: `notmux ${root()}/workspace` },
        { send: 'printf "\\033[?1049h\\033[?25l"; echo swi""tched\r' },
        { wait: 'switched' },
        { wait: '# ' },
        { send: '\r~.' },
      ],
    );
    expect(seen).toMatchObject({ code: 255, isRestored: true });
    expect(seen.text).toContain('\u001b[?1049l\u001b[?25h');
    expect(existsSync(join(root(), 'root/.no_auto_tmux'))).toBe(false);
  });

  it('exec --tty: a terminal for one command, Ctrl-C is a key, and a signal from here restores ours', async () => {
    // No program after the mark: bash takes a Ctrl-C that a dying child did not die of as meant for the child.
    const command = ['exec', '--tty', '--', 'bash', '-c', 'tty; stty size; echo ready; read -t 60'];
    const ended = await home.terminal(command, [{ wait: '33 99' }, { wait: 'ready' }, { send: '\u0003' }]);
    expect(ended).toMatchObject({ code: 130, isRestored: true });
    const terminated = await home.terminal(command, [{ wait: 'ready' }, { signal: 'SIGTERM' }]);
    expect(terminated).toMatchObject({ code: 143, isRestored: true });
  });

  it('without a terminal it reads commands, as ssh does', async () => {
    expect(await home.run(['ssh'], { input: 'echo "$CONTAINER_ID"; exit 4\n' })).toMatchObject({
      code: 4,
      stdout: `${id}\n`,
    });
    expect((await home.run(['ssh', '--json'])).code).toBe(2);
  });
});

describe.skipIf(!has('ssh'))('OpenSSH’s own programs', () => {
  beforeAll(async () => {
    mkdirSync(ssh, { mode: 0o700 });
    writeFileSync(join(ssh, 'config'), USER_CONFIG, { mode: 0o640 });
  });

  it('ssh-config: shows what it would change, writes it once, and is idempotent', async () => {
    const diff = await home.run(['ssh-config', '--diff']);
    expect(diff.code).toBe(10);
    expect(diff.stdout).toContain(`+++ ${join(ssh, 'forgectl.conf')}`);
    expect(diff.stdout).toContain(`+Host ${NAME} forgectl-${id}`);
    expect(readdirSync(ssh)).toEqual(['config']);
    const written = await home.json<{ hosts: { aliases: string[] }[] }>(['ssh-config', '--write']);
    expect(written).toMatchObject({ written: true, hosts: [{ id, label: LABEL, aliases: [NAME, `forgectl-${id}`] }] });
    expect(statSync(join(ssh, 'forgectl.conf')).mode & 0o777).toBe(0o600);
    const config = readFileSync(join(ssh, 'config'));
    expect(config.subarray(config.indexOf('\n') + 1)).toEqual(USER_CONFIG);
    expect(statSync(join(ssh, 'config')).mode & 0o777).toBe(0o640);
    expect((await home.run(['ssh-config', '--diff'])).code).toBe(0);
  });

  it('ssh: pins the key before the client sees the first byte, passes streams and codes', () => {
    rmSync(join(state, 'host-keys/sandbox', String(id)));
    rmSync(join(state, 'addresses/sandbox', `${id}.json`));
    const first = client('ssh', [NAME, 'cat; echo err >&2; exit 3'], 'in');
    expect(first).toMatchObject({ stdout: 'in', stderr: 'err\n', status: 3 });
    expect(existsSync(join(state, 'host-keys/sandbox', String(id)))).toBe(true);
    expect(existsSync('pwned')).toBe(false);
  });

  it('scp and rsync: files both ways', () => {
    const local = join(home.directory, 'a file');
    writeFileSync(local, Buffer.alloc(300_000, 7));
    expect(client('scp', ['-q', local, `forgectl-${id}:/workspace/copied`])).toMatchObject({ status: 0, stderr: '' });
    expect(statSync(join(root(), 'workspace/copied')).size).toBe(300_000);
    expect(readFileSync(join(root(), 'workspace/copied')).equals(readFileSync(local))).toBe(true);
    if (!has('rsync')) return;
    const shell = `ssh -F '${join(ssh, 'config')}'`;
    const words = ['-a', '-e', shell, `${NAME}:${root()}/workspace/copied`, `${home.directory}/back`];
    const ran = spawnSync('rsync', words, { env: home.env, encoding: 'utf8' });
    expect(ran).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(join(home.directory, 'back')).equals(readFileSync(local))).toBe(true);
  });

  it('a connection that is lost says so and restores the terminal; ssh follows the machine to its new port', async () => {
    const port = (): number => JSON.parse(readFileSync(join(state, 'addresses/sandbox', `${id}.json`), 'utf8')).port;
    const before = port();
    const seen = await home.terminal(
      ['ssh'],
      [{ wait: '# ' }, { run: `${home.shellWords} reboot --yes >/dev/null 2>&1` }],
    );
    expect(seen).toMatchObject({ code: 255, isRestored: true });
    expect(seen.text).toMatch(
      /The connection to \d+ .* was lost\.\s+What ran in tmux there goes on: forgectl ssh \d+/u,
    );
    expect(client('ssh', [`forgectl-${id}`, 'echo there']).stdout).toBe('there\n');
    expect(port()).not.toBe(before);
  });

  it('while the API is down, the last address is tried', async () => {
    await home.call('PUT', '/sandbox/faults/', { name: 'http-status', status: 503 });
    const ran = client('ssh', [NAME, 'echo there']);
    await home.call('DELETE', '/sandbox/faults/');
    expect(ran.stderr).toContain('The API does not answer');
    expect(ran.stdout).toBe('there\n');
  });

  it('a stranger’s host key is refused by ssh too', () => {
    const pin = join(state, 'host-keys/sandbox', String(id));
    const kept = readFileSync(pin, 'utf8');
    const other = join(home.directory, 'other');
    openSsh('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other]);
    // In the place of the pinned key; that the instance has named it stands above.
    const marks = kept.split('\n').filter((line) => line.startsWith('#'));
    writeFileSync(pin, [...marks, `forgectl-${id} ${readFileSync(`${other}.pub`, 'utf8')}`].join('\n'));
    const ran = client('ssh', [NAME, 'echo there']);
    writeFileSync(pin, kept);
    expect(ran).toMatchObject({ status: 255, stdout: '' });
    expect(ran.stderr).toContain('HOST IDENTIFICATION HAS CHANGED');
  });

  it('ssh-config --remove leaves everything as it was', async () => {
    expect((await home.run(['ssh-config', '--remove'])).code).toBe(0);
    expect(readdirSync(ssh)).toEqual(['config']);
    expect(readFileSync(join(ssh, 'config'))).toEqual(USER_CONFIG);
    expect(statSync(join(ssh, 'config')).mode & 0o777).toBe(0o640);
    expect(await home.json(['ssh-config', '--remove'])).toMatchObject({ written: false });
  });
});
