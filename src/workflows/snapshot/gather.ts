import { type BytePath, joinPath } from '../../instance/files/byte-path.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';
import { allowedBytes, BoundedWay } from '../allowance.js';
import { isUnchanged } from '../copy/compare.js';
import { type CopyPlan, runCopy, surveyDestination } from '../copy/copy.js';
import { LARGE_BYTES, planTree } from '../copy/plan.js';
import { ShorterThanListed } from '../copy/problems.js';
import { isLost } from '../copy/remote-runner.js';
import type { TransferContext } from '../copy/transfer.js';
import type { SnapshotFile } from './manifest.js';
import type { KnownContents } from './plan-create.js';
import type { SnapshotStore } from './store.js';

export interface GatherWork {
  /** From the machine to the store's side. */
  context: TransferContext;
  store: SnapshotStore;
  workspace: BytePath;
  /** Parents first, what is left out gone. */
  entries: readonly TreeEntry[];
  known: KnownContents;
  /** Told while files are read on the machine. */
  onRead: (bytes: number, totalBytes: number) => void;
  /** The line that tells of the copying ends here. */
  onCopied: (isWhole: boolean) => void;
  /** What is known so far, for a next try. */
  onHashed: (files: readonly SnapshotFile[]) => Promise<void>;
}

export interface Gathered {
  files: SnapshotFile[];
  unsettled: BytePath[];
  problems: { path: BytePath; kind: string }[];
  newBytes: number;
}

/** A file that changes while it is read gets so many fresh looks before it is taken as it comes. */
const ROUNDS = 3;
const MOST_FILES = 500;
const MOST_BYTES = 256 * 1024 * 1024;
const TRIES = 4;

/**
 * Brings every content that the store lacks. Each is hashed on the machine first, so that nothing is transferred that is
 * there, and hashed again where it has arrived: a snapshot holds what was read, and nothing that was cut or torn.
 */
export class Gathering {
  private readonly work: GatherWork;
  private readonly entries: Map<BytePath, TreeEntry>;
  private readonly hashes = new Map<BytePath, string>();
  private readonly problems = new Map<BytePath, string>();
  private readonly unsettled = new Set<BytePath>();
  private newBytes = 0;

  constructor(work: GatherWork) {
    this.work = work;
    this.entries = new Map(work.entries.map((entry) => [entry.path, entry]));
  }

  async run(): Promise<Gathered> {
    try {
      const gathered = await this.gather();
      this.work.onCopied(true);
      return gathered;
    } catch (error) {
      this.work.onCopied(false);
      throw error;
    }
  }

  private async gather(): Promise<Gathered> {
    const { work } = this;
    for (const { path, type } of work.entries) if (type === 'other') this.problems.set(path, 'special');
    let waiting = work.entries.filter(({ type }) => type === 'file');
    for (const file of waiting) {
      const hash = work.known.of(file);
      if (hash !== null) this.hashes.set(file.path, hash);
    }
    await this.hash(waiting.filter(({ path }) => !this.hashes.has(path)));
    await this.nameVanished();
    await work.onHashed(this.filesNow());
    for (let round = 1; round <= ROUNDS && waiting.length > 0; round += 1) {
      waiting = await this.bring(waiting.filter(({ path }) => this.hashes.has(path)));
      waiting = await this.lookAgain(waiting);
    }
    for (const entry of waiting) await this.takeAsItComes(entry);
    return {
      files: this.filesNow(),
      unsettled: [...this.unsettled],
      problems: [...this.problems].map(([path, kind]) => ({ path, kind })),
      newBytes: this.newBytes,
    };
  }

  /** On the machine, several lists at once; names of one file are read once. */
  private async hash(files: readonly TreeEntry[]): Promise<void> {
    const { context, workspace, onRead } = this.work;
    const leaders = [...new Map(files.map((file) => [file.inode ?? file.path, file])).values()];
    const totalBytes = leaders.reduce((sum, { size }) => sum + size, 0);
    let readBytes = 0;
    const batches = batchesOf(leaders);
    const byInode = new Map<string, string>();
    const lane = async (): Promise<void> => {
      for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
        const wanted = batch;
        const hashes = await again(() => context.source.hashFiles(workspace, wanted, () => {}));
        for (const [index, { path, inode, size }] of wanted.entries()) {
          const hash = hashes[index] ?? null;
          if (hash === null) this.problems.set(path, 'unreadable');
          else this.hashes.set(path, hash);
          if (hash !== null) this.problems.delete(path);
          if (hash !== null && inode !== null) byInode.set(inode, hash);
          readBytes += size;
        }
        onRead(readBytes, totalBytes);
      }
    };
    await Promise.all(Array.from({ length: Math.min(context.lanes, 4) }, lane));
    for (const { path, inode } of files) {
      const hash = inode === null ? undefined : byInode.get(inode);
      if (hash !== undefined) this.hashes.set(path, hash);
    }
  }

  /** What could not be read because it is not there any more. */
  private async nameVanished(): Promise<void> {
    const { context, workspace } = this.work;
    const paths = [...this.problems].filter(([, kind]) => kind === 'unreadable').map(([path]) => path);
    const { entries } = await context.source.list(
      paths.map((path) => joinPath(workspace, path)),
      { deep: false },
    );
    for (const path of paths) if (!entries.has(joinPath(workspace, path))) this.problems.set(path, 'vanished');
  }

  /** Gives the files whose content did not arrive as it was hashed. */
  private async bring(files: readonly TreeEntry[]): Promise<TreeEntry[]> {
    const { context, store, workspace } = this.work;
    const arrivedBefore = await store.settleIncoming();
    const objects = await store.listObjects();
    const missing = new Map<string, TreeEntry>();
    for (const file of files) {
      const hash = this.hashes.get(file.path) as string;
      if (!objects.has(hash)) missing.set(hash, file);
      else if (arrivedBefore.good.has(hash)) this.newBytes += file.size;
    }
    if (missing.size === 0) return [];
    const pairs = [...missing].map(([hash, file]) => ({
      source: { ...file, mode: 0o600, inode: null },
      destination: hash as BytePath,
    }));
    const tree = planTree(
      { sourceBase: workspace, destinationBase: store.incoming, pairs, existing: new Map(), leavesBase: true },
      { noClobber: false, update: false, skipSame: false, links: 'all', largeBytes: LARGE_BYTES },
    );
    const { bytes } = tree;
    const plan: CopyPlan = {
      show: (path) => store.side.show(path),
      trees: [tree],
      newDirectory: null,
      complaints: [],
      totals: { files: pairs.length, directories: 0, links: 0, bytes, skipped: 0, replaced: 0 },
    };
    const quiet: TransferContext = { ...context, onProblem: () => {}, way: new BoundedWay(context.way, plan) };
    await runCopy(quiet, { plan, survey: await surveyDestination(quiet, plan), verify: 'none' });
    const { good } = await store.settleIncoming();
    this.newBytes += [...missing].reduce((sum, [hash, { size }]) => sum + (good.has(hash) ? size : 0), 0);
    return files.filter((file) => {
      const hash = this.hashes.get(file.path) as string;
      return missing.has(hash) && !good.has(hash);
    });
  }

  /** As they are now, with fresh hashes; what is gone is told of. */
  private async lookAgain(files: readonly TreeEntry[]): Promise<TreeEntry[]> {
    if (files.length === 0) return [];
    const { context, workspace } = this.work;
    const pathOf = (path: BytePath): BytePath => joinPath(workspace, path);
    const { entries } = await context.source.list(
      files.map(({ path }) => pathOf(path)),
      { deep: false },
    );
    const fresh: TreeEntry[] = [];
    for (const { path, size } of files) {
      const now = entries.get(pathOf(path))?.[0];
      this.hashes.delete(path);
      // A machine that makes a file larger with each look would fill the disk of the store.
      const isTooLarge = (now?.size ?? 0) > allowedBytes({ totals: { bytes: size, files: 1 } });
      if (now?.type === 'file' && isTooLarge) this.problems.set(path, 'changed');
      else if (now?.type === 'file') {
        const entry = { ...now, path };
        this.entries.set(path, entry);
        fresh.push(entry);
      } else this.problems.set(path, 'vanished');
    }
    await this.hash(fresh);
    return fresh.filter(({ path }) => this.hashes.has(path));
  }

  /** One that never rests: the bytes that it has now, from the first to the last, and the snapshot says so. */
  private async takeAsItComes(entry: TreeEntry): Promise<void> {
    const { context, store, workspace } = this.work;
    const file = joinPath(workspace, entry.path);
    this.hashes.delete(entry.path);
    try {
      const hash = await store.take(entry.size, () =>
        context.source.readRanges(file, [{ offset: 0, length: entry.size }]),
      );
      if (hash === null) this.problems.set(entry.path, 'changed');
      else this.hashes.set(entry.path, hash);
    } catch (error) {
      if (!(error instanceof ShorterThanListed)) throw error;
      this.problems.set(entry.path, 'changed');
      return;
    }
    const { entries } = await context.source.list([file], { deep: false });
    const now = entries.get(file)?.[0];
    if (now === undefined || !isUnchanged(entry, now)) this.unsettled.add(entry.path);
  }

  private filesNow(): SnapshotFile[] {
    const leaders = new Map<string, BytePath>();
    const files: SnapshotFile[] = [];
    for (const entry of this.entries.values()) {
      const { path, type, size, mode, mtimeNs, target, inode, allocatedBytes, owner } = entry;
      if (type === 'other') continue;
      const sha256 = type === 'file' ? (this.hashes.get(path) ?? null) : null;
      if (type === 'file' && sha256 === null) continue;
      const key = inode === null ? null : `${inode} ${sha256} ${size}`;
      const sameAs = key === null ? null : (leaders.get(key) ?? null);
      if (key !== null && sameAs === null) leaders.set(key, path);
      files.push({
        path,
        type,
        size,
        mode,
        mtimeNs,
        target,
        sha256,
        sameAs,
        allocatedBytes: Math.min(size, allocatedBytes),
        owner,
      });
    }
    return files;
  }
}

function batchesOf(files: readonly TreeEntry[]): TreeEntry[][] {
  const batches: TreeEntry[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const file of files) {
    if (bytes + file.size > MOST_BYTES || (batches.at(-1)?.length ?? 0) >= MOST_FILES) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(file);
    bytes += file.size;
  }
  return batches;
}

async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isLost(error) || tries >= TRIES) throw error;
    }
  }
}
