import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';

interface Service {
  name: string;
  state: string;
  pid: number | null;
  answers: boolean | null;
  management: boolean;
}

const FORGE = '/workspace/stable-diffusion-webui-forge';

describeLab('services and variables, with a real supervisord', () => {
  let home: LabHome;
  let id = 0;
  const host = () => home.machines.of(id).host;
  const services = async (): Promise<Record<string, Service>> => {
    const { services: rows } = await home.json<{ services: Service[] }>(['service', 'ls', 'web']);
    return Object.fromEntries(rows.map((row) => [row.name, row]));
  };

  beforeAll(async () => {
    home = await LabHome.open();
    const launched = await home.json<{ id: number }>(['launch', '--best', '--yes', '--label', 'web']);
    expect(launched.id, JSON.stringify(launched)).toEqual(expect.any(Number));
    id = launched.id;
  });
  afterAll(() => home.remove());

  it('ls: what runs and answers, what is skipped, what is management', async () => {
    const rows = await services();
    expect(rows['forge']).toMatchObject({ state: 'running', answers: true });
    expect(rows['portal']).toMatchObject({ state: 'running', answers: true, management: true });
    expect(rows['caddy']).toMatchObject({ answers: null, management: true });
    expect(rows['tensorboard']).toMatchObject({ state: 'skipped', pid: null });
    expect(rows['cron']?.state).toBe('running');
  });

  it('stop and start are read back from supervisord', async () => {
    expect(await home.json(['service', 'stop', 'web', 'cron'])).toMatchObject({
      services: [{ result: 'done', supervisor_state: 'STOPPED', pid: null }],
    });
    expect(await home.json(['service', 'start', 'web', 'cron'])).toMatchObject({
      services: [{ result: 'done', supervisor_state: 'RUNNING', pid: expect.any(Number) }],
    });
  });

  it('RUNNING is not believed: a Forge that dies again and again is crashed; one that is silent is exit 7', async () => {
    const launch = host().path(`${FORGE}/launch.py`);
    const good = readFileSync(launch, 'utf8');
    writeFileSync(launch, 'raise SystemExit("broken on purpose")\n');
    await home.json(['service', 'restart', 'web', 'forge']);
    expect((await services())['forge']).toMatchObject({ state: 'crashed', answers: false });
    writeFileSync(launch, 'import time; time.sleep(1000)\n');
    const late = await home.json(['service', 'restart', 'web', 'forge', '--wait', '--timeout', '10s']);
    expect(late).toMatchObject({ error: { code: 'FORGE_TIMEOUT', exit: 7 } });
    writeFileSync(launch, good);
  });

  it('env set --restart: Forge runs with it, on its port; the file is for its owner alone', async () => {
    await host().exec("printf '# mine\\n' >/workspace/.env; chown 1001 /workspace/.env; chmod 664 /workspace/.env");
    const odd = 'a\'b"$(id)`id`\\\n c';
    const done = await home.json(['env', 'set', 'web', 'FORGE_ARGS=--api', `TENSORBOARD_ODD=${odd}`, '--restart']);
    expect(done, JSON.stringify(done)).toMatchObject({ restarted: [{ name: 'forge', result: 'done', error: null }] });
    const { stdout } = await host().exec('stat -c "%a %u" /workspace/.env; pgrep -af launch.py');
    expect(stdout).toContain('600 1001');
    expect(stdout).toContain('--api --port 17860');
    const read = await host().exec(`bash -c 'set -a; . /workspace/.env; printf %s "$TENSORBOARD_ODD"'`);
    expect(read.stdout).toBe(odd);
  });

  it('reload --all restarts supervisord, and waits until it is back; on a full disk no variable is written', async () => {
    expect((await home.run(['service', 'reload', 'web', '--all', '--yes'])).code).toBe(0);
    const before = readFileSync(host().path('/workspace/.env'), 'utf8');
    await host().disk.fill({ leaveBytes: 0 });
    expect((await home.run(['env', 'set', 'web', `BIG=${'x'.repeat(100_000)}`])).code).not.toBe(0);
    expect(readFileSync(host().path('/workspace/.env'), 'utf8')).toBe(before);
  });
});
