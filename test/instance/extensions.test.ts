import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forgetExtensionMovesScript, moveExtensionsScript } from '../../src/instance/extensions.ts';
import { MachineRoot } from './support/machine-root.ts';

const NAME = "an 'odd' $(name)";
const RUN = 'upgrade-0a0b0c0d';

describe('moving an extension', () => {
  let machine: MachineRoot;
  let work: string;
  let [from, to] = ['', ''];
  const git = (...words: string[]): string =>
    execFileSync('git', ['-C', work, '-c', 'user.name=x', '-c', 'user.email=x@sandbox.invalid', ...words], {
      encoding: 'utf8',
    }).trim();
  const move = (way: 'on' | 'back', run = RUN) =>
    machine.runNow(moveExtensionsScript([{ name: NAME, branch: 'main', from, to }], { run, way }));
  const file = (name = 'a.py'): string => readFileSync(join(work, name), 'utf8');
  const state = (): string[] => [git('rev-parse', 'HEAD'), git('symbolic-ref', '--short', 'HEAD'), git('status', '-s')];
  const mark = (): boolean => existsSync(join(work, '.git', 'forgectl-moved'));

  beforeEach(() => {
    machine = new MachineRoot();
    machine.env = { WORKSPACE: join(machine.path, 'workspace'), ROOT: machine.path };
    work = join(machine.path, 'workspace', 'stable-diffusion-webui-forge', 'extensions', NAME);
    mkdirSync(join(machine.path, 'tmp'));
    mkdirSync(work, { recursive: true });
    git('init', '-q', '-b', 'main');
    for (const text of ['one\n', 'two\n']) {
      writeFileSync(join(work, 'a.py'), text);
      writeFileSync(join(work, 'b.py'), text);
      git('add', '-A');
      git('commit', '-q', '-m', text);
    }
    to = git('rev-parse', 'HEAD');
    from = git('rev-parse', 'HEAD~1');
    git('reset', '-q', '--hard', from);
  });
  afterEach(() => machine.remove());

  it('on, and back, each twice', () => {
    for (const _ of [1, 2]) expect(move('on')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(state()).toEqual([to, 'main', '']);
    for (const _ of [1, 2]) expect(move('back')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(state()).toEqual([from, 'main', '']);
    expect(mark()).toBe(false);
  });

  it.each(['on', 'back'] as const)('a git that was killed in the middle: %s', (way) => {
    expect(move('on').exitCode).toBe(0);
    // The files come first, the commit last; and its lock stays.
    git('update-ref', 'refs/heads/main', from);
    writeFileSync(join(work, 'b.py'), 'half a f');
    writeFileSync(join(work, '.git', 'index.lock'), '');
    expect(move(way)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(state()).toEqual([way === 'on' ? to : from, 'main', '']);
    expect(file('b.py')).toBe(way === 'on' ? 'two\n' : 'one\n');
  });

  it('what an installer of it has written over goes with the way back', () => {
    move('on');
    writeFileSync(join(work, 'a.py'), 'made by install.py\n');
    expect(move('back').exitCode).toBe(0);
    expect(state()).toEqual([from, 'main', '']);
  });

  it('edits of the user, and somebody’s lock, stop it before anything; the way back leaves them alone', () => {
    writeFileSync(join(work, 'b.py'), 'mine\n');
    expect(move('on')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('was changed meanwhile') });
    expect(move('back').exitCode).toBe(0);
    expect(file('b.py')).toBe('mine\n');
    git('commit', '-q', '-a', '-m', 'Mine');
    const mine = git('rev-parse', 'HEAD');
    expect(move('on').exitCode).toBe(1);
    expect(move('back').exitCode).toBe(0);
    expect(git('rev-parse', 'main')).toBe(mine);
    git('reset', '-q', '--hard', from);
    writeFileSync(join(work, '.git', 'index.lock'), '');
    expect(move('on')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('is locked') });
    expect(move('back').exitCode).toBe(0);
    expect(existsSync(join(work, '.git', 'index.lock'))).toBe(true);
  });

  it('after the end, and for another run, what differs is the user’s', () => {
    move('on', 'upgrade-ffffffff');
    writeFileSync(join(work, 'b.py'), 'mine\n');
    expect(move('back').exitCode).toBe(0);
    expect(file('b.py')).toBe('mine\n');
    machine.runNow(forgetExtensionMovesScript([NAME], 'upgrade-ffffffff'));
    expect(mark()).toBe(false);
    expect(move('back', 'upgrade-ffffffff').exitCode).toBe(0);
    expect(file('b.py')).toBe('mine\n');
  });
});
