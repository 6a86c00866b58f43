// biome-ignore-all lint/suspicious/noTemplateCurlyInString: bash's, not ours
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMost } from '../faults/chosen.ts';
import { Home } from '../support/forgectl.ts';

interface Failed {
  error: { code: string; exit: number; message: string; hint: string };
}

/** One machine, which was launched with a script of this computer. */
describe('provisioning and packages of a machine', () => {
  const home = new Home({ FORGECTL_SANDBOX: '1' });
  const launch = ['launch', '--best', '--yes', '--wait-for', 'provisioning'];
  let root = '';
  const file = (name: string, text: string): string => {
    writeFileSync(join(home.directory, name), text);
    return join(home.directory, name);
  };
  const on = (path: string): string => join(root, path);

  beforeAll(async () => {
    await home.run(['sandbox', 'start', '--time-scale', '60']);
    const script = file('my "setup".sh', '#!/bin/bash\nset -e\necho "It is $0"\ntouch "${WORKSPACE%/}/ran"\n');
    const done = await home.json<{ id: number; plan: { provisioning_file: unknown } }>([
      ...launch,
      '--label',
      'web',
      '--provisioning-file',
      script,
    ]);
    expect(done.plan?.provisioning_file, JSON.stringify(done)).toMatchObject({
      name: 'my "setup".sh',
      carried_by: 'onstart',
    });
    root = join(home.directory, 'sandbox', 'machines', String(done.id), 'root');
  });
  afterAll(() => home.remove());

  it('launch --provisioning-file: it ran in place of the template’s, and the journal knows its hash alone', async () => {
    expect(existsSync(on('workspace/ran'))).toBe(true);
    expect(await home.json(['provision', 'status'])).toMatchObject({
      state: 'complete',
      evidence: 'boot',
      script: '/provisioning.sh',
      markers: ['/.provisioning_complete'],
    });
    const state = join(home.directory, '.local', 'state', 'forgectl');
    const runs = join(state, 'runs', 'sandbox');
    const journals = readdirSync(runs).map((name) => readFileSync(join(runs, name), 'utf8'));
    expect(journals.some((text) => text.includes('sha256'))).toBe(true);
    expect(journals.join('')).not.toMatch(/It is \$0|base64 -d/u);
    const [kept = ''] = readdirSync(join(state, 'provisioning'));
    expect(statSync(join(state, 'provisioning', kept)).mode & 0o777).toBe(0o600);
  });

  it.runIf(isMost)(
    'launch --provisioning-file: one with errors is refused before anything is rented, a manifest too (long)',
    async () => {
      const bad = file('bad.sh', '#!/bin/bash\nset -e\nif true; then\n');
      expect(await home.json<Failed>([...launch, '--provisioning-file', bad])).toMatchObject({
        error: { code: 'PROVISIONING_BAD', exit: 8 },
      });
      const manifest = file('m.yaml', 'version: 1\n');
      expect(await home.json<Failed>([...launch, '--provisioning-file', manifest])).toMatchObject({
        error: { code: 'MANIFEST_NOT_CARRIED', exit: 2 },
      });
      expect(await home.json(['ls'])).toHaveLength(1);
    },
  );

  it('run: as the boot would, with variables that are written nowhere, and its own exit code', async () => {
    const script = file('say.sh', 'echo "$WORKSPACE|$DATA_DIRECTORY|$VIRTUAL_ENV|${#KEY}|$KEY"\nsleep 60 &\nexit 3\n');
    const asked = await home.json<Failed>(['provision', 'run', 'web', script]);
    expect(asked).toMatchObject({
      error: { code: 'MISSING_ANSWER', exit: 2, message: expect.stringContaining('--yes') },
    });
    const value = 'a \'"$(touch pwned) b';
    const ran = await home.run(['provision', 'run', 'web', script, '--env', `KEY=${value}`, '--json', '--yes']);
    expect(ran.code, ran.stderr).toBe(8);
    const document = JSON.parse(ran.stdout) as { run: string; log_tail: string[] };
    expect(document).toMatchObject({ state: 'failed', exit_code: 3, kind: 'script', environment_names: ['KEY'] });
    const workspace = on('workspace');
    expect(document.log_tail[0]).toBe(`${workspace}|${workspace}/|${on('venv/main')}|${value.length}|[redacted]`);
    expect(readFileSync(on('var/log/portal/provisioning.log'), 'utf8')).toContain(`|${value.length}|`);
    const job = on(`var/lib/forgectl/jobs/${document.run}/work`);
    expect(readFileSync(job, 'utf8')).not.toContain('touch pwned');
    expect(existsSync(on('workspace/pwned'))).toBe(false);
    expect((await home.run(['provision', 'status', 'web'])).code).toBe(8);
    expect((await home.run(['provision', 'logs', 'web', '-n', '2'])).stdout).toContain(workspace);
  });

  it.runIf(isMost)(
    'run: Ctrl-C leaves it at work and says so, a second one is refused; with --kill it ends too (long)',
    async () => {
      const script = file(
        'long.sh',
        'echo begun\nfor wait in $(seq 600); do [ -e "$WORKSPACE/go" ] && break; sleep 0.1; done\necho over >"$WORKSPACE/over"\n',
      );
      let isCut = false;
      const cut = await home.run(['provision', 'run', 'web', script, '--yes'], {
        onStderr: (text, kill) => {
          if (!isCut && text.includes('begun')) kill('SIGINT');
          isCut ||= text.includes('begun');
        },
      });
      expect(cut).toMatchObject({ code: 130 });
      expect(cut.stderr).toMatch(/goes on by itself[\s\S]*provision status/u);
      expect(await home.json(['provision', 'status'])).toMatchObject({ state: 'running', evidence: 'run' });
      expect(await home.json<Failed>(['provision', 'run', 'web', script, '--yes'])).toMatchObject({
        error: { code: 'PROVISIONING_RUNS', exit: 9 },
      });
      writeFileSync(on('workspace/go'), '');
      await expect.poll(() => existsSync(on('workspace/over'))).toBe(true);
      await expect.poll(async () => (await home.json(['provision', 'status']))['state']).toBe('complete');
      const endless = file('endless.sh', 'echo begun\nsleep 1000\n');
      let isKilled = false;
      const killed = await home.run(['provision', 'run', 'web', endless, '--kill', '--yes'], {
        onStderr: (text, kill) => {
          if (!isKilled && text.includes('begun')) kill('SIGTERM');
          isKilled ||= text.includes('begun');
        },
      });
      expect(killed).toMatchObject({ code: 143, stderr: expect.stringContaining('was ended too') });
      expect(await home.json(['provision', 'status'])).toMatchObject({ state: 'failed', last_run: { exit_code: 143 } });
    },
  );

  it('check: addresses that answer, what they weigh, and what does not fit', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/gone') response.writeHead(404).end();
      else if (request.url === '/gate?token=zzzzzzzzz') response.writeHead(401).end();
      else response.writeHead(200, { 'content-length': 60e9, 'content-type': 'application/octet-stream' }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const script = file(
      'urls.sh',
      `#!/bin/bash\nset -e\ncurl ${url}/model ${url}/gone "${url}/gate?token=zzzzzzzzz"\n`,
    );
    const checked = await home.run(['provision', 'check', script, '--disk', '50', '--json']);
    server.close();
    expect(checked.code).toBe(8);
    expect(checked.stdout).not.toContain('zzzzzzzzz');
    const document = JSON.parse(checked.stdout) as { findings: { rule: string; level: string }[] };
    expect(document).toMatchObject({ ok: false, download_bytes: 60e9, syntax_checked: true });
    expect(document.findings.map(({ rule, level }) => `${rule} ${level}`).sort()).toEqual([
      'disk error',
      'secret error',
      'url error',
      'url warning',
    ]);
    expect((await home.run(['provision', 'check', script, '--offline'])).stdout).not.toContain('/gone');
  });

  it('init: writes what passes its own check, asks on a terminal, keeps a file that is there', async () => {
    const path = join(home.directory, 'made.sh');
    const words = ['provision', 'init', path, '--model', 'https://h.invalid/a.bin=vae', '--token', 'HF_TOKEN'];
    expect(await home.json(words)).toMatchObject({ file: path, models: [{ path: 'models/VAE/a.bin' }] });
    expect((await home.run(['provision', 'check', path, '--offline'])).code).toBe(0);
    expect(await home.json<Failed>(words)).toMatchObject({ error: { code: 'FILE_EXISTS', exit: 9 } });
    expect(await home.json<Failed>(['provision', 'init'])).toMatchObject({
      error: { code: 'MISSING_ANSWER', exit: 2 },
    });
  });

  // A failure that puts everything back is in test/lab: pip is slow.
  it.runIf(isMost)('venv: freeze, install with torch held, diff, restore (long)', async () => {
    const frozen = await home.json<{ path: string; file: string }>(['venv', 'freeze', 'web']);
    const before = readFileSync(frozen.path, 'utf8');
    expect(before).toContain('torch==2.9.1+cu128');
    expect(await home.json<Failed>(['venv', 'install', 'web', 'torch==2.6.0', '--yes'])).toMatchObject({
      error: { code: 'BAD_PACKAGE', exit: 2 },
    });
    const requirements = file('r.txt', 'torch==2.6.0\ntransformers==4.48.3  # newer\n');
    const install = await home.run(['venv', 'install', 'web', 'insightface', '-r', requirements, '--yes', '--json']);
    expect(install.code, install.stderr).toBe(0);
    expect(JSON.parse(install.stdout)).toMatchObject({ not_restorable: [{ name: 'torch' }] });
    const compared = await home.run(['venv', 'diff', 'web:latest', 'web:now', '--check', '--json']);
    expect(compared.code).toBe(10);
    expect(JSON.parse(compared.stdout)).toMatchObject({
      added: [{ name: 'insightface' }],
      removed: [],
      changed: [{ name: 'transformers', before: '4.46.1', after: '4.48.3' }],
    });
    expect(await home.json<Failed>(['venv', 'restore', 'web'])).toMatchObject({ error: { exit: 2 } });
    const restored = await home.json(['venv', 'restore', 'web', frozen.file, '--exact', '--yes']);
    expect(restored, JSON.stringify(restored)).toMatchObject({
      install: ['transformers==4.46.1'],
      remove: ['insightface'],
    });
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
  });
});
