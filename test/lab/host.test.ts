import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LabHost } from './host.ts';
import { describeLab } from './lab-suite.ts';
import { SshUser } from './ssh-client.ts';

const run = promisify(execFile);
const FORGE = '/workspace/stable-diffusion-webui-forge';

describeLab('a machine of the lab', () => {
  let user: SshUser;
  let stranger: SshUser;
  let host: LabHost;
  const ssh = (command: string[], options: Parameters<SshUser['ssh']>[2] = {}) => user.ssh(host, command, options);

  beforeAll(async () => {
    user = new SshUser();
    stranger = new SshUser();
    host = await LabHost.boot({ keys: [user.publicKey], id: 777 });
    await host.waitForForge();
  });
  afterAll(async () => {
    await host.remove();
    user.remove();
    stranger.remove();
  });

  it('lets in root with an attached key, and nobody with a password or another key', async () => {
    expect(await ssh(['id -un; exit 42'])).toMatchObject({ code: 42, stdout: 'root\n' });
    const refused = await stranger.ssh(host, ['true']);
    expect(refused).toMatchObject({ code: 255 });
    expect(refused.stderr).toContain('Permission denied (publickey)');
    const asked = await ssh(['true'], { flags: ['-o', 'PreferredAuthentications=password,keyboard-interactive'] });
    expect(asked.stderr).toContain('Permission denied (publickey)');
  });

  it('takes keys of the account on the way of the proxy only', async () => {
    host.setAuthorizedKeys([user.publicKey], [stranger.publicKey]);
    expect((await stranger.ssh(host, ['true'])).code).toBe(255);
    const byProxy = { address: host.address, sshPort: host.proxyPort };
    expect((await stranger.ssh(byProxy, ['true'])).code).toBe(0);
    expect((await user.ssh(byProxy, ['true'])).code).toBe(0);
  });

  it('shows its banner on stderr, and gives a one-shot command none of the variables', async () => {
    const bare = await ssh(['echo "[$WORKSPACE][$FORGE_ARGS][$CONTAINER_ID][$VIRTUAL_ENV]"; pwd; umask']);
    expect(bare.stdout).toBe('[][][][]\n/root\n0002\n');
    expect(bare.stderr).toContain('Welcome.');
    expect(readFileSync(host.path('/etc/environment'), 'utf8')).toContain('CONTAINER_ID="777"');
  });

  it('puts who comes with a terminal into tmux, and into the same one the next time', async () => {
    const first = await ssh([], { flags: ['-tt'], input: 'tmux display -p "in #S"; export MARK=here; tmux detach\n' });
    expect(first.stdout).toContain('in ssh_tmux');
    const second = await ssh([], { flags: ['-tt'], input: 'echo "mark: $MARK"; tmux kill-server\n' });
    expect(second.stdout).toContain('mark: here');
    // A command with a terminal is still a command.
    expect((await ssh(['echo "[$TMUX]"'], { flags: ['-tt'] })).stdout).toContain('[]');
  });

  it('without tmux an interactive shell has the variables and the venv, and says so on stdout', async () => {
    await host.exec('touch ~/.no_auto_tmux');
    const shell = await ssh([], { flags: ['-tt'], input: 'echo "$CONTAINER_ID"; command -v python; pwd; exit 3\n' });
    expect(shell.code).toBe(3);
    expect(shell.stdout).toMatch(/Activated conda\/uv virtual environment at .*\/venv\/main/u);
    expect(shell.stdout.replaceAll('\r', '')).toContain('777\n/venv/main/bin/python\n/workspace\n');
  });

  it('has a real supervisord, with its words and codes', async () => {
    await host.waitFor('[ "$(supervisorctl status | grep -c RUNNING)" = 7 ]');
    const status = await ssh(['supervisorctl status']);
    expect(status.code).toBe(3);
    const states = Object.fromEntries(
      status.stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/u).slice(0, 2)),
    );
    expect(states).toEqual({
      caddy: 'RUNNING',
      cron: 'RUNNING',
      forge: 'RUNNING',
      instance_portal: 'RUNNING',
      jupyter: 'RUNNING',
      syncthing: 'RUNNING',
      tensorboard: 'EXITED',
      tunnel_manager: 'RUNNING',
    });
    expect(await ssh(['supervisorctl status nothing'])).toMatchObject({
      code: 4,
      stdout: 'nothing: ERROR (no such process)\n',
    });
    expect((await ssh(['supervisorctl start forge'])).stdout).toBe('forge: ERROR (already started)\n');
    expect(readdirSync(host.path('/tmp/supervisor-skip'))).toEqual(['tensorboard']);
  });

  it('has the services on their own ports, and the published ones behind a token', async () => {
    const codes = await host.exec(
      'for url in 17860/ 11111/health 11112/get-all-quick-tunnels 18384/ 18080/ 16006/; do curl -s -o /dev/null -w "%{http_code} " "http://127.0.0.1:$url"; done',
    );
    expect(codes.stdout).toBe('200 200 200 200 200 000 ');
    const url = `http://${host.address}:${host.published[7860]}/`;
    expect((await fetch(url)).status).toBe(401);
    const shown = await fetch(url, { headers: { authorization: 'Bearer lab-token' } });
    expect(await shown.text()).toContain('<title>Stable Diffusion WebUI Forge</title>');
    await host.exec('supervisorctl stop forge');
    const down = await fetch(`${url}?token=lab-token`);
    expect([down.status, down.headers.get('x-portal-placeholder')]).toEqual([502, 'true']);
    await expect(fetch(`http://${host.address}:17860/`)).rejects.toThrow();
  });

  it('runs Syncthing as its own user', async () => {
    expect((await host.exec('ps -o user= -p "$(supervisorctl pid syncthing)"')).stdout.trim()).toBe('user');
  });

  it('moves a log away when its service starts', async () => {
    writeFileSync(host.path('/var/log/portal/forge.log'), 'of the former start\n');
    expect((await host.exec('supervisorctl restart forge')).stdout).toContain('forge: started');
    await host.waitForForge();
    expect(readFileSync(host.path('/var/log/portal/forge.log.old'), 'utf8')).toBe('of the former start\n');
    expect(readFileSync(host.path('/var/log/portal/forge.log'), 'utf8')).toContain('Running on local URL');
  });

  it('has real git with a remote that answers, and real pip with packages but no network', async () => {
    const git = await host.exec(
      `git -C ${FORGE} status --porcelain -uno; git -C ${FORGE} fetch -q origin && git -C ${FORGE} rev-list --count HEAD..origin/main`,
    );
    expect(git.stdout).toBe(' M requirements_versions.txt\n3\n');
    const pip = await host.exec(
      '/venv/main/bin/pip install -q diffusers==0.32.2 && /venv/main/bin/pip freeze | grep -E "^(diffusers|torch)="; /venv/main/bin/pip install -q nothing',
    );
    expect(pip.stdout).toBe('diffusers==0.32.2\ntorch==2.9.1+cu128\n');
    expect(pip.code).not.toBe(0);
    expect((await fetchFails('curl -s -m 5 http://192.0.2.1/')).code).not.toBe(0);
  });
  const fetchFails = (command: string) => host.exec(command);

  it('has rsync and sftp over its sshd', async () => {
    const remote = ['-e', ['ssh', ...user.options, '-p', host.sshPort].join(' ')];
    await run('rsync', ['-a', ...remote, 'test/lab/image/', `root@${host.address}:/workspace/copied/`]);
    expect(readdirSync(host.path('/workspace/copied')).sort()).toEqual(readdirSync('test/lab/image').sort());
    const batch = `${user.keyFile}.batch`;
    writeFileSync(batch, 'rename /workspace/copied/curl "/workspace/a \'b\' ☃"\n');
    await run('sftp', [...user.options, '-P', String(host.sshPort), '-b', batch, `root@${host.address}`]);
    expect(existsSync(host.path("/workspace/a 'b' ☃"))).toBe(true);
  });

  it('runs out of disk, and goes on when there is room again', async () => {
    await host.disk.fill({ leaveBytes: 64 * 1024 });
    const full = await ssh(['head -c 1000000 /dev/zero >/workspace/big']);
    expect(full.code).not.toBe(0);
    expect(full.stderr).toContain('No space left on device');
    expect((await ssh(['df --output=pcent /workspace | tail -1'])).stdout.trim()).toBe('100%');
    await host.disk.free();
    expect((await ssh(['head -c 1000000 /dev/zero >/workspace/big && wc -c </workspace/big'])).stdout).toBe(
      '1000000\n',
    );
  });

  it('reboot: what has to change changes, the disk stays', async () => {
    const before = { address: host.address, port: host.sshPort };
    const look = async () =>
      (await host.exec('cat /etc/ssh/ssh_host_ed25519_key.pub /run/supervisord.pid; head -n 1 /etc/environment'))
        .stdout;
    const seen = await look();
    await host.exec('touch /workspace/kept; (sleep 1000 >/dev/null 2>&1 &)');
    await host.reboot({ newAddress: true });
    expect(host.address).not.toBe(before.address);
    expect(host.sshPort).toBe(before.port);
    await host.waitFor('[ -e /.provisioning ] || supervisorctl status forge');
    await host.waitForForge();
    expect((await look()).replace(/^\d+$/mu, '')).toBe(seen.replace(/^\d+$/mu, ''));
    expect(existsSync(host.path('/workspace/kept'))).toBe(true);
    expect((await host.exec('pgrep -f "sleep 1000"')).code).toBe(1);
    // Set at creation and never again (instance.md 3).
    expect(readFileSync(host.path('/etc/environment'), 'utf8')).toContain(`PUBLIC_IPADDR="${before.address}"`);
    expect((await ssh(['true'])).code).toBe(0);
  });

  it('a machine without power is gone in mid-word, and its disk is as it was', async () => {
    const cut = ssh(['echo half; sleep 60']);
    await host.waitFor('pgrep -f "sleep 60"');
    await host.kill();
    expect(host.runs).toBe(false);
    expect((await host.execAnyway(['ls', '/workspace'])).stdout).toContain('kept');
    await host.start();
    // The old connection meets a machine that does not know it.
    expect((await cut).code).toBe(255);
  });

  it('recycle: as new, at another port, with another host key', async () => {
    const before = { port: host.sshPort, key: readFileSync(host.path('/etc/ssh/ssh_host_ed25519_key.pub'), 'utf8') };
    await host.recycle();
    expect(host.sshPort).not.toBe(before.port);
    expect(readFileSync(host.path('/etc/ssh/ssh_host_ed25519_key.pub'), 'utf8')).not.toBe(before.key);
    expect(existsSync(host.path('/workspace/kept'))).toBe(false);
  });
});

describeLab('a machine in the jupyter launch mode', () => {
  it('has the platform’s Jupyter on 8080, with TLS and a token, and not the one of the image', async () => {
    const host = await LabHost.boot({ runtype: 'jupyter_direct', token: 'jt' });
    try {
      await host.waitFor('[ -e /tmp/supervisor-skip/tensorboard ] && curl -sk https://127.0.0.1:8080/api');
      const url = `https://${host.address}:${host.published[8080]}`;
      const codes = await run('curl', [
        '-sk',
        '-w',
        '%{http_code} ',
        '-o',
        '/dev/null',
        `${url}/lab`,
        '-o',
        '/dev/null',
        `${url}/lab?token=jt`,
      ]);
      expect(codes.stdout).toBe('403 200 ');
      const inside = await host.exec(
        'supervisorctl status jupyter; curl -s -o /dev/null http://127.0.0.1:18080/; echo "$?"',
      );
      expect(inside.stdout).toMatch(/^jupyter +EXITED .*\n7\n$/u);
    } finally {
      await host.remove();
    }
  });
});

describeLab('several machines of the lab', () => {
  it('start at once, each with its own address, name, processes and Forge, and reach one another', async () => {
    const user = new SshUser();
    const hosts = await Promise.all([1, 2, 3, 4].map((id) => LabHost.boot({ id, keys: [user.publicKey] })));
    try {
      await Promise.all(hosts.map((host) => host.waitForForge()));
      const names = await Promise.all(hosts.map(async (host) => (await user.ssh(host, ['hostname'])).stdout.trim()));
      expect(names).toEqual(['c1', 'c2', 'c3', 'c4']);
      expect(new Set(hosts.map(({ address }) => address)).size).toBe(4);
      const [first, second] = hosts as [LabHost, LabHost];
      await first.exec('supervisorctl stop forge');
      await second.waitForForge();
      const greeting = await first.exec(`exec 3<>/dev/tcp/${second.address}/${second.sshPort} && head -c 8 <&3`);
      expect(greeting.stdout).toBe('SSH-2.0-');
    } finally {
      await Promise.all(hosts.map((host) => host.remove()));
      user.remove();
    }
  });
});
