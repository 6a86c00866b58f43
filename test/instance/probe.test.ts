import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseProbe, probe } from '../../src/instance/probe.ts';
import { MachineRoot } from './support/machine-root.ts';

let machine: MachineRoot;
beforeEach(() => {
  machine = new MachineRoot();
  machine.tool('curl', 'for word; do [ "$last" = -o ] && : >"$word"; last=$word; done; printf 000');
});
afterEach(() => machine.remove());

const look = () => probe(machine, { timeoutMs: 30_000 });

function git(directory: string, ...args: string[]): string {
  const env = { PATH: process.env['PATH'], GIT_CONFIG_NOSYSTEM: '1', HOME: machine.path };
  const identity = ['-c', 'user.name=t', '-c', 'user.email=t@t', '-c', 'init.defaultBranch=neo'];
  return execFileSync('git', [...identity, '-C', directory, ...args], { env, encoding: 'utf8' }).trim();
}

describe('the probe, run by a real bash', () => {
  it('an empty machine is full of nothing, not of errors', async () => {
    const seen = await look();
    expect(seen).toMatchObject({
      provisioning: { running: false, complete: false, failed: false, stopped: false },
      launch: null,
      pythonVersion: null,
      torchVersion: null,
      forge: null,
      portal: { applications: null, httpStatus: 0, routes: [] },
      venvBackups: [],
      forgeHttpStatus: 0,
    });
    expect(seen.user).toMatch(/\w/u);
  });

  it('a whole machine is told as it is', async () => {
    const workspace = join(machine.path, 'workspace');
    const forge = join(workspace, 'stable-diffusion-webui-forge');
    mkdirSync(forge, { recursive: true });
    git(forge, 'init', '-q');
    machine.write('workspace/stable-diffusion-webui-forge/launch.py', 'one\n');
    machine.write('workspace/stable-diffusion-webui-forge/requirements.txt', '');
    git(forge, 'add', '.');
    git(forge, 'commit', '-q', '-m', 'x');
    git(forge, 'remote', 'add', 'origin', 'https://me:s3cret@example.org/forge.git');
    git(forge, 'checkout', '-q', '--detach');
    machine.write('workspace/stable-diffusion-webui-forge/launch.py', 'two\n');
    machine.write(
      'etc/environment',
      `WORKSPACE="${workspace}/"\nHF_TOKEN="hf_abcdefgh1234"\nFORGE_ARGS="--gradio-auth a:b"\nCONTAINER_ID="77"\n`,
    );
    machine.write('.launch', 'exec jupyter lab\n');
    machine.write('.provisioning_failed', '');
    machine.write('tmp/supervisor-skip/tensorboard', '');
    machine.write(
      'etc/portal.yaml',
      'applications:\n  Forge:\n    external_port: 7860\n    internal_port: 17860\n    name: Forge\n',
    );
    machine.write('workspace/.venv-backups/12/venv-main-2026.txt', 'x');
    machine.write('venv/main/lib/python3.11/site-packages/torch-2.9.1+cu128.dist-info/METADATA', '');
    chmodSync(machine.write('venv/main/bin/python', '#!/bin/bash\necho Python 3.11.7\n'), 0o755);
    machine.tool('supervisorctl', 'echo "forge RUNNING pid 9, uptime 0:01:00"; echo "jupyter EXITED"; exit 3');
    machine.tool(
      'curl',
      'url=; for word; do [ "$last" = -o ] && file=$word; last=$word; url=$word; done; url=$5; case "$*" in *openapi*) printf \'{"paths":{"/health":{},"/capabilities":{}}}\' >"$file";; esac; case "$*" in *sdapi*) printf 404;; *) printf 200;; esac',
    );
    const seen = await look();
    expect(seen).toMatchObject({
      variables: { CONTAINER_ID: '77', FORGE_ARGS: '--gradio-auth [redacted]', WORKSPACE: workspace },
      provisioning: { running: false, complete: false, failed: true, stopped: false },
      launch: { jupyter: true },
      pythonVersion: '3.11.7',
      torchVersion: '2.9.1+cu128',
      supervisor: { exitCode: 3, skipped: ['tensorboard'] },
      forge: {
        directory: forge,
        remoteUrl: 'https://[redacted]@example.org/forge.git',
        head: git(forge, 'rev-parse', 'HEAD'),
        branch: null,
        changes: [' M launch.py'],
        requirementsFile: 'requirements.txt',
      },
      portal: { httpStatus: 200, routes: ['/capabilities', '/health'] },
      venvBackups: ['12/venv-main-2026.txt'],
      forgeHttpStatus: 200,
      forgeApiHttpStatus: 404,
    });
    expect(seen.supervisor?.programs.map(({ name }) => name)).toEqual(['forge', 'jupyter']);
    expect(seen.portal.applications).toMatchObject([{ name: 'Forge', internalPort: 17860 }]);
    expect(seen.tools).toHaveProperty('git');
    expect(seen.disk?.totalBytes).toBeGreaterThan(0);
    expect(seen.workspaceBytes).toBeGreaterThan(0);
    expect(seen.variableNames).toContain('HF_TOKEN');
    expect(JSON.stringify(seen)).not.toMatch(/hf_abcdefgh|s3cret|a:b/u);
  });

  it('noise, missing and broken lines are no facts', () => {
    expect(parseProbe('warning: x\nuser=!!!\nforge_http=MjAw\ndisk=bm9uc2Vuc2U=\nportal_openapi=e30=\n')).toMatchObject(
      {
        user: null,
        forgeHttpStatus: 200,
        disk: null,
        portal: { routes: [] },
      },
    );
    fc.assert(fc.property(fc.string(), (text) => void parseProbe(text)));
  });
});
