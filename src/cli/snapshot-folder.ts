import type { Manifest } from '../workflows/snapshot/manifest.js';
import type { SnapshotStore, StoredSnapshot } from '../workflows/snapshot/store.js';
import { agreeTo } from './agree-to.js';
import type { ForgeContext } from './context.js';
import { lockFolder, openSnapshotEnds, typedFolder } from './snapshot-ends.js';

/** What the folder has. */
export async function listSnapshots(
  context: ForgeContext,
  folder: string | null,
): Promise<{ place: string; stored: StoredSnapshot[] }> {
  return withStore(context, folder, async (store) => ({ place: store.place, stored: await store.list() }));
}

export interface ShownSnapshot {
  manifest: Manifest;
  /** Null when contents were not read. */
  damaged: string[] | null;
}

/** Reads its contents when asked to, and says which are not what was stored. */
export async function showSnapshot(
  context: ForgeContext,
  folder: string | null,
  { name, verify }: { name: string; verify: boolean },
): Promise<ShownSnapshot> {
  const { toText } = await import('../instance/files/byte-path.js');
  return withStore(context, folder, async (store) => {
    const { manifest, problem } = await store.find(name);
    if (manifest === null) throw problem;
    if (!verify) return { manifest, damaged: null };
    const stage = (await context.stageReporter()).stage('verify', 'Reading every content');
    const files = await store.readFiles(manifest);
    const total = manifest.totals.bytes;
    let read = 0;
    const damage = await store.findDamage(files, (bytes) => {
      read += bytes;
      stage.detail(total === 0 ? '' : `${Math.min(100, Math.floor((read / total) * 100))}%`);
    });
    stage.done();
    // Another path may have the same content.
    const bad = new Set(damage.map(({ sha256 }) => sha256));
    const paths = files.filter(({ sha256 }) => sha256 !== null && bad.has(sha256)).map(({ path }) => toText(path));
    return { manifest, damaged: paths };
  });
}

export interface RemovedSnapshot {
  name: string;
  /** Null when another snapshot cannot be read: then no content is removed. */
  freedBytes: number | null;
}

export async function removeSnapshot(
  context: ForgeContext,
  folder: string | null,
  { name, yes, dryRun }: { name: string; yes: boolean; dryRun: boolean },
): Promise<RemovedSnapshot> {
  const ends = await openSnapshotEnds(context, typedFolder(context, folder), null);
  try {
    const { store } = ends;
    const lock = lockFolder(context, ends, 'snapshot rm');
    try {
      const found = await store.find(name);
      if (found.problem?.code === 'SNAPSHOT_TOO_NEW') throw found.problem;
      if (dryRun) return { name: found.name, freedBytes: await store.ownBytes(found.name) };
      await confirm(context, found.name, yes);
      return { name: found.name, freedBytes: await store.remove(found.name) };
    } finally {
      lock.release();
    }
  } finally {
    ends.close();
  }
}

async function confirm({ prompts, terminal }: ForgeContext, name: string, yes: boolean): Promise<void> {
  if (yes) return;
  await agreeTo({ prompts, terminal }, `Remove the snapshot ${name} for good?`);
}

async function withStore<T>(
  context: ForgeContext,
  folder: string | null,
  act: (store: SnapshotStore) => Promise<T>,
): Promise<T> {
  const ends = await openSnapshotEnds(context, typedFolder(context, folder), null);
  try {
    return await act(ends.store);
  } finally {
    ends.close();
  }
}
