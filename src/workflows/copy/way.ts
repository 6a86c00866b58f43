import type { BytePath } from '../../instance/files/byte-path.js';
import type { Range } from '../../instance/files/tree-entry.js';
import type { Meter } from './meter.js';
import type { Pack, PackedFile, PackedItem, PackPlace, Problem, Side } from './side.js';

export interface RangesToBring {
  /** Absolute. */
  from: BytePath;
  to: BytePath;
  ranges: readonly Range[];
}

export interface PackToBring {
  sourceBase: BytePath;
  place: PackPlace;
  items: readonly PackedItem[];
}

/** How content gets from the one side to the other. The meter has counted what `onBytes` is told. */
export interface Way {
  bringRanges(job: RangesToBring, onBytes: (bytes: number) => void): Promise<void>;
  /** Stores what is as it was listed; gives the rest, by index. */
  bringPack(job: PackToBring, onBytes: (bytes: number) => void): Promise<Map<number, Problem>>;
}

/** Read from the one and written to the other by this process. */
export class WayThroughHere implements Way {
  private readonly source: Side;
  private readonly destination: Side;
  private readonly meter: Meter;

  constructor({ source, destination, meter }: { source: Side; destination: Side; meter: Meter }) {
    this.source = source;
    this.destination = destination;
    this.meter = meter;
  }

  async bringRanges({ from, to, ranges }: RangesToBring, onBytes: (bytes: number) => void): Promise<void> {
    const counted = this.meter.through(this.source.readRanges(from, ranges), onBytes);
    await this.destination.writeRanges(to, ranges, counted);
  }

  bringPack({ sourceBase, place, items }: PackToBring, onBytes: (bytes: number) => void) {
    const pack = this.source.openPack(
      sourceBase,
      items.map((item) => item.source),
    );
    return this.destination.storePack(place, items, this.counting(pack, onBytes));
  }

  private counting(pack: Pack, onBytes: (bytes: number) => void): Pack {
    const { meter } = this;
    async function* files(): AsyncGenerator<PackedFile> {
      for await (const file of pack.files) yield { ...file, content: meter.through(file.content, onBytes) };
    }
    return { files: files(), settle: () => pack.settle() };
  }
}
