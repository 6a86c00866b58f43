import { createGunzip, type Gunzip } from 'node:zlib';

/** What a machine prints, unpacked when it comes from gzip, as it is otherwise. */
export class Unpacked {
  private readonly onChunk: (chunk: Buffer) => void;
  private begun: Buffer = Buffer.alloc(0);
  private gunzip: Gunzip | null = null;
  private isPlain = false;

  constructor(onChunk: (chunk: Buffer) => void) {
    this.onChunk = onChunk;
  }

  push(chunk: Buffer): void {
    if (this.isPlain) this.onChunk(chunk);
    else if (this.gunzip !== null) this.gunzip.write(chunk);
    else this.begin(Buffer.concat([this.begun, chunk]));
  }

  /** False when it was cut off, or is no archive after all. */
  async end(): Promise<boolean> {
    const { gunzip, begun } = this;
    if (gunzip === null) {
      // A single byte: too short to tell, and plain.
      if (!this.isPlain && begun.length > 0) this.onChunk(begun);
      return true;
    }
    return new Promise((resolve) => {
      gunzip.once('end', () => resolve(true));
      gunzip.once('error', () => resolve(false));
      if (gunzip.errored !== null) resolve(false);
      gunzip.end();
    });
  }

  private begin(begun: Buffer): void {
    this.begun = begun;
    if (begun.length < 2) return;
    this.isPlain = begun[0] !== 0x1f || begun[1] !== 0x8b;
    if (this.isPlain) {
      this.onChunk(begun);
      return;
    }
    this.gunzip = createGunzip();
    this.gunzip.on('data', this.onChunk);
    // `end` tells of it.
    this.gunzip.on('error', () => {});
    this.gunzip.write(begun);
  }
}
