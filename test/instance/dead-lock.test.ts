import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { putBackScript, recordScript } from '../../src/instance/checkout-steps.ts';
import { isChecked } from '../support/is-checked.ts';
import { MachineRoot } from './support/machine-root.ts';

const RUN = 'upgrade-0a0b0c0d';

const isLinux = isChecked(process.platform === 'linux', 'Linux', 'locks of a checkout that was killed');

/** A killed git leaves its lock, and a git that works is no dead one. */
describe.runIf(isLinux)('the lock of a checkout that was killed', () => {
  let machine: MachineRoot;
  let forge: string;
  let other: string;
  let git: ChildProcess | null = null;
  const lock = (): boolean => existsSync(join(forge, '.git', 'index.lock'));
  /** A git that waits, in that repository. */
  const gitWorksIn = async (place: string): Promise<void> => {
    git = spawn('git', ['-C', place, 'cat-file', '--batch'], { stdio: ['pipe', 'pipe', 'inherit'] });
    git.stdin?.write('HEAD\n');
    if (git.stdout !== null) await once(git.stdout, 'data');
  };

  beforeEach(() => {
    machine = new MachineRoot();
    machine.env = { WORKSPACE: join(machine.path, 'workspace'), ROOT: machine.path };
    mkdirSync(join(machine.path, 'tmp'));
    forge = join(machine.path, 'workspace', 'stable-diffusion-webui-forge');
    other = join(machine.path, 'workspace', 'stable-diffusion-webui-forge-of-mine');
    for (const place of [forge, other]) {
      mkdirSync(place, { recursive: true });
      execFileSync('git', ['-C', place, 'init', '-q', '-b', 'main']);
      writeFileSync(join(place, 'a.py'), 'one\n');
      execFileSync('git', ['-C', place, 'add', '-A']);
      const who = ['-c', 'user.name=x', '-c', 'user.email=x@sandbox.invalid'];
      execFileSync('git', ['-C', place, ...who, 'commit', '-q', '-m', 'one']);
    }
    expect(machine.runNow(recordScript(RUN))).toMatchObject({ exitCode: 0 });
    writeFileSync(join(forge, 'a.py'), 'half');
    writeFileSync(join(forge, '.git', 'index.lock'), '');
  });
  afterEach(() => {
    git?.kill();
    git = null;
    machine.remove();
  });

  it('is dropped, also while a git works elsewhere', async () => {
    await gitWorksIn(other);
    expect(machine.runNow(putBackScript(RUN))).toMatchObject({ exitCode: 0 });
    expect(readFileSync(join(forge, 'a.py'), 'utf8')).toBe('one\n');
    expect(lock()).toBe(false);
  });

  it('stays while a git works there', async () => {
    await gitWorksIn(forge);
    expect(machine.runNow(putBackScript(RUN)).exitCode).toBe(1);
    expect(lock()).toBe(true);
  });
});
