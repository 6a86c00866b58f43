/** A reader who is so far behind gets small pieces in larger ones. */
const BEHIND_BYTES = 16 * 1024;
const SMALL_BYTES = 1024;
const BLOCK_BYTES = 16 * 1024;
/** Nobody who is behind notices. */
const GATHER_MS = 50;

const HELD = new WeakMap<object, () => number>();

/** For who takes a channel's bytes past its stream: how many it has not passed on. */
export function tellHeld(channel: object, bytes: () => number): void {
  HELD.set(channel, bytes);
}

/** The streams of a channel, as far as they are looked at. */
export interface Holding {
  readableLength?: number;
  stderr?: { readableLength?: number };
}

interface Gathered {
  block: Buffer;
  used: number;
  timer: NodeJS.Timeout;
  pass: (data: Buffer) => void;
}

/**
 * A piece of one byte costs two hundred in memory, so a peer could fill a window of 2 MiB with 400 MB. While a channel's
 * reader is behind, small pieces are put together before they are handed on.
 */
export class SmallPieces {
  private readonly gathered = new Map<string, Gathered>();

  /** Of both streams of a channel: what is counted as received nowhere else yet. */
  bytesOf(id: number): number {
    if (this.gathered.size === 0) return 0;
    return (this.gathered.get(`${id} out`)?.used ?? 0) + (this.gathered.get(`${id} err`)?.used ?? 0);
  }

  /** Whether it need not be looked at: what a download is made of. */
  mayPass(data: Buffer): boolean {
    return this.gathered.size === 0 && data.length >= SMALL_BYTES;
  }

  /** `pass` hands on; now, or when more has come. In order. */
  take(id: number, stream: 'out' | 'err', channel: Holding | null, data: Buffer, pass: (data: Buffer) => void): void {
    const isSmall = data.length < SMALL_BYTES && channel !== null && isBehind(channel, stream);
    if (!isSmall && this.gathered.size === 0) {
      pass(data);
      return;
    }
    const key = `${id} ${stream}`;
    if (!isSmall) {
      this.handOn(key);
      pass(data);
      return;
    }
    let known = this.gathered.get(key);
    if (known !== undefined && known.used + data.length > BLOCK_BYTES) {
      this.handOn(key);
      known = undefined;
    }
    if (known === undefined) {
      const timer = setTimeout(() => this.handOn(key), GATHER_MS);
      known = { block: Buffer.allocUnsafeSlow(BLOCK_BYTES), used: 0, timer, pass };
      this.gathered.set(key, known);
    }
    known.used += data.copy(known.block, known.used);
  }

  /** Before what comes after the data of a channel. */
  handOnAll(id: number): void {
    if (this.gathered.size === 0) return;
    this.handOn(`${id} out`);
    this.handOn(`${id} err`);
  }

  private handOn(key: string): void {
    const found = this.gathered.get(key);
    if (found === undefined) return;
    clearTimeout(found.timer);
    this.gathered.delete(key);
    // A block that is nearly empty would hold all of its memory.
    const { block, used } = found;
    found.pass(used > BLOCK_BYTES / 2 ? block.subarray(0, used) : Buffer.from(block.subarray(0, used)));
  }
}

function isBehind(channel: Holding, stream: 'out' | 'err'): boolean {
  const told = HELD.get(channel)?.() ?? 0;
  const held = stream === 'err' ? channel.stderr?.readableLength : channel.readableLength;
  return told + (held ?? 0) > BEHIND_BYTES;
}
