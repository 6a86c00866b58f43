import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, lstat, lutimes, mkdir, open, readdir, readlink, realpath, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import type { HostCopy } from './contract.js';

export interface FilesCopy extends HostCopy {
  /** The machines' roots on this computer. */
  fromRoot: string;
  toRoot: string;
}

const CHUNK_BYTES = 128 * 1024;

/** As `rsync -a SOURCE DESTINATION` does it, hard links and special files left out; nothing at the destination is deleted. */
export async function copyFiles(copy: FilesCopy): Promise<void> {
  const source = await inside(copy.fromRoot, copy.sourcePath);
  const stats = await lstat(source);
  const named = await inside(copy.toRoot, copy.destinationPath);
  const contentsOnly = copy.sourcePath.endsWith('/') && stats.isDirectory();
  const goesInside = stats.isDirectory() || copy.destinationPath.endsWith('/') || (await isDirectory(named));
  const target = contentsOnly || !goesInside ? named : join(named, basename(source));
  copy.onTotal(await sizeOf(Buffer.from(source)));
  // rsync makes the last directory of the path, and no more.
  await mkdir(goesInside ? named : dirname(named)).catch(() => {});
  await new FilesCopier(copy).copy(Buffer.from(source), Buffer.from(target));
}

/** A place below the root, links followed; throws for one that leads out of it. */
async function inside(root: string, path: string): Promise<string> {
  const absolute = posix.normalize(`/${path}`).replace(/\/+$/u, '');
  // What runs on the machine names its places with the root before them.
  const wanted = absolute === root || absolute.startsWith(`${root}/`) ? absolute : join(root, absolute);
  const top = await realpath(root);
  const real = await realpath(wanted).catch(async () => join(await realpath(dirname(wanted)), basename(wanted)));
  if (real !== top && !real.startsWith(`${top}/`)) throw new Error(`${path} leads out of the machine`);
  return real;
}

async function isDirectory(path: string): Promise<boolean> {
  return lstat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

async function sizeOf(path: Buffer): Promise<number> {
  const stats = await lstat(path).catch(() => null);
  if (stats === null) return 0;
  if (!stats.isDirectory()) return stats.isFile() ? stats.size : 0;
  let bytes = 0;
  for (const name of await readdir(path, { encoding: 'buffer' })) bytes += await sizeOf(below(path, name));
  return bytes;
}

function below(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from('/'), name]);
}

class FilesCopier {
  private readonly request: FilesCopy;
  private freeAtMs = Date.now();

  constructor(request: FilesCopy) {
    this.request = request;
  }

  async copy(source: Buffer, target: Buffer): Promise<void> {
    this.request.signal.throwIfAborted();
    const stats = await lstat(source).catch(() => null);
    if (stats === null) return;
    if (stats.isDirectory()) await this.copyDirectory(source, target, stats);
    else if (stats.isSymbolicLink()) await this.copyLink(source, target, stats);
    else if (stats.isFile()) await this.copyFile(source, target, stats);
  }

  private async copyDirectory(source: Buffer, target: Buffer, { mode, mtimeMs }: FileStats): Promise<void> {
    const there = await lstat(target).catch(() => null);
    if (there !== null && !there.isDirectory()) await rm(target as never);
    if (there === null || !there.isDirectory()) await mkdir(target, 0o700);
    const names = await readdir(source, { encoding: 'buffer' });
    for (const name of names.sort(Buffer.compare)) await this.copy(below(source, name), below(target, name));
    await chmod(target, mode & 0o7777);
    await lutimes(target, mtimeMs / 1000, mtimeMs / 1000);
  }

  private async copyLink(source: Buffer, target: Buffer, { mtimeMs }: FileStats): Promise<void> {
    const draft = draftOf(target);
    await symlink(await readlink(source, { encoding: 'buffer' }), draft);
    await lutimes(draft, mtimeMs / 1000, mtimeMs / 1000);
    await this.place(draft, target);
  }

  private async copyFile(source: Buffer, target: Buffer, stats: FileStats): Promise<void> {
    const there = await lstat(target).catch(() => null);
    const isSame = there?.isFile() && there.size === stats.size && seconds(there.mtimeMs) === seconds(stats.mtimeMs);
    if (isSame) this.request.onBytes(stats.size);
    else {
      const draft = draftOf(target);
      await this.moveBytes(source, draft);
      // A Date would cut it to milliseconds.
      await lutimes(draft, stats.mtimeMs / 1000, stats.mtimeMs / 1000);
      await this.place(draft, target);
    }
    await chmod(target, stats.mode & 0o7777);
  }

  /** A copy that stops here leaves its draft, as a cut line does. */
  private async moveBytes(source: Buffer, draft: Buffer): Promise<void> {
    const { signal, onBytes } = this.request;
    const from = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW);
    const to = await open(draft, 'wx', 0o600).catch(async (error: unknown) => {
      await from.close();
      throw error;
    });
    try {
      const buffer = Buffer.alloc(CHUNK_BYTES);
      for (;;) {
        signal.throwIfAborted();
        const { bytesRead } = await from.read(buffer, 0, CHUNK_BYTES);
        if (bytesRead === 0) break;
        await this.waitForTurn(bytesRead);
        await to.write(buffer, 0, bytesRead);
        onBytes(bytesRead);
      }
    } finally {
      await from.close();
      await to.close();
    }
  }

  private async waitForTurn(bytes: number): Promise<void> {
    const now = Date.now();
    const startMs = Math.max(now, this.freeAtMs);
    this.freeAtMs = startMs + (bytes / this.request.bytesPerS) * 1000;
    if (startMs - now < 2) return;
    await new Promise((resolve) => setTimeout(resolve, startMs - now));
  }

  /** rsync takes no directory away that is not empty. */
  private async place(draft: Buffer, target: Buffer): Promise<void> {
    await rename(draft, target).catch(() => rm(draft as never, { force: true }));
  }
}

interface FileStats {
  mode: number;
  mtimeMs: number;
  size: number;
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

/** ".NAME.aB3dE9", as rsync calls it; shorter where the name leaves no room. */
function draftOf(target: Buffer): Buffer {
  const at = target.lastIndexOf('/'.charCodeAt(0)) + 1;
  const name = target.subarray(at, at + 240);
  return Buffer.concat([
    target.subarray(0, at),
    Buffer.from('.'),
    name,
    Buffer.from(`.${randomBytes(3).toString('hex')}`),
  ]);
}
