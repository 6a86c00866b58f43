import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Puts commits on branches of the remote that a sandbox's machines fetch from: what people push. */
export class ForgeRemote {
  private readonly work: string;
  private readonly inside: readonly string[];
  private readonly bare: string;

  /** `inside`: words that run git in another machine, whose files lie at `root` here. */
  constructor(bare: string, { root, inside }: { root: string; inside: readonly string[] }) {
    this.work = mkdtempSync(join(inside.length === 0 ? tmpdir() : `${root}/tmp`, 'forgectl remote '));
    this.inside = inside.length === 0 ? [] : [...inside, 'env', '-C', this.work.slice(root.length)];
    this.bare = bare;
    this.git('clone', '-q', '--no-hardlinks', bare, '.');
    this.git('config', 'user.name', 'Forge');
    this.git('config', 'user.email', 'forge@sandbox.invalid');
  }

  /** A branch from `main` whose commit changes these files; returns the commit. */
  branch(name: string, files: Record<string, string | ((old: string) => string)>, from = 'origin/main'): string {
    this.git('checkout', '-q', '-B', name, from);
    for (const [path, text] of Object.entries(files)) {
      const old = typeof text === 'string' ? '' : this.git('show', `HEAD:${path}`);
      writeFileSync(join(this.work, path), typeof text === 'string' ? text : text(old));
    }
    this.git('add', '-A', '-f');
    this.git('commit', '-q', '-m', `Change for ${name}`);
    this.git('push', '-q', '-f', 'origin', name);
    return this.git('rev-parse', 'HEAD').trim();
  }

  /** Another repository of the same family, whose only branch goes on from main. */
  variant(name: string): { url: string; sha: string } {
    const url = `${this.bare}-${name}.git`;
    const sha = this.branch(name, { 'README.md': `# ${name}\n` });
    this.git('push', '-q', 'origin', `:${name}`);
    this.git('init', '-q', '--bare', '-b', name, url);
    this.git('push', '-q', url, name);
    return { url, sha };
  }

  push(from: string, to: string): void {
    this.git('push', '-q', '-f', 'origin', `${from}:${to}`);
  }

  git(...words: string[]): string {
    const [file = '', ...all] = [...this.inside, 'git', ...words];
    return execFileSync(file, all, {
      cwd: this.inside.length === 0 ? this.work : '/',
      encoding: 'utf8',
      env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  remove(): void {
    rmSync(this.work, { recursive: true, force: true });
  }
}
