import { existsSync } from 'node:fs';
import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../run-program.js';
import { CHECKOUT, REMOTE } from './build-image.js';

/**
 * The machines of one sandbox fetch from one remote, as real ones share a host of repositories. It lies beside them and not
 * in the image, because sandboxes may share that, and what is pushed for one is nothing to another.
 */
export async function fetchFromSharedRemote(paths: { image: string; machines: string; root: string }): Promise<void> {
  const remote = join(paths.machines, '.forge.git');
  if (!existsSync(remote)) {
    const draft = await mkdtemp(join(paths.machines, `.draft-${process.pid}-`));
    await cp(join(paths.image, REMOTE), draft, { recursive: true });
    // Whoever comes second finds the place taken.
    await rename(draft, remote).catch(async (error: NodeJS.ErrnoException) => {
      await rm(draft, { recursive: true, force: true });
      if (!existsSync(remote)) throw error;
    });
  }
  await runProgram('git', ['-C', join(paths.root, CHECKOUT), 'remote', 'set-url', 'origin', remote]);
}
