import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ForgeRemote } from './forge-remote.ts';
import { Home } from './forgectl.ts';

export interface UpgradeError {
  error: { code: string; exit: number; message: string; hint: string; rolled_back_to?: string; run?: string };
}

/** A user with one machine on which Forge answers, and the remote that it fetches from. */
export class UpgradeMachine {
  readonly home: Home;
  root = '';
  tree = '';
  private inside: readonly string[] = [];
  remote!: ForgeRemote;
  imageSha = '';
  mainSha = '';

  constructor(home = new Home({ FORGECTL_SANDBOX: '1' })) {
    this.home = home;
  }

  /** On a sandbox of its own. */
  async start(timeScale: number): Promise<void> {
    const { home } = this;
    const started = await home.run(['sandbox', 'start', '--time-scale', String(timeScale)]);
    if (started.code !== 0) throw new Error(started.stderr);
    const id = await this.launch();
    this.adopt(join(home.directory, 'sandbox', 'machines', String(id), 'root'));
  }

  /** Another machine, or the first one of a home that has its sandbox already. */
  async launch(label = 'web'): Promise<number> {
    const launch = ['launch', '--best', '--yes', '--label', label, '--forge-args', '--api'];
    const launched = await this.home.json<{ id: number }>(launch);
    if (typeof launched.id !== 'number') throw new Error(JSON.stringify(launched));
    return launched.id;
  }

  /** The machine whose files lie here. `inside`: words that run a program in it, where the paths are its own. */
  adopt(root: string, inside: readonly string[] = []): void {
    this.root = root;
    this.tree = join(root, 'workspace', 'stable-diffusion-webui-forge');
    this.inside = inside;
    this.remote = new ForgeRemote(this.git('remote', 'get-url', 'origin'), { root, inside });
    this.imageSha = this.git('rev-parse', 'HEAD');
    this.mainSha = this.remote.git('rev-parse', 'origin/main').trim();
  }

  async stop(): Promise<void> {
    this.remote?.remove();
    await this.home.remove();
  }

  git(...words: string[]): string {
    const tree = this.inside.length === 0 ? this.tree : this.tree.slice(this.root.length);
    const [file = '', ...all] = [...this.inside, 'git', '-c', 'safe.directory=*', '-C', tree, ...words];
    return execFileSync(file, all, { encoding: 'utf8' }).trim();
  }

  read(path: string): string {
    return readFileSync(join(this.tree, path), 'utf8');
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.tree, path), text);
  }

  /** As the image leaves it: the commit, and the lines about torch gone. */
  reset(): void {
    this.git('checkout', '-q', '-f', '--detach', this.imageSha);
    const text = this.read('requirements_versions.txt');
    this.write('requirements_versions.txt', text.replace(/^torch(vision)?[ <>=!].*\n/gmu, ''));
  }

  packages(): string[] {
    return readdirSync(this.site)
      .filter((name) => name.endsWith('.dist-info'))
      .sort();
  }

  /** Every file of every package, but for python's own caches. */
  private packageFiles(): string {
    const hash = createHash('sha256');
    const files = readdirSync(this.site, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile() && !file.parentPath.includes('__pycache__'))
      .map((file) => join(file.parentPath, file.name))
      .sort();
    for (const file of files) hash.update(`${file.slice(this.site.length)}\0`).update(readFileSync(file));
    return hash.digest('hex');
  }

  private get site(): string {
    const lib = join(this.root, 'venv', 'main', 'lib');
    return join(lib, readdirSync(lib)[0] as string, 'site-packages');
  }

  /** All that an upgrade may change. */
  state(): Record<string, unknown> {
    return {
      head: this.git('rev-parse', 'HEAD'),
      branch: this.git('branch', '--show-current'),
      remote: this.git('remote', 'get-url', 'origin'),
      status: this.git('status', '--short'),
      diff: this.git('diff', 'HEAD'),
      packages: this.packages(),
      packageFiles: this.packageFiles(),
    };
  }

  /** Asks Forge for a picture, and does not wait for it. Of a sandbox's machine: 5 steps take one of its seconds. */
  draw(steps: number): void {
    const port = readFileSync(join(this.root, 'run', 'ports', '17860'), 'utf8').split(' ')[0];
    const ask = { method: 'POST', body: JSON.stringify({ prompt: 'a cat', steps }) };
    void fetch(`http://127.0.0.1:${port}/sdapi/v1/txt2img`, ask).catch(() => {});
  }

  /** The lock, or room that a run keeps for its way back. */
  isLocked(): boolean {
    const place = join(this.root, 'var', 'lib', 'forgectl');
    const runs = existsSync(join(place, 'upgrades')) ? readdirSync(join(place, 'upgrades')) : [];
    return existsSync(join(place, 'lock')) || runs.some((run) => existsSync(join(place, 'upgrades', run, 'ballast')));
  }
}
