import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';

const LABEL = 'lab "forge" $(touch pwned)';
const MODEL = '/workspace/stable-diffusion-webui-forge/models/Stable-diffusion/v1-5-pruned-emaonly.safetensors';

interface Launched {
  id: number;
  ssh_host: string;
  ssh_port: number;
  ssh_via: string;
  rungs: { rung: string }[];
}

describeLab('the first journey, on machines of the lab', () => {
  let home: LabHome;
  let launched: Launched;
  const host = () => home.machines.of(launched.id).host;

  beforeAll(async () => {
    home = await LabHome.open();
  });
  afterAll(() => home.remove());

  it('launch: rents, climbs the ladder over OpenSSH, and ends when Forge answers', async () => {
    const ran = await home.run(['launch', '--best', '--yes', '--label', LABEL, '--forge-args', '--api', '--json']);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    launched = JSON.parse(ran.stdout) as Launched;
    expect(launched.rungs.map(({ rung }) => rung)).toEqual(['api', 'ssh', 'boot', 'provisioning', 'forge']);
    expect(launched).toMatchObject({ ssh_host: host().address, ssh_port: host().sshPort, ssh_via: 'direct' });
  });

  it('launch: what it asked for is what the machine has', async () => {
    const environment = readFileSync(host().path('/etc/environment'), 'utf8');
    expect(environment).toContain('FORGE_ARGS="--api --port 17860"');
    expect(environment).not.toContain(home.sandboxFile().api_key);
    expect(existsSync(host().path(MODEL))).toBe(true);
    expect((await host().exec('curl -s http://127.0.0.1:17860/sdapi/v1/cmd-flags')).stdout).toBe('{"api": true}');
    expect((await host().exec('ls /root')).stdout).not.toContain('pwned');
  });

  it('launch: the log of the container shows the host key that the machine has', async () => {
    const [type, key] = readFileSync(host().path('/etc/ssh/ssh_host_ed25519_key.pub'), 'utf8').split(' ');
    expect(host().consoleLog()).toMatch(/forgectl-host-key [0-9a-f]{16,} ssh-/u);
    expect(host().consoleLog()).toContain(`${type} ${key}`);
  });

  it('ls, show: name the address of the machine', async () => {
    expect(await home.json(['ls'])).toMatchObject([{ id: launched.id, label: LABEL, state: 'running' }]);
    const shown = await home.run(['show', LABEL]);
    expect(shown.stdout).toContain(`root@${host().address}:${host().sshPort}`);
  });

  it('stop: every process of the machine ends, and its files stay', async () => {
    const address = host().address;
    await host().exec('echo mine > /workspace/kept');
    expect((await home.run(['stop', LABEL, '--yes'])).code).toBe(0);
    expect(host().runs).toBe(false);
    const waited = await home.run(['wait', LABEL, '--timeout', '5s', '--json']);
    expect(waited.code, waited.stdout).not.toBe(0);
    expect((await host().execAnyway(['cat', '/workspace/kept'])).stdout).toBe('mine\n');
    expect(host().address).toBe(address);
  });

  it('start, wait: Forge answers again, with the same host key', async () => {
    expect((await home.run(['start', LABEL, '--yes'])).code).toBe(0);
    const waited = await home.run(['wait', LABEL, '--json']);
    expect(waited.code, waited.stdout + waited.stderr).toBe(0);
    expect(readFileSync(host().path('/workspace/kept'), 'utf8')).toBe('mine\n');
  });

  it('reboot, wait: other processes, the same disk', async () => {
    const bootOf = async () => (await host().exec('ps -o lstart= -p 1; cat /run/supervisord.pid')).stdout;
    const before = await bootOf();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const ran = await home.run(['reboot', LABEL, '--yes']);
    expect(ran.code, ran.stderr).toBe(0);
    expect((await home.run(['wait', LABEL])).code).toBe(0);
    expect(await bootOf()).not.toBe(before);
    expect(readFileSync(host().path('/workspace/kept'), 'utf8')).toBe('mine\n');
  });

  it('recycle, wait: as new, with another host key, which is pinned knowingly', async () => {
    const keyOf = () => readFileSync(host().path('/etc/ssh/ssh_host_ed25519_key.pub'), 'utf8');
    const before = { key: keyOf(), port: host().sshPort };
    const ran = await home.run(['recycle', LABEL, '--yes']);
    expect(ran.code, ran.stderr).toBe(0);
    const waited = await home.run(['wait', LABEL, '--json']);
    expect(waited.code, waited.stdout + waited.stderr).toBe(0);
    expect(keyOf()).not.toBe(before.key);
    expect(host().sshPort).not.toBe(before.port);
    expect(existsSync(host().path('/workspace/kept'))).toBe(false);
    // Provisioned anew: the model is there.
    expect(existsSync(host().path(MODEL))).toBe(true);
  });

  it('wait: refuses a machine that has another host key without having been recycled', async () => {
    await host().exec('rm /etc/ssh/ssh_host_*; ssh-keygen -q -A; kill "$(cat /run/sshd.pid)"');
    await host().reboot();
    const waited = await home.run(['wait', LABEL, '--timeout', '60s', '--json']);
    expect(waited.code).not.toBe(0);
    expect(waited.stdout).toMatch(/host key/iu);
  });

  it('destroy: the machine, its disk and its address are gone', async () => {
    const { folder } = host().disk;
    expect((await home.run(['destroy', LABEL, '--yes'])).code).toBe(0);
    expect(await home.json(['ls'])).toEqual([]);
    await expect.poll(() => existsSync(folder)).toBe(false);
  });
});

describeLab('a machine at the end of a line', () => {
  let home: LabHome;
  let id = 0;
  const machine = () => home.machines.of(id);
  const wait = async () => {
    const { code, stdout, stderr } = await home.run(['wait', '--for', 'ssh', '--timeout', '90s', '--json']);
    expect(stdout, stderr).not.toBe('');
    return { code, ...(JSON.parse(stdout) as { instances: { ssh_via: string }[] }).instances[0] };
  };

  beforeAll(async () => {
    home = await LabHome.open({ line: { oneWayMs: 10 } });
    const launched = await home.json<{ id: number }>(['launch', '--best', '--yes', '--wait-for', 'ssh']);
    id = launched.id;
  });
  afterAll(() => home.remove());

  it('is reached through the line', async () => {
    expect(await home.json(['ls'])).toMatchObject([{ ssh_host: machine().line.host, ssh_port: machine().line.port }]);
    expect(await wait()).toMatchObject({ code: 0, ssh_via: 'direct' });
    expect(machine().line.delivered.down).toBeGreaterThan(1000);
  });

  it('is reached by way of the proxy when the direct one refuses, or hangs', async () => {
    await machine().line.refuse();
    expect(await wait()).toMatchObject({ code: 0, ssh_via: 'proxy' });
    await machine().line.accept();
    machine().line.stall();
    expect(await wait()).toMatchObject({ code: 0, ssh_via: 'proxy' });
    machine().line.cut();
    machine().line.resume();
    // The way that worked last is tried first.
    expect(await wait()).toMatchObject({ code: 0, ssh_via: 'proxy' });
  });

  it('a login that is cut or reset in mid-word is tried again', async () => {
    for (const ending of ['cut', 'reset'] as const) {
      for (const line of machine().lines.values()) line.endAfter(1500, 'down', ending);
      expect(await wait()).toMatchObject({ code: 0 });
    }
  });
});
