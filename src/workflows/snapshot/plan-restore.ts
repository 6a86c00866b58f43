import { type BytePath, fromText, HERE, joinPath, nameOf, parentOf } from '../../instance/files/byte-path.js';
import { ASIDE_PREFIX, type ChangeList } from '../../instance/files/set-aside.js';
import type { TreeEntry } from '../../instance/files/tree-entry.js';
import { FORGE_DIRECTORY } from '../../instance/layout.js';
import { isSameTime } from '../copy/compare.js';
import { targetInside } from '../copy/links.js';

export interface RestoreInput {
  /** The snapshot's tree. */
  wanted: readonly TreeEntry[];
  /** The workspace as it is. */
  there: readonly TreeEntry[];
  /** What the machine's own checkout tracks, relative to it. */
  tracked: readonly string[];
  /** Files of the same size whose contents were compared. */
  compared: ReadonlyMap<BytePath, 'equal' | 'differing'>;
  /** What the snapshot has left out stays as it is. */
  isLeftOut: (path: BytePath, isDirectory: boolean) => boolean;
}

export interface RestoreChanges extends Omit<ChangeList, 'staging'> {
  /** Of what is brought. */
  files: number;
  bytes: number;
  /** Of what makes room. */
  asideFiles: number;
  asideBytes: number;
  /** There already. */
  sameFiles: number;
  /** On the machine and not in the snapshot; they stay. */
  keptFiles: number;
  /** Links of the snapshot that lead out of the workspace. */
  outwardLinks: BytePath[];
}

const GIT = '.git';

/**
 * Decides for every path what becomes of it. Nothing is overwritten in its place: what differs makes room first. A `.git` is
 * one thing, so it makes room as a whole; of Forge's program files, those that the snapshot's commit has not go too.
 */
export function planRestore(input: RestoreInput): RestoreChanges {
  return new Planning(input).run();
}

class Planning {
  private readonly input: RestoreInput;
  private readonly there: Map<BytePath, TreeEntry>;
  private readonly wanted: Map<BytePath, TreeEntry>;
  private readonly aside = new Set<BytePath>();
  private readonly plan: RestoreChanges = {
    aside: [],
    created: [],
    directories: [],
    attributes: [],
    times: [],
    files: 0,
    bytes: 0,
    asideFiles: 0,
    asideBytes: 0,
    sameFiles: 0,
    keptFiles: 0,
    outwardLinks: [],
  };

  constructor(input: RestoreInput) {
    this.input = input;
    this.there = new Map(input.there.map((entry) => [entry.path, entry]));
    this.wanted = new Map(input.wanted.map((entry) => [entry.path, entry]));
  }

  run(): RestoreChanges {
    this.findRepositories();
    this.findStrangers();
    for (const entry of this.input.wanted) if (entry.path !== HERE) this.add(entry);
    this.count();
    // What lies in something else that makes room goes with it.
    return { ...this.plan, aside: [...this.aside].filter((path) => !this.isGone(parentOf(path))) };
  }

  /** One whose files are all the same stays. */
  private findRepositories(): void {
    for (const { path, type } of this.input.wanted) {
      if (nameOf(path) !== GIT || type !== 'directory' || !this.there.has(path)) continue;
      const isBelow = (one: TreeEntry): boolean => one.path.startsWith(`${path}/`) && one.type !== 'directory';
      const [mine, theirs] = [this.input.wanted.filter(isBelow), this.input.there.filter(isBelow)];
      const isSame = mine.length === theirs.length && mine.every((one) => this.isSame(one, this.there.get(one.path)));
      if (!isSame) this.aside.add(path);
    }
  }

  private findStrangers(): void {
    for (const name of this.input.tracked) {
      const path = joinPath(fromText(FORGE_DIRECTORY), name as BytePath);
      const entry = this.there.get(path);
      if (entry === undefined || entry.type === 'directory' || this.wanted.has(path)) continue;
      if (!this.isLeftOut(path)) this.aside.add(path);
    }
  }

  private add(entry: TreeEntry): void {
    const { path, type } = entry;
    const there = this.isGone(path) ? undefined : this.there.get(path);
    if (entry.target !== null && targetInside(path, entry.target) === null) this.plan.outwardLinks.push(path);
    if (there !== undefined && this.isSame(entry, there)) {
      if (type !== 'directory') this.plan.sameFiles += 1;
      const isLate = type === 'file' && !isSameTime(there.mtimeNs, entry.mtimeNs);
      if (isLate) this.push('times', { path, mtimeNs: entry.mtimeNs });
      if (type === 'directory' || isLate || (type === 'file' && there.mode !== entry.mode))
        this.push('attributes', { path, mode: there.mode, mtimeNs: there.mtimeNs });
      return;
    }
    if (there !== undefined) this.aside.add(path);
    if (type === 'directory') this.push('directories', path);
    else this.push('created', path);
    if (type === 'directory') return;
    if (type === 'file') this.plan.files += 1;
    this.plan.bytes += entry.size;
  }

  private push<K extends 'attributes' | 'times' | 'directories' | 'created'>(
    key: K,
    item: RestoreChanges[K][number],
  ): void {
    (this.plan[key] as RestoreChanges[K][number][]).push(item);
  }

  private isSame(one: TreeEntry, other: TreeEntry | undefined): boolean {
    if (other === undefined || one.type !== other.type) return false;
    if (one.type === 'directory') return true;
    if (one.type === 'link') return one.target === other.target;
    const contents = this.input.compared.get(one.path);
    if (one.size !== other.size || contents === 'differing') return false;
    return contents === 'equal' || isSameTime(one.mtimeNs, other.mtimeNs);
  }

  /** It makes room, or something that it is in does. */
  private isGone(path: BytePath): boolean {
    for (let above = path; above !== HERE; above = parentOf(above)) if (this.aside.has(above)) return true;
    return false;
  }

  private isLeftOut(path: BytePath): boolean {
    for (let above = path; above !== HERE; above = parentOf(above))
      if (this.input.isLeftOut(above, above !== path)) return true;
    return false;
  }

  private count(): void {
    for (const { path, type, size } of this.input.there) {
      if (type === 'directory' || path.startsWith(ASIDE_PREFIX)) continue;
      if (this.isGone(path)) {
        this.plan.asideFiles += 1;
        this.plan.asideBytes += size;
      } else if (!this.wanted.has(path)) this.plan.keptFiles += 1;
    }
  }
}
