// biome-ignore-all lint/suspicious/noTemplateCurlyInString: bash's, not ours
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';

const BACKUPS = '/workspace/.venv-backups';

describeLab('provisioning and packages, on a machine of the lab', () => {
  let home: LabHome;
  let id = 0;
  const host = () => home.machines.of(id).host;

  beforeAll(async () => {
    home = await LabHome.open();
    const noise = Array.from({ length: 9000 }, (_, at) => String.fromCharCode(97 + ((at * at * 31 + at * 7) % 26)));
    const texts = [`: '${noise.join('')}${Math.random()}'`, 'echo "brought: $0 $(id -un)"', 'touch /workspace/brought'];
    mkdirSync(home.directory, { recursive: true });
    const script = join(home.directory, "it's large.sh");
    writeFileSync(script, `#!/bin/bash\nset -e\n${texts.join('\n')}\n`);
    const words = ['launch', '--best', '--yes', '--label', 'lab', '--wait-for', 'provisioning'];
    const done = await home.run([...words, '--provisioning-file', script, '--json']);
    expect(done.code, done.stdout + done.stderr).toBe(0);
    id = (JSON.parse(done.stdout) as { id: number }).id;
  });
  afterAll(() => home.remove());

  it('launch --provisioning-file: ran at the first start, as root, by the image itself', async () => {
    expect(existsSync(host().path('/workspace/brought'))).toBe(true);
    expect(await home.json(['provision', 'status', 'lab'])).toMatchObject({
      state: 'complete',
      evidence: 'boot',
      script: '/provisioning.sh',
    });
    const logs = await home.run(['provision', 'logs', 'lab']);
    expect(logs.stdout, logs.stderr).toContain('brought: ');
  });

  it('provision run: over OpenSSH, detached, its log where the portal shows it, its exit code kept', async () => {
    const script = join(home.directory, 'say.sh');
    writeFileSync(script, 'echo "$WORKSPACE $(id -un) $(command -v python) ${#KEY}"\nnohup sleep 300 &\nexit 4\n');
    const ran = await home.run([
      'provision',
      'run',
      'lab',
      script,
      '--env',
      "KEY=it's $(touch /pwned)",
      '--json',
      '--yes',
    ]);
    expect(ran.code, ran.stdout + ran.stderr).toBe(8);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      exit_code: 4,
      log_tail: expect.arrayContaining(['/workspace root /venv/main/bin/python 20']),
    });
    expect(readFileSync(host().path('/var/log/portal/provisioning.log'), 'utf8')).toContain('/venv/main/bin/python 20');
    expect(existsSync(host().path('/pwned'))).toBe(false);
  });

  it('venv: a backup as the image makes it; packages installed with torch held, or put back', async () => {
    const frozen = await home.json<{ path: string; contract_id: string; file: string }>(['venv', 'freeze', 'lab']);
    expect(frozen.path, JSON.stringify(frozen)).toBe(`${BACKUPS}/${id}/${frozen.file}`);
    expect(readlinkSync(host().path(`${BACKUPS}/${id}/venv-main-latest.txt`))).toBe(frozen.path);
    const failed = await home.run(['venv', 'install', 'lab', 'wants-torch', '--yes', '--json']);
    expect(failed.code, failed.stdout).toBe(11);
    const installed = await home.run(['venv', 'install', 'lab', 'insightface', '--yes', '--json']);
    expect(installed.code, installed.stdout + installed.stderr).toBe(0);
    expect((await home.run(['venv', 'diff', 'lab:latest', '--check'])).code).toBe(10);
  });
});
