import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
