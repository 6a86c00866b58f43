import type { BytePath } from '../../instance/files/byte-path.js';
import { ASIDE_PREFIX } from '../../instance/migration/aside.js';
import { type Exclude, readExcludes } from '../copy/excludes.js';

export interface LeftOut {
  /** As for --exclude. */
  pattern: string;
  reason: string;
}

/** What belongs to the one machine and not to its work (instance.md 13); --include takes it along all the same. */
export function usuallyLeftOut(destinationId: number): LeftOut[] {
  return [
    { pattern: '/.sync_*.lock', reason: 'locks of the boot' },
    { pattern: '/.environment_sync/', reason: "the source's environments; the packages come by the freeze" },
    { pattern: '/.hf_home/', reason: 'a cache of downloads' },
    { pattern: '/.cache/', reason: 'a cache' },
    { pattern: `/.venv-backups/${destinationId}`, reason: "the destination's own backups stay as they are there" },
    { pattern: '/onstart.sh', reason: "the platform's own" },
    { pattern: '/ports.log', reason: "the platform's own" },
    { pattern: '/lost+found/', reason: "the file system's own" },
  ];
}

export interface Choice {
  destinationId: number;
  include: readonly string[];
  exclude: readonly string[];
}

/** True for what does not move. What migrations themselves have put there never does. */
export function readChoice({ destinationId, include, exclude }: Choice): Exclude {
  const usual = readExcludes(usuallyLeftOut(destinationId).map(({ pattern }) => pattern));
  const wanted = readExcludes(include);
  const unwanted = readExcludes(exclude);
  // Links and files, too: a source that knows the run's name must not be in the way of its folder.
  const own = readExcludes([`/${ASIDE_PREFIX}*`]);
  return (path: BytePath, isDirectory: boolean) => {
    if (own(path, isDirectory) || unwanted(path, isDirectory)) return true;
    return usual(path, isDirectory) && !(include.length > 0 && wanted(path, isDirectory));
  };
}
