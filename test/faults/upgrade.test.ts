import { appendFileSync, chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type UpgradeError, UpgradeMachine } from '../support/upgrade-machine.ts';
import { isAll, isMost, shareOf } from './chosen.ts';

const UV = fileURLToPath(new URL('../support/uv-stand-in.py', import.meta.url));

const BROKEN = [
  [
    'that starts and dies after 20 s',
    {
      'webui.py': (old: string) =>
        old.replace(
          '    server.serve_forever()',
          '    import threading; threading.Timer(20 / SCALE, lambda: os._exit(3)).start()\n    server.serve_forever()',
        ),
    },
    'FORGE_UNHEALTHY',
  ],
  [
    'that needs what cannot be installed',
    { 'requirements_versions.txt': (old: string) => `${old}no-such-package==1.0\n` },
    'INSTALL_FAILED',
  ],
  [
    'that needs another torch',
    { 'requirements_versions.txt': (old: string) => `${old}wants-torch==1.0\n` },
    'INSTALL_FAILED',
  ],
] as const;

describe.runIf(isMost)('whatever happens to an upgrade, Forge is as it was, or as it should be', () => {
  const machine = new UpgradeMachine();
  const { home } = machine;

  beforeAll(() => machine.start(60));
  beforeEach(() => machine.reset());
  afterAll(() => machine.stop());

  it.each(shareOf(BROKEN, 3))('a commit %s is put back, and Forge proved: exit 11', async (name, files, code) => {
    appendFileSync(join(machine.tree, 'README.md'), `before a commit ${name}\n`);
    const before = machine.state();
    machine.remote.branch('bad', { ...files });
    const { error } = await home.json<UpgradeError>(['upgrade', '--ref', 'bad', '--yes']);
    expect(error, JSON.stringify(error)).toMatchObject({ code, exit: 11, rolled_back_to: machine.imageSha });
    expect(machine.state()).toEqual(before);
    expect(machine.isLocked()).toBe(false);
  });

  it('SIGINT puts it back: exit 130, nothing is left open', async () => {
    const before = machine.state();
    const cut = await home.run(['upgrade', '--yes', '--json', '--events'], {
      onStdout: (text, kill) => {
        if (text.includes('"stage_done","time') && text.includes('"check_out"')) kill('SIGINT');
      },
    });
    expect(cut.code, cut.stdout).toBe(130);
    expect(machine.state()).toEqual(before);
    expect(await home.json(['runs', 'ls', '--cut-off'])).toEqual([]);
  });

  it.runIf(isAll)('with uv instead of pip: the same, with arguments that uv knows', async () => {
    const bin = join(machine.root, 'usr', 'local', 'bin');
    mkdirSync(bin, { recursive: true });
    cpSync(UV, join(bin, 'uv'));
    chmodSync(join(bin, 'uv'), 0o755);
    const calls = join(bin, '..', 'uv-calls');
    const before = machine.state();
    const { packageFiles: _, ...was } = before;
    expect(await home.json(['upgrade', 'web', '--yes'])).toMatchObject({ instances: [{ result: 'done' }] });
    expect(machine.packages()).toContain('gradio-4.44.1.dist-info');
    expect(await home.json(['upgrade', 'web', '--rollback', '--yes'])).toMatchObject({
      instances: [{ result: 'done' }],
    });
    expect(machine.state()).toMatchObject(was);
    machine.remote.branch('bad', { 'requirements_versions.txt': (old) => `${old}wants-torch==1.0\n` });
    const failed = await home.json<UpgradeError>(['upgrade', 'web', '--ref', 'bad', '--yes']);
    expect(failed.error, JSON.stringify(failed)).toMatchObject({ code: 'INSTALL_FAILED', exit: 11 });
    expect(failed.error.message).toContain('uv');
    expect(failed.error.hint).toContain('conflicting dependencies');
    machine.remote.branch('crash', {
      'launch.py': 'raise SystemExit("broken on purpose")\n',
      'requirements_versions.txt': (old) => `${old}insightface==0.7.3\n`,
    });
    const crashed = await home.json<UpgradeError>(['upgrade', 'web', '--ref', 'crash', '--yes']);
    expect(crashed.error).toMatchObject({ code: 'FORGE_UNHEALTHY', exit: 11 });
    expect(machine.state()).toMatchObject(was);
    // venv: a package that comes and goes, and a freeze.
    const frozen = await home.json<{ file: string }>(['venv', 'freeze', 'web']);
    expect((await home.run(['venv', 'install', 'web', 'insightface', '--yes'])).code).toBe(0);
    const restored = await home.run(['venv', 'restore', 'web', frozen.file, '--exact', '--yes']);
    expect(restored.code, restored.stderr).toBe(0);
    expect(machine.packages()).toEqual(was['packages']);
    const verbs = readFileSync(calls, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as string[])[1]);
    expect(new Set(verbs)).toEqual(new Set(['freeze', 'install', 'uninstall']));
    rmSync(join(bin, 'uv'));
  });

  it('a full disk: refused, or put back; never half', async () => {
    // The place of the records is a file: nothing can be written there.
    const place = join(machine.root, 'var', 'lib', 'forgectl', 'upgrades');
    const before = machine.state();
    if (existsSync(place)) rmSync(place, { recursive: true });
    writeFileSync(place, 'in the way');
    const { error } = await home.json<UpgradeError>(['upgrade', '--yes']);
    expect([8, 11]).toContain(error.exit);
    expect(machine.state()).toEqual(before);
    rmSync(place);
    for (const run of (await home.json(['runs', 'ls', '--cut-off'])) as unknown as { id: string }[])
      expect((await home.run(['undo', run.id, '--yes'])).code).toBe(0);
    expect(machine.isLocked()).toBe(false);
  });
});
