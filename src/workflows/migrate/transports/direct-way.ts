import { type BytePath, joinPath, staysInside } from '../../../instance/files/byte-path.js';
import type { Meter } from '../../copy/meter.js';
import { ShorterThanListed, Unreadable } from '../../copy/problems.js';
import type { PackedItem, Problem } from '../../copy/side.js';
import type { PackToBring, RangesToBring, Way } from '../../copy/way.js';
import type { Puller } from './puller.js';

export interface DirectWayOptions {
  /** At the destination: everything is written below it. */
  top: BytePath;
  newPuller(): Promise<Puller>;
  meter: Meter;
  /** How many streams the distance is worth, in ms there and back. */
  lanesFor(awayMs: number): number;
  /** Of all streams; null for no limit. */
  mostBytesPerS: number | null;
  /** Packs of small files, on their way. */
  deflates: boolean;
}

/** The destination fetches from the source; only the orders and the count of bytes pass through this computer. */
export class DirectWay implements Way {
  private readonly options: DirectWayOptions;
  private idle: Puller[] = [];
  private lanes = 1;

  constructor(options: DirectWayOptions) {
    this.options = options;
  }

  /** Gives the number of streams. Throws when the one machine does not let the other in. */
  async open(): Promise<number> {
    const puller = await this.options.newPuller();
    this.idle.push(puller);
    this.lanes = this.options.lanesFor(puller.awayMs);
    return this.lanes;
  }

  async bringRanges({ from, to, ranges }: RangesToBring, onBytes: (bytes: number) => void): Promise<void> {
    const spans = ranges.map(({ offset, length }) => [offset, length]);
    const end = await this.work({ file: from, to: this.below(to), ranges: spans }, onBytes);
    if (end.unreadable !== null) throw new Unreadable(end.unreadable);
    if (end.shorter) throw new ShorterThanListed();
  }

  async bringPack({ sourceBase, place, items }: PackToBring, onBytes: (bytes: number) => void) {
    const job = {
      base: sourceBase,
      aside: this.below(joinPath(place.base, place.aside)),
      deflate: this.options.deflates,
      items: items.map((item) => wordsOf(item, this.below(joinPath(place.base, item.destination)), place)),
    };
    const { problems } = await this.work(job, onBytes);
    return new Map(problems.map(([index, kind, detail]): [number, Problem] => [index, { kind, detail }]));
  }

  close(): void {
    for (const puller of this.idle.splice(0)) puller.close();
  }

  /** As the destination's half wants it: relative to the top. */
  private below(path: BytePath): BytePath {
    const start = `${this.options.top}/`;
    const name = path.slice(start.length) as BytePath;
    if (!path.startsWith(start) || !staysInside(name)) throw new RangeError('a path beside the staging folder');
    return name;
  }

  private async work(job: Record<string, unknown>, onBytes: (bytes: number) => void) {
    const { meter, mostBytesPerS, newPuller } = this.options;
    const puller = this.idle.pop() ?? (await newPuller());
    const rate = mostBytesPerS === null ? null : mostBytesPerS / this.lanes;
    try {
      const end = await puller.run({ ...job, rate }, (bytes) => {
        meter.move(bytes);
        onBytes(bytes);
      });
      this.idle.push(puller);
      return end;
    } catch (error) {
      puller.close();
      throw error;
    }
  }
}

/** Source, destination, size, mode, time, owner: as the destination's half expects them. */
function wordsOf({ source }: PackedItem, destination: BytePath, { keepOwner }: { keepOwner: boolean }): unknown[] {
  const { path, size, mode, mtimeNs, owner } = source;
  const [uid, gid] = keepOwner ? [owner.uid, owner.gid] : [null, null];
  return [path, destination, size, mode, String(mtimeNs), uid, gid];
}
