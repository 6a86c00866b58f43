import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeTree } from '../workflows/copy/support/awkward-tree.ts';
import { Home } from './forgectl.ts';
import { guestsOf } from './machine-processes.ts';

/** A user with two machines in the sandbox, "old" and "new". */
export class MigrateMachines {
  readonly home = new Home({ FORGECTL_SANDBOX: '1' });
  readonly ids: number[] = [];

  async start(timeScale: number, ofOld: readonly string[] = []): Promise<void> {
    const { home } = this;
    const started = await home.run(['sandbox', 'start', '--time-scale', String(timeScale)]);
    if (started.code !== 0) throw new Error(started.stderr);
    const launched = await Promise.all(
      ['old', 'new'].map((label) =>
        home.json<{ id: number }>([
          ...['launch', '--cheapest', '--yes', '--label', label, '--timeout', '9h'],
          ...(label === 'old' ? ofOld : []),
        ]),
      ),
    );
    for (const answer of launched) {
      if (typeof answer.id !== 'number') throw new Error(JSON.stringify(answer));
      this.ids.push(answer.id);
    }
  }

  stop(): Promise<void> {
    return this.home.remove();
  }

  root(which: 'old' | 'new'): string {
    return this.rootOf(this.ids[which === 'old' ? 0 : 1] ?? 0);
  }

  rootOf(id: number): string {
    return join(this.home.directory, 'sandbox', 'machines', String(id), 'root');
  }

  at(which: 'old' | 'new', path = ''): string {
    return join(this.root(which), 'workspace', path);
  }

  write(which: 'old' | 'new', path: string, content: string | Buffer): void {
    const file = this.at(which, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, content);
  }

  /** Backups are written by design, bytecode by whoever starts Forge, and git's index by whoever asks it. */
  tree(which: 'old' | 'new'): string[] {
    return this.treeOf(this.ids[which === 'old' ? 0 : 1] ?? 0);
  }

  treeOf(id: number): string[] {
    const own = /^[^ ]* ?\.venv-backups|__pycache__|\.git\/index/u;
    const workspace = join(this.rootOf(id), 'workspace');
    return describeTree(workspace).filter((line) => !own.test(line) && !line.includes('.venv-backups'));
  }

  git(which: 'old' | 'new', ...words: string[]): string {
    const forge = this.at(which, 'stable-diffusion-webui-forge');
    const env = { ...process.env, GIT_OPTIONAL_LOCKS: '0' };
    return execFileSync('git', ['-c', 'safe.directory=*', '-C', forge, ...words], { encoding: 'utf8', env }).trim();
  }

  packages(which: 'old' | 'new'): string[] {
    const lib = join(this.root(which), 'venv', 'main', 'lib');
    const site = join(lib, readdirSync(lib)[0] as string, 'site-packages');
    return readdirSync(site).filter((name) => name.endsWith('.dist-info'));
  }

  /** What a migration may have left where it has no business any more. */
  leftovers(): string[] {
    return (['old', 'new'] as const).flatMap((which) => {
      const root = this.root(which);
      const processes = guestsOf(root).map(({ args }) => `a process: ${args.slice(0, 200)}`);
      return [...leftOn(root), ...processes].map((what) => `${which}: ${what}`);
    });
  }
}

/** Keys, locks, room for a way back, and trees beside the workspace's own. */
export function leftOn(root: string): string[] {
  const found: string[] = [];
  const keys = join(root, 'root', '.ssh', 'authorized_keys');
  if (existsSync(keys) && readFileSync(keys, 'utf8').includes('passage-')) found.push('a key');
  found.push(...readdirSync(join(root, 'root', '.ssh')).filter((name) => name.endsWith('.forgectl')));
  const own = join(root, 'var', 'lib', 'forgectl');
  if (existsSync(own)) found.push(...readdirSync(own).filter((name) => /^(?:lock|passage)/u.test(name)));
  const records = join(own, 'upgrades');
  const kept = existsSync(records) ? readdirSync(records) : [];
  found.push(...kept.filter((run) => existsSync(join(records, run, 'ballast'))).map((run) => `room for ${run}`));
  found.push(...readdirSync(join(root, 'workspace')).filter((name) => name.startsWith('.forgectl')));
  found.push(...readdirSync(join(root, 'tmp')).filter((name) => name.startsWith('.forgectl')));
  const backups = join(root, 'workspace', '.venv-backups');
  for (const contract of existsSync(backups) ? readdirSync(backups) : [])
    found.push(...readdirSync(join(backups, contract)).filter((name) => name.startsWith('.freeze.')));
  return found;
}
