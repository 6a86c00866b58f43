import { EXIT, ForgeError } from '../errors.js';
import type { CopyPlan } from './copy/copy.js';
import type { PackToBring, RangesToBring, Way } from './copy/way.js';

/** What connections that were lost had on their way, and what stands around the contents of a file. */
const SLACK_BYTES = 64 * 1024 * 1024;
const BYTES_A_FILE = 512;

interface Planned {
  totals: Pick<CopyPlan['totals'], 'bytes' | 'files'>;
}

/**
 * Bytes that one pass may move: what it has planned twice, because lost connections bring some of it again. A machine that
 * sends or asks for more than that does not do what was planned, and the traffic is somebody's money.
 */
export function allowedBytes({ totals: { bytes, files } }: Planned): number {
  return 2 * bytes + BYTES_A_FILE * files + SLACK_BYTES;
}

/** A way that ends when more has come than is allowed: a file may be listed as all holes, and then have none. */
export class BoundedWay implements Way {
  private readonly way: Way;
  private leftBytes: number;

  constructor(way: Way, plan: Planned) {
    this.way = way;
    this.leftBytes = allowedBytes(plan);
  }

  bringRanges(job: RangesToBring, onBytes: (bytes: number) => void): Promise<void> {
    return this.way.bringRanges(job, (bytes) => this.count(bytes, onBytes));
  }

  bringPack(job: PackToBring, onBytes: (bytes: number) => void): ReturnType<Way['bringPack']> {
    return this.way.bringPack(job, (bytes) => this.count(bytes, onBytes));
  }

  private count(bytes: number, onBytes: (bytes: number) => void): void {
    this.leftBytes -= bytes;
    onBytes(bytes);
    if (this.leftBytes >= 0) return;
    throw new ForgeError('More has come from the source than twice what was planned: it was stopped.', {
      code: 'MORE_THAN_PLANNED',
      exit: EXIT.notReady,
      hint: 'Its list and its files do not agree. A disk that compresses may be why: then going on brings the rest.',
    });
  }
}
