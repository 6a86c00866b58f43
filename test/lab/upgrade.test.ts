import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type UpgradeError, UpgradeMachine } from '../support/upgrade-machine.ts';
import { isEvery } from './chosen.ts';
import { LabHome } from './lab-home.ts';
import { describeLab } from './lab-suite.ts';

const MB = 1024 ** 2;

/** A wheel of this name for the machine's own index, with a file of so many bytes that takes no room in the wheel. */
const makeWheel = (name: string, bytes: number): string => `/usr/bin/python3 - <<'WHEEL'
import zipfile
info = '${name}-1.0.dist-info'
with zipfile.ZipFile('/opt/packages/${name}-1.0-py3-none-any.whl', 'w', zipfile.ZIP_DEFLATED) as wheel:
    wheel.writestr('${name}/__init__.py', '')
    wheel.writestr('${name}/data.bin', b'x' * ${bytes})
    wheel.writestr(info + '/METADATA', 'Metadata-Version: 2.1\\nName: ${name}\\nVersion: 1.0\\n')
    wheel.writestr(info + '/WHEEL', 'Wheel-Version: 1.0\\nGenerator: lab\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + '/RECORD', '')
WHEEL`;

const alsoWants =
  (line: string) =>
  (old: string): string =>
    `${old}${line}\n`;

/** Forge's own seconds pass faster, as all of the lab's do. */
const DIES_LATE = `    import threading; threading.Timer(20 / SCALE, lambda: os._exit(3)).start()
    server.serve_forever()`;

/** Real git, a real venv, real pip from a directory, real supervisord, real sshd; all cases on one machine. */
describeLab('upgrading Forge on a machine of the lab', () => {
  let home: LabHome;
  let machine: UpgradeMachine;
  let id = 0;
  let before: Record<string, unknown> = {};
  const host = () => home.machines.of(id).host;
  const line = () => home.machines.of(id).line;
  /** Returns the run that is left. */
  const goneInTheMiddle = async (words: string[]): Promise<string> => {
    let isGone: Promise<unknown> | null = null;
    const ran = await upgradeUntil(
      'install',
      (kill) => {
        line().cut();
        isGone = line().refuse().then(kill);
      },
      words,
    );
    await isGone;
    expect(ran.signal, ran.stdout + ran.stderr).toBe('SIGKILL');
    await line().accept();
    return String((await cutOff())[0]?.id);
  };
  const forgeAnswers = async () => (await host().exec('curl -s http://127.0.0.1:17860/')).stdout.includes('Forge');
  const upgrade = (...words: string[]) => home.json<UpgradeError>(['upgrade', 'web', '--yes', ...words]);
  /** Told of everything; `act` is called once, when the stage has begun. */
  const upgradeUntil = (stage: string, act: (kill: () => void) => void, words: string[] = []) => {
    let isOver = false;
    return home.run(['upgrade', 'web', '--yes', '--json', '--events', ...words], {
      onStdout: (text, kill) => {
        if (isOver || !text.includes(`"stage":"${stage}"`)) return;
        isOver = true;
        act(() => kill('SIGKILL'));
      },
    });
  };
  const putBack = async (run: string): Promise<void> => {
    const folder = host().path(`/var/lib/forgectl/upgrades/${run}`);
    for (let look = 0; look < 1200 && !existsSync(join(folder, 'outcome')); look += 1) await delay(100);
    expect(readFileSync(join(folder, 'outcome'), 'utf8'), readFileSync(join(folder, 'watchdog/log'), 'utf8')).toMatch(
      /^back /u,
    );
  };
  const cutOff = async () => (await home.json(['runs', 'ls', '--cut-off'])) as unknown as { id: string }[];

  beforeAll(async () => {
    home = await LabHome.open({ line: { oneWayMs: 2 } });
    machine = new UpgradeMachine(home);
    id = await machine.launch();
    machine.adopt(host().path(''), host().insideWords);
    await host().exec(makeWheel('large', 64 * MB));
  });
  afterAll(async () => {
    machine?.remote?.remove();
    await home.remove();
  });
  beforeEach(() => {
    machine.reset();
    before = machine.state();
  });
  afterEach(async () => {
    expect(machine.isLocked()).toBe(false);
    expect(await cutOff()).toEqual([]);
    expect(await forgeAnswers()).toBe(true);
  });

  it('clean, on a branch: the branch moves on; --rollback moves it back, with the packages', async () => {
    machine.git('checkout', '-q', '-f', '-B', 'main', machine.imageSha);
    const { packageFiles: _, ...was } = machine.state();
    expect(await upgrade()).toMatchObject({ instances: [{ result: 'done', local_edits: [] }] });
    expect(machine.git('symbolic-ref', 'HEAD')).toBe('refs/heads/main');
    expect(machine.git('rev-parse', 'HEAD')).toBe(machine.mainSha);
    expect(machine.packages()).toContain('gradio-4.44.1.dist-info');
    expect((await host().exec('curl -s http://127.0.0.1:17860/')).stdout).toContain('forge 2.1.0');
    expect(await upgrade('--rollback')).toMatchObject({ instances: [{ result: 'done' }] });
    expect(machine.state()).toMatchObject(was);
  });

  it.runIf(isEvery)(
    'with everybody’s edits and SSH cut in the middle; and back, with the line and this computer gone in the middle',
    async () => {
      appendFileSync(join(machine.tree, 'README.md'), 'my own line\n');
      await host().exec('chown -R 1001:1001 /workspace/stable-diffusion-webui-forge');
      const { packageFiles: _, ...was } = machine.state();
      const { accepted } = line();
      const ran = await upgradeUntil('install', () => line().cut());
      expect(ran.code, ran.stdout + ran.stderr).toBe(0);
      const { result } = JSON.parse(ran.stdout.trim().split('\n').at(-1) as string) as { result: unknown };
      expect(result).toMatchObject({
        instances: [
          {
            result: 'done',
            local_edits: [
              { path: 'README.md', by: 'user', outcome: 'applies' },
              { path: 'requirements_versions.txt', by: 'image', outcome: 'applies' },
            ],
          },
        ],
      });
      // The one that was cut, and the one after it.
      expect(line().accepted - accepted).toBeGreaterThanOrEqual(2);
      expect(machine.git('rev-parse', 'HEAD')).toBe(machine.mainSha);
      expect(machine.git('branch', '--show-current')).toBe('');
      expect(machine.read('README.md')).toContain('my own line');
      expect(machine.read('requirements_versions.txt')).not.toMatch(/^torchvision/mu);
      const run = await goneInTheMiddle(['--rollback']);
      const resumed = await home.run(['resume', run, '--json']);
      expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
      expect(machine.state()).toMatchObject(was);
    },
  );

  it.runIf(isEvery)(
    'an edit that does not fit, and a ref that is nowhere: refused, and nothing is touched',
    async () => {
      machine.write('launch.py', machine.read('launch.py').replace("VERSION = '2.0.1'", "VERSION = 'mine'"));
      before = machine.state();
      expect(await upgrade()).toMatchObject({ error: { code: 'LOCAL_EDITS_CONFLICT', exit: 9 } });
      expect(await upgrade('--ref', 'no-such')).toMatchObject({ error: { code: 'REF_NOT_FOUND', exit: 3 } });
      expect(machine.state()).toEqual(before);
    },
  );

  const BROKEN = [
    ['crashes at its start', { 'launch.py': () => 'raise SystemExit("broken on purpose")\n' }, 'FORGE_UNHEALTHY'],
    [
      'starts, and dies after 20 s',
      { 'webui.py': (old: string) => old.replace('    server.serve_forever()', DIES_LATE) },
      'FORGE_UNHEALTHY',
    ],
    ['needs what nobody has', { 'requirements_versions.txt': alsoWants('no-such==1.0') }, 'INSTALL_FAILED'],
    ['needs another torch', { 'requirements_versions.txt': alsoWants('wants-torch==1.0') }, 'INSTALL_FAILED'],
  ] as const;
  it.each(BROKEN.slice(0, isEvery ? 4 : 1))('a commit that %s is put back: exit 11', async (_name, files, code) => {
    machine.remote.branch('bad', { ...files });
    const { error } = await upgrade('--ref', 'bad');
    expect(error, JSON.stringify(error)).toMatchObject({ code, exit: 11, rolled_back_to: machine.imageSha });
    expect(machine.state()).toEqual(before);
  });

  const fullAt: [stage: string, leaveBytes: number][] = [
    ['install', 24 * MB],
    ['check_out', 0],
  ];
  it.each(fullAt.slice(0, isEvery ? 2 : 1))(
    'a disk that is full at the stage %s: put back, and Forge answers',
    async (stage, leaveBytes) => {
      machine.remote.branch('large', {
        'requirements_versions.txt': alsoWants('large==1.0'),
        'more.bin': 'x'.repeat(MB),
      });
      let isFull: Promise<void> | null = null;
      const ran = await upgradeUntil(stage, () => {
        isFull = host().disk.fill({ leaveBytes });
      }, ['--ref', 'large']);
      await isFull;
      await host().disk.free();
      expect(ran.code, ran.stdout + ran.stderr).toBe(11);
      expect(ran.stdout).toContain('"DISK_FULL"');
      expect(machine.state()).toEqual(before);
    },
  );

  it.runIf(isEvery)('the connection and this computer are gone in the middle of it; later: undo', async () => {
    const undone = await home.run(['undo', await goneInTheMiddle([]), '--yes', '--json']);
    expect(undone.code, undone.stdout + undone.stderr).toBe(0);
    expect(machine.state()).toEqual(before);
  });

  const alone = 'the line is gone for good: the machine puts itself back, after a reboot too, and nobody is needed';
  it.runIf(isEvery)(alone, async () => {
    let isGone: Promise<unknown> | null = null;
    // The provider's proxy is another way to the same sshd.
    const ways = [...home.machines.of(id).lines].flatMap(([port, way]) => (port === 22 || port === 0 ? [way] : []));
    const ran = await upgradeUntil('install', () => {
      isGone = Promise.all(ways.map((way) => way.refuse()));
      for (const way of ways) way.cut();
    }, ['--put-back-after', '4m']);
    await isGone;
    expect(ran.code, ran.stdout + ran.stderr).toBe(13);
    expect(ran.stdout).toContain('"PUTS_ITSELF_BACK"');
    const run = String((await cutOff())[0]?.id);
    await putBack(run);
    expect(machine.state()).toEqual(before);
    expect(await forgeAnswers()).toBe(true);
    await Promise.all(ways.map((way) => way.accept()));
    expect((await home.run(['resume', run])).code).toBe(11);

    const other = await goneInTheMiddle(['--put-back-after', '8m']);
    await host().reboot();
    await putBack(other);
    // The way in is another process now.
    machine.remote.remove();
    machine.adopt(host().path(''), host().insideWords);
    expect(machine.state()).toEqual(before);
    expect((await host().exec('supervisorctl status forgectl_put_back')).stdout).toContain('EXITED');
    expect((await home.run(['undo', other, '--yes'])).code).toBe(0);
  });
});
