import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning, type ProcessIdentity, thisProcess } from '../../src/process-identity.ts';
import { run, world } from './world.ts';

/** A machine's disk: memory of a size of its own, which is full when it is full. */
export class Disk {
  /** Beside it lie what the machine prints and whose it is. */
  readonly folder: string;

  constructor(name: string) {
    this.folder = join(world(), 'hosts', name);
  }

  get upper(): string {
    return join(this.mountPoint, 'upper');
  }

  exists(): boolean {
    return existsSync(this.upper);
  }

  /** Empty, whatever was on it. `keep`: it stays when this process ends without having removed it. */
  async make({ bytes, keep }: { bytes: number; keep: boolean }): Promise<void> {
    await this.remove();
    mkdirSync(this.mountPoint, { recursive: true });
    writeFileSync(join(this.folder, 'owner'), JSON.stringify(keep ? null : thisProcess()));
    writeFileSync(join(this.folder, 'size'), String(bytes));
    await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=755`, 'lab-disk', this.mountPoint]);
    mkdirSync(this.upper, { mode: 0o755 });
    mkdirSync(join(this.mountPoint, 'work'));
  }

  async remove(): Promise<void> {
    if (!existsSync(this.folder)) return;
    await run('umount', ['--lazy', this.mountPoint]).catch(() => {});
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Leaves so much room. Nothing is written: the disk gets smaller. */
  async fill({ leaveBytes }: { leaveBytes: number }): Promise<void> {
    const { blocks, bfree, bsize } = statfsSync(this.mountPoint);
    await this.resize((blocks - bfree) * bsize + leaveBytes);
  }

  /** As large as at first. */
  free(): Promise<void> {
    return this.resize(Number(readFileSync(join(this.folder, 'size'), 'utf8')));
  }

  async usedBytes(): Promise<number> {
    const { stdout } = await run('du', ['-sk', this.upper]);
    return Number(stdout.split('\t')[0]) * 1024;
  }

  mountOptions(layer: string): string {
    // One device number for all files, as on a host whose layers lie on one file system.
    return `xino=on,lowerdir=${layer}:/,upperdir=${this.upper},workdir=${join(this.mountPoint, 'work')}`;
  }

  private async resize(bytes: number): Promise<void> {
    await run('mount', ['-o', `remount,size=${bytes}`, this.mountPoint]);
  }

  private get mountPoint(): string {
    return join(this.folder, 'disk');
  }
}

/** What processes of this world left that were killed: their machines died with them, their disks did not. */
export async function sweepDisks(): Promise<string[]> {
  const swept: string[] = [];
  for (const name of readdirSync(join(world(), 'hosts'))) {
    const owner = ownerOf(name);
    if (owner === null || isRunning(owner)) continue;
    await new Disk(name).remove();
    swept.push(name);
  }
  return swept;
}

function ownerOf(name: string): ProcessIdentity | null {
  try {
    return JSON.parse(readFileSync(join(world(), 'hosts', name, 'owner'), 'utf8')) as ProcessIdentity | null;
  } catch {
    return null;
  }
}
