import { type Range, rangesBytes } from '../../instance/files/tree-entry.js';
import type { Job } from './job-queue.js';
import { LargeFile, type LargeWork } from './large-file.js';
import type { TransferContext } from './transfer.js';

/** After a loss, what the connection was about to bring is compared in pieces of this size. */
const RECHECK_BYTES = 1024 * 1024;

/** Looks at what is there already, then brings the rest in shares, then moves it to its name. */
export function largeFileJob(context: TransferContext, work: LargeWork): Job {
  return new PrepareJob(new LargeFile(context, work));
}

abstract class FileJob implements Job {
  movedBytes = 0;
  losses = 0;
  protected readonly file: LargeFile;

  constructor(file: LargeFile) {
    this.file = file;
  }

  abstract run(): Promise<Job[]>;

  again(): Job[] {
    return [this];
  }
}

class PrepareJob extends FileJob {
  async run(): Promise<Job[]> {
    const shares = await this.file.prepare();
    return shares.length === 0 ? [new FinishJob(this.file)] : shares.map((ranges) => new RangeJob(this.file, ranges));
  }
}

class RangeJob extends FileJob {
  private ranges: readonly Range[];

  constructor(file: LargeFile, ranges: readonly Range[]) {
    super(file);
    this.ranges = ranges;
  }

  async run(): Promise<Job[]> {
    if (this.file.isGivenUp) return this.file.shareDone() ? [new FinishJob(this.file)] : [];
    let countedBytes = 0;
    try {
      if (this.losses > 0) await this.dropWhatIsThere();
      await this.file.bring(this.ranges, (bytes) => {
        countedBytes += bytes;
        this.movedBytes += bytes;
      });
    } catch (error) {
      this.file.uncount(countedBytes);
      await this.file.judge(error);
    }
    return this.file.shareDone() ? [new FinishJob(this.file)] : [];
  }

  private async dropWhatIsThere(): Promise<void> {
    const until = Number.POSITIVE_INFINITY;
    const missing = await this.file.findMissing(this.ranges, { grain: RECHECK_BYTES, until });
    this.file.uncount(rangesBytes(missing) - rangesBytes(this.ranges));
    this.ranges = missing;
  }
}

class FinishJob extends FileJob {
  async run(): Promise<Job[]> {
    await this.file.finish();
    return [];
  }
}
