import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseReadiness, reachedRung, readinessScript } from '../../src/instance/readiness.ts';

let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "forge root '$x' "));
  mkdirSync(join(root, 'opt/instance-tools/bin'), { recursive: true });
  mkdirSync(join(root, 'var/log/portal'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function tool(name: string, text: string): void {
  const file = join(root, 'opt/instance-tools/bin', name);
  writeFileSync(file, `#!/bin/bash\n${text}\n`);
  chmodSync(file, 0o755);
}

function look(): ReturnType<typeof parseReadiness> {
  const done = spawnSync('bash', ['--noprofile', '--norc', '-s'], {
    input: `echo banner\n${readinessScript()}`,
    env: { PATH: process.env['PATH'], FORGECTL_ROOT: root },
    encoding: 'utf8',
  });
  return parseReadiness(done.stdout);
}

const curl = (status: number, page: string): void =>
  tool('curl', `for word; do [ "$last" = -o ] && printf '%s' '${page}' >"$word"; last=$word; done; printf ${status}`);

describe('a look inside the machine, run by a real bash', () => {
  it('no supervisor yet is no more than SSH', () => {
    tool('supervisorctl', 'echo "unix:///var/run/supervisor.sock no such file"; exit 4');
    curl(0, '');
    expect(reachedRung(look()).rung).toBe('ssh');
  });

  it('some programs not running (exit 3) is booted; /.provisioning holds it there and shows the log', () => {
    tool('supervisorctl', 'echo "forge RUNNING pid 1, uptime 0:00:01"; echo "tensorboard EXITED"; exit 3');
    curl(0, '');
    writeFileSync(join(root, '.provisioning'), '');
    writeFileSync(
      join(root, 'var/log/portal/provisioning.log'),
      'one\r10%\r\u001b[32m90%\u001b[0m\nHF_TOKEN=hf_abcdefgh12345\n',
    );
    const snapshot = look();
    expect(snapshot.logTail).toEqual(['90%', 'HF_TOKEN=[redacted]']);
    expect(reachedRung(snapshot).rung).toBe('boot');
  });

  it('RUNNING is not believed: only an HTTP 200 that is Forge’s own', () => {
    tool('supervisorctl', 'echo "forge RUNNING pid 1, uptime 9:00:01"');
    curl(0, '');
    expect(reachedRung(look())).toMatchObject({ rung: 'provisioning', reason: 'forge RUNNING pid 1, uptime 9:00:01' });
    curl(200, '<title>Please wait</title>');
    expect(reachedRung(look()).reason).toContain('not Forge');
    curl(502, '');
    expect(reachedRung(look()).rung).toBe('provisioning');
    curl(200, '<title>Stable Diffusion</title>');
    expect(reachedRung(look()).rung).toBe('forge');
  });

  it('output that was cut off is an error, not an answer', () => {
    const done = spawnSync('bash', ['-s'], {
      input: readinessScript(),
      env: { PATH: process.env['PATH'], FORGECTL_ROOT: root },
      encoding: 'utf8',
    });
    for (const end of [0, 10, done.stdout.length - 30])
      expect(() => parseReadiness(done.stdout.slice(0, end))).toThrow(/cut off/u);
  });
});

describe('more of the look', () => {
  it('tells of the API, of both logs, and of Forge’s own process', () => {
    tool('supervisorctl', 'echo "forge                RUNNING   pid 12, uptime 0:01:05"');
    tool(
      'curl',
      'for word; do [ "$last" = -o ] && printf gradio >"$word"; last=$word; done; case "$*" in *sdapi*) printf 404;; *) printf 200;; esac',
    );
    writeFileSync(join(root, 'var/log/portal/provisioning.log'), 'done');
    writeFileSync(join(root, 'var/log/portal/forge.log'), 'Running on local URL\n\n');
    writeFileSync(join(root, '.provisioning_complete'), '');
    expect(look()).toMatchObject({
      apiHttpStatus: 404,
      provisioningComplete: true,
      forge: { pid: 12, uptimeSeconds: 65, state: 'RUNNING' },
      lastLine: { provisioning: 'done', forge: 'Running on local URL' },
    });
  });

  it('an image without markers of its own is over when /.provisioning has gone and the supervisor is up', () => {
    tool('supervisorctl', 'echo "forge STARTING"');
    curl(0, '');
    const snapshot = look();
    expect(snapshot).toMatchObject({ provisioningComplete: false, provisioningFailed: false, apiHttpStatus: null });
    expect(reachedRung(snapshot)).toEqual({ rung: 'provisioning', reason: 'forge STARTING' });
  });

  it('says that Forge is skipped, whatever its log says', () => {
    tool('supervisorctl', 'echo "forge RUNNING pid 1, uptime 0:00:01"');
    curl(0, '');
    mkdirSync(join(root, 'tmp/supervisor-skip'), { recursive: true });
    writeFileSync(join(root, 'tmp/supervisor-skip/forge'), '');
    writeFileSync(join(root, 'var/log/portal/forge.log'), 'Skipping startup of forge\n');
    expect(reachedRung(look()).reason).toContain('portal.yaml does not name it');
  });

  it('a secret that the end of a long log cuts in two is not shown', () => {
    tool('supervisorctl', 'echo "forge RUNNING pid 1, uptime 0:00:01"');
    curl(0, '');
    writeFileSync(join(root, 'var/log/portal/forge.log'), `HF_TOKEN=${'s3cret'.repeat(800)}\nlast\n`);
    expect(look().logTail).toEqual(['last']);
  });

  it('a log cannot pass for the end of the answer', () => {
    tool('supervisorctl', 'echo "forge RUNNING pid 1, uptime 0:00:01"');
    curl(0, '');
    const marker = /__forgectl_\w+__/u.exec(readinessScript())?.[0];
    writeFileSync(join(root, 'var/log/portal/forge.log'), `x\n${marker}:end:0\nhttp=200\nforge_page=1\n`);
    expect(reachedRung(look()).rung).toBe('provisioning');
  });

  it.each(['python3', 'bash alone'])('without curl the page is asked for by %s', async (with_) => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(request.url === '/' ? 200 : 404).end('<title>Stable Diffusion</title>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const bin = join(root, 'bin');
    mkdirSync(bin);
    const needed = ['bash', 'sed', 'head', 'tail', 'grep', 'mktemp', 'rm', 'wc', 'timeout', 'cat'];
    for (const name of with_ === 'python3' ? [...needed, 'python3'] : needed) {
      const found = execFileSync(
        'bash',
        ['-c', name === 'python3' ? 'python3 -c "import sys; print(sys.executable)"' : `type -P ${name}`],
        { encoding: 'utf8' },
      ).trim();
      symlinkSync(found, join(bin, name));
    }
    tool('supervisorctl', 'echo "forge RUNNING pid 1, uptime 0:00:01"');
    const script = readinessScript()
      .replaceAll(':17860', `:${port}`)
      .replace(/^export PATH=.*$/mu, 'export PATH="$ROOT/opt/instance-tools/bin:$ROOT/bin"');
    const child = spawn('bash', ['--noprofile', '--norc', '-s'], {
      env: { PATH: process.env['PATH'], FORGECTL_ROOT: root },
    });
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stdin.end(script);
    await new Promise((resolve) => child.on('close', resolve));
    server.close();
    expect(parseReadiness(stdout)).toMatchObject({ forgeHttpStatus: 200, isForgePage: true, apiHttpStatus: 404 });
    expect(asked).toEqual(['/', '/sdapi/v1/cmd-flags']);
  });
});
