import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { probe } from '../../src/instance/probe.ts';
import { parseReadiness, reachedRung, readinessScript } from '../../src/instance/readiness.ts';
import { runScript } from '../../src/instance/remote-script.ts';
import type { Connection } from '../../src/ssh/connection.ts';
import { LabHost } from './host.ts';
import { describeLab } from './lab-suite.ts';
import { SshUser } from './ssh-client.ts';

const LIMIT = { timeoutMs: 120_000 };
/** Values as people write them, and as the image copies them into /etc/environment, unescaped. */
const AWKWARD = { NOTE: 'say "hi" $(touch /pwned) `id` \\', LINES: 'one\ntwo', HF_TOKEN: 'hf_secret123456' };

describeLab('what forgectl asks inside a machine, on a real one', () => {
  let user: SshUser;
  let host: LabHost;
  let shell: Connection;

  beforeAll(async () => {
    user = new SshUser();
    host = await LabHost.boot({
      id: 31337,
      keys: [user.publicKey],
      env: { ...AWKWARD, FORGE_ARGS: '--api --port 17860' },
    });
    await host.waitForForge();
    shell = await user.connect(host);
  });
  afterAll(async () => {
    shell.close();
    await host.remove();
    user.remove();
  });

  const look = async () => parseReadiness((await shell.run(readinessScript(), LIMIT)).stdout);

  it('probe: says what the machine is', async () => {
    await host.waitFor('ls /workspace/.venv-backups/31337/venv-main-latest.txt');
    const found = await probe(shell, LIMIT);
    expect(found).toMatchObject({
      user: 'root',
      variables: {
        WORKSPACE: '/workspace',
        CONTAINER_ID: '31337',
        FORGE_ARGS: '--api --port 17860',
        OPEN_BUTTON_PORT: '1111',
      },
      provisioning: { running: false, complete: true, failed: false, stopped: false },
      launch: { jupyter: false },
      torchVersion: '2.9.1+cu128',
      supervisor: { exitCode: 3, skipped: ['tensorboard'] },
      forge: {
        directory: '/workspace/stable-diffusion-webui-forge',
        remoteUrl: '/srv/forge.git',
        branch: null,
        changes: [' M requirements_versions.txt'],
        requirementsFile: 'requirements_versions.txt',
      },
      portal: { httpStatus: 200 },
      forgeHttpStatus: 200,
      forgeApiHttpStatus: 200,
    });
    expect(found.tools).toMatchObject({
      git: '/usr/bin/git',
      rsync: '/usr/bin/rsync',
      supervisorctl: '/usr/bin/supervisorctl',
    });
    expect(found.tools.uv).toBeUndefined();
    expect(found.pythonVersion).toMatch(/^3\.\d+/u);
    expect(found.supervisor?.programs.map(({ name }) => name)).toContain('forge');
    expect(found.portal.applications?.map(({ name }) => name)).toEqual([
      'Instance Portal',
      'Forge',
      'Jupyter',
      'Syncthing',
    ]);
    expect(found.portal.routes).toContain('/supervisor/processes');
    expect(found.disk?.totalBytes).toBe(host.settings.diskBytes);
    expect(found.workspaceBytes).toBeGreaterThan(10_000);
    expect(found.venvBackups).toContain('31337/venv-main-latest.txt');
  });

  it('probe: carries no secret, and runs nothing that stands in a variable', async () => {
    // The image's own services do run it: it writes /etc/environment unescaped, and they source it.
    await host.exec('rm -f /pwned');
    const found = await probe(shell, LIMIT);
    expect(found.variableNames).toEqual(
      expect.arrayContaining(['HF_TOKEN', 'JUPYTER_TOKEN', 'CONTAINER_API_KEY', 'NOTE']),
    );
    expect(JSON.stringify(found)).not.toMatch(/hf_secret|lab-token|lab-key/u);
    expect((await host.exec('ls / /root')).stdout).not.toContain('pwned');
  });

  it('scripts: see the variables as they are, and the image’s python, whatever .bashrc says', async () => {
    await host.exec(
      'echo "echo noise; exit 7" >>/root/.bash_profile; echo "echo more noise" | cat - /root/.bashrc >/tmp/b && cp /tmp/b /root/.bashrc',
    );
    const ran = await runScript(
      shell,
      'printf "%s|" "$NOTE" "$LINES" "$FORGE_ARGS"; command -v python; echo "[$TMUX]"; exit 5',
      LIMIT,
    );
    expect(ran.output).toBe(`${AWKWARD.NOTE}|one\ntwo|--api --port 17860|/venv/main/bin/python\n[]\n`);
    expect(ran.exitCode).toBe(5);
  });

  it('scripts: a .env of the user wins, and one that is broken hurts nobody', async () => {
    writeFileSync(host.path('/workspace/.env'), "FORGE_ARGS='--port 17860 --xformers'\n. /no/such/file\nexit 3\n");
    expect((await runScript(shell, 'echo "$FORGE_ARGS"', LIMIT)).output).toBe('--port 17860 --xformers\n');
    await host.exec('rm /workspace/.env');
  });

  it('readiness: climbs as the machine does, from sshd to a Forge that answers', async () => {
    await host.exec('supervisorctl stop forge');
    expect(reachedRung(await look()).rung).toBe('provisioning');
    await host.exec('supervisorctl shutdown; for n in $(seq 100); do pgrep -x supervisord || break; sleep 0.1; done');
    const down = await look();
    expect(down.supervisorExit).toBe(4);
    expect(reachedRung(down)).toEqual({ rung: 'ssh', reason: 'the supervisor is not up yet' });
    shell.close();
    await host.reboot();
    shell = await user.connect(host);
    const rungs = new Set<string>();
    for (let last = ''; last !== 'forge'; rungs.add(last)) last = reachedRung(await look()).rung;
    expect([...rungs].at(-1)).toBe('forge');
    const ready = await look();
    expect(ready).toMatchObject({
      supervisorExit: 3,
      provisioning: false,
      forgeHttpStatus: 200,
      isForgePage: true,
      apiHttpStatus: 200,
    });
    expect(ready.logTail.at(-1)).toContain('Running on local URL');
  });

  it('readiness: sees provisioning, and does not take a stopped Forge, a foreign page or a skipped one for ready', async () => {
    await host.exec('touch /.provisioning');
    expect(reachedRung(await look()).rung).toBe('boot');
    await host.exec(
      'rm /.provisioning; supervisorctl stop forge; cd /tmp && (python3 -m http.server 17860 --bind 127.0.0.1 >/dev/null 2>&1 &)',
    );
    await host.waitFor('curl -s -o /dev/null http://127.0.0.1:17860/');
    expect(reachedRung(await look()).reason).toContain('not Forge');
    await host.exec('pkill -f "[h]ttp.server 17860"; sed -i "/Forge/,+5d" /etc/portal.yaml; supervisorctl start forge');
    await host.waitFor('[ -e /tmp/supervisor-skip/forge ]');
    const skipped = await look();
    // The gate's own loop: RUNNING, and nothing runs.
    expect(skipped.forge?.state).toMatch(/RUNNING|EXITED|STARTING/u);
    expect(reachedRung(skipped).reason).toContain('does not name it');
  });
});
