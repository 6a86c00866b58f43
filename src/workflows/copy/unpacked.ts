import { createGunzip, type Gunzip } from 'node:zlib';

const STEP_BYTES = 1024;

/** What a machine prints, unpacked when it comes from gzip, as it is otherwise. */
export class Unpacked {
  private readonly onChunk: (chunk: Buffer) => void;
  private begun: Buffer = Buffer.alloc(0);
  private gunzip: Gunzip | null = null;
  private isPlain = false;
  /** What `onChunk` threw: nothing more is unpacked. */
  private failure: { error: unknown } | null = null;

  constructor(onChunk: (chunk: Buffer) => void) {
    this.onChunk = onChunk;
  }

  /** Done when there is room for more: a small archive may be of something endless. Throws what `onChunk` throws. */
  async push(chunk: Buffer): Promise<void> {
    if (this.isPlain) this.onChunk(chunk);
    else if (this.gunzip !== null) await this.unpack(this.gunzip, chunk);
    else await this.begin(Buffer.concat([this.begun, chunk]));
  }

  /** False when it was cut off, or is no archive after all. Throws what `onChunk` throws. */
  async end(): Promise<boolean> {
    const { gunzip, begun } = this;
    if (gunzip === null) {
      // A single byte: too short to tell, and plain.
      if (!this.isPlain && begun.length > 0) this.onChunk(begun);
      return true;
    }
    const isWhole = await new Promise<boolean>((resolve) => {
      gunzip.once('end', () => resolve(true));
      gunzip.once('close', () => resolve(false));
      if (gunzip.destroyed) resolve(false);
      gunzip.end();
    });
    if (this.failure !== null) throw this.failure.error;
    return isWhole;
  }

  private async begin(begun: Buffer): Promise<void> {
    this.begun = begun;
    if (begun.length < 2) return;
    this.isPlain = begun[0] !== 0x1f || begun[1] !== 0x8b;
    if (this.isPlain) {
      this.onChunk(begun);
      return;
    }
    const gunzip = createGunzip();
    this.gunzip = gunzip;
    gunzip.on('data', (chunk: Buffer) => {
      try {
        if (this.failure === null) this.onChunk(chunk);
      } catch (error) {
        this.failure = { error };
        gunzip.destroy();
      }
    });
    // `end` tells of it.
    gunzip.on('error', () => {});
    await this.unpack(gunzip, begun);
  }

  /** Nobody waits for the rest any more. */
  cancel(): void {
    this.gunzip?.destroy();
  }

  /** In small steps: a thousand times as much may come of each, and meanwhile the user may have had enough. */
  private async unpack(gunzip: Gunzip, chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length && !gunzip.destroyed; at += STEP_BYTES) {
      // `chunk` may be used again by its owner when this is done.
      await new Promise<void>((resolve) => {
        gunzip.once('close', resolve);
        gunzip.write(chunk.subarray(at, at + STEP_BYTES), () => {
          gunzip.off('close', resolve);
          resolve();
        });
      });
    }
    this.stopped();
  }

  private stopped(): void {
    if (this.failure !== null) throw this.failure.error;
  }
}
