import { closeSync, openSync, read, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';

/** How far stdin may be ahead of the fastest reader: a producer that never ends must not fill the disk. */
const AHEAD_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/**
 * One stdin for several machines, each of which gets all of it, also one whose turn comes later. It goes through a file
 * that has no name any more, so memory stays small and nothing is left behind. A command that ends early does not wait
 * for the end of the input.
 */
export class SharedInput {
  private readonly source: Readable;
  private readonly file: number;
  private written = 0;
  private furthest = 0;
  private hasEnded = false;
  private readonly waiting: (() => void)[] = [];

  constructor(source: Readable) {
    this.source = source;
    const path = join(tmpdir(), `.forgectl-${process.pid}-${process.hrtime.bigint()}`);
    this.file = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    source.on('data', (chunk: Buffer) => this.store(chunk));
    source.once('end', () => this.finish());
    source.once('error', () => this.finish());
    source.once('close', () => this.finish());
  }

  /** All of it from the beginning, as far as it has come. */
  reader(): Readable {
    let at = 0;
    const next = (stream: Readable): void => {
      if (at < this.written) {
        read(this.file, Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, at, (error, bytes, buffer) => {
          if (error) return void stream.destroy(error);
          at += bytes;
          this.moveOn(at);
          stream.push(buffer.subarray(0, bytes));
        });
      } else if (this.hasEnded) stream.push(null);
      else this.waiting.push(() => next(stream));
    };
    return new Readable({
      read() {
        next(this);
      },
    });
  }

  close(): void {
    this.source.destroy();
    closeSync(this.file);
  }

  private store(chunk: Buffer): void {
    for (let done = 0; done < chunk.length; )
      done += writeSync(this.file, chunk, done, chunk.length - done, this.written + done);
    this.written += chunk.length;
    if (this.written - this.furthest > AHEAD_BYTES) this.source.pause();
    this.wake();
  }

  private moveOn(at: number): void {
    this.furthest = Math.max(this.furthest, at);
    if (this.source.isPaused() && this.written - this.furthest <= AHEAD_BYTES) this.source.resume();
  }

  private finish(): void {
    this.hasEnded = true;
    this.wake();
  }

  private wake(): void {
    for (const act of this.waiting.splice(0)) act();
  }
}
