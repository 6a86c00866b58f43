import { type BytePath, HERE, joinPath, parentOf } from '../../instance/files/byte-path.js';
import { mayHaveHoles, type TreeEntry } from '../../instance/files/tree-entry.js';
import { isSameTime } from './compare.js';
import { outwardLinks } from './links.js';
import type { PackedItem, Problem } from './side.js';

export interface Wishes {
  /** What is at the destination stays, whatever it is. */
  noClobber: boolean;
  /** Only what is newer than at the destination. */
  update: boolean;
  /** What has the same size and time at the destination counts as copied. */
  skipSame: boolean;
  /** inside: a stranger's links are made only where they stay within what is copied. */
  links: 'all' | 'inside';
  /** From here on a file travels in ranges of its own, which go on where they stopped. */
  largeBytes: number;
}

/** Files of one directory at the source, with all that is below it, and where they go. */
export interface Tree {
  sourceBase: BytePath;
  destinationBase: BytePath;
  /** In an order in which a directory comes before what is in it. `destination` is relative to the base. */
  pairs: readonly PackedItem[];
  /** What is at the destination, by its path relative to the base. */
  existing: ReadonlyMap<BytePath, TreeEntry>;
  /** The base itself is only a place to put things: it keeps its mode and time. */
  leavesBase: boolean;
}

type SkipReason = 'same' | 'exists' | 'newer';

export interface TreePlan {
  tree: Tree;
  /** Parents first. */
  directories: PackedItem[];
  /** Files that travel together. */
  small: PackedItem[];
  /** Files that travel in ranges. */
  large: PackedItem[];
  links: PackedItem[];
  /** Further names of a file: `leader` is where the first of them goes. */
  hardLinks: (PackedItem & { leader: BytePath })[];
  /** Copied already, but for the mode. */
  modes: PackedItem[];
  skipped: (PackedItem & { reason: SkipReason })[];
  problems: { path: BytePath; problem: Problem }[];
  /** Files that take the place of another one. */
  replaced: number;
  /** Of small and large files, without their holes. */
  bytes: number;
}

export const LARGE_BYTES = 32 * 1024 * 1024;

type Verdict = 'copy' | 'in_the_way' | SkipReason;

/** Decides for every path what becomes of it. Looks at nothing but its input. */
export function planTree(tree: Tree, wishes: Wishes): TreePlan {
  const planning = new Planning(tree, wishes);
  for (const item of tree.pairs) planning.add(item);
  if (wishes.links === 'inside') planning.leaveOutwardLinks();
  return planning.plan;
}

class Planning {
  readonly plan: TreePlan;
  private readonly wishes: Wishes;
  /** Directories that cannot be made; nothing below them is copied. */
  private readonly blocked = new Set<BytePath>();
  private readonly leaders = new Map<string, { destination: BytePath; verdict: Verdict }>();

  constructor(tree: Tree, wishes: Wishes) {
    this.wishes = wishes;
    this.plan = {
      tree,
      directories: [],
      small: [],
      large: [],
      links: [],
      hardLinks: [],
      modes: [],
      skipped: [],
      problems: [],
      replaced: 0,
      bytes: 0,
    };
  }

  add(item: PackedItem): void {
    if (this.isBelowBlocked(item.destination)) return;
    const { source } = item;
    if (source.type === 'other') this.refuse(item, 'special');
    else if (source.type === 'directory') this.addDirectory(item);
    else if (source.type === 'link') this.addLink(item);
    else if (source.inode === null || !this.addHardLink(item, source.inode)) this.addFile(item);
  }

  leaveOutwardLinks(): void {
    const { plan } = this;
    const { existing } = plan.tree;
    const same = plan.skipped.filter(({ source, reason }) => source.type === 'link' && reason === 'same');
    const outward = outwardLinks([...plan.links, ...same], existing);
    const isOutward = ({ destination }: PackedItem): boolean => outward.has(destination);
    plan.replaced -= plan.links.filter((item) => isOutward(item) && existing.has(item.destination)).length;
    for (const item of plan.links.filter(isOutward)) this.refuse(item, 'outward_link');
    plan.links = plan.links.filter((item) => !isOutward(item));
  }

  /** A directory comes before what is in it. */
  private isBelowBlocked(path: BytePath): boolean {
    const isBelow = path !== HERE && this.blocked.has(parentOf(path));
    if (isBelow) this.blocked.add(path);
    return isBelow;
  }

  private addDirectory(item: PackedItem): void {
    const existing = this.plan.tree.existing.get(item.destination);
    if (existing === undefined || existing.type === 'directory') {
      this.plan.directories.push(item);
      return;
    }
    this.blocked.add(item.destination);
    this.refuse(item, 'in_the_way');
  }

  private addLink(item: PackedItem): void {
    const verdict = this.judge(item);
    if (verdict === 'copy') {
      this.plan.links.push(item);
      this.countReplaced(item);
    } else this.leave(item, verdict);
  }

  /** True when it becomes another name of a file that is copied, or was. */
  private addHardLink(item: PackedItem, inode: string): boolean {
    const leader = this.leaders.get(inode);
    const verdict = this.judge(item);
    if (leader === undefined || (leader.verdict !== 'copy' && leader.verdict !== 'same')) {
      this.leaders.set(inode, { destination: item.destination, verdict });
      return false;
    }
    const { existing } = this.plan.tree;
    const own = existing.get(item.destination)?.inode ?? null;
    const isLinked = own !== null && own === existing.get(leader.destination)?.inode;
    if (verdict === 'same' && leader.verdict === 'same' && isLinked) this.leave(item, 'same');
    else if (verdict === 'copy' || verdict === 'same') {
      this.plan.hardLinks.push({ ...item, leader: leader.destination });
      this.countReplaced(item);
    } else this.leave(item, verdict);
    return true;
  }

  private addFile(item: PackedItem): void {
    const { source, destination } = item;
    const verdict = this.judge(item);
    if (verdict !== 'copy') {
      this.leave(item, verdict);
      const existing = this.plan.tree.existing.get(destination);
      if (verdict === 'same' && existing?.mode !== source.mode) this.plan.modes.push(item);
      return;
    }
    (source.size >= this.wishes.largeBytes ? this.plan.large : this.plan.small).push(item);
    this.plan.bytes += mayHaveHoles(source) ? source.allocatedBytes : source.size;
    this.countReplaced(item);
  }

  private judge({ source, destination }: PackedItem): Verdict {
    const existing = this.plan.tree.existing.get(destination);
    if (existing === undefined) return 'copy';
    if (this.wishes.noClobber) return 'exists';
    if (existing.type === 'directory' || existing.type === 'other') return 'in_the_way';
    if (this.wishes.skipSame && isSame(source, existing)) return 'same';
    if (this.wishes.update && source.mtimeNs <= existing.mtimeNs) return 'newer';
    return 'copy';
  }

  private leave(item: PackedItem, verdict: Exclude<Verdict, 'copy'>): void {
    if (verdict === 'in_the_way') this.refuse(item, verdict);
    else this.plan.skipped.push({ ...item, reason: verdict });
  }

  private refuse({ destination }: PackedItem, kind: Problem['kind']): void {
    const path = joinPath(this.plan.tree.destinationBase, destination);
    this.plan.problems.push({ path, problem: { kind, detail: null } });
  }

  private countReplaced({ destination }: PackedItem): void {
    if (this.plan.tree.existing.has(destination)) this.plan.replaced += 1;
  }
}

function isSame(source: TreeEntry, existing: TreeEntry): boolean {
  if (source.type !== existing.type) return false;
  if (source.type === 'link') return source.target === existing.target;
  return source.size === existing.size && isSameTime(source.mtimeNs, existing.mtimeNs);
}
