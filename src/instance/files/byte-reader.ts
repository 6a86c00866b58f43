/** Takes exact numbers of bytes from chunks of any size. */
export class ByteReader {
  takenBytes = 0;
  private readonly source: AsyncIterator<Buffer>;
  private current: Buffer = Buffer.alloc(0);
  private isOver = false;

  constructor(source: AsyncIterable<Buffer>) {
    this.source = source[Symbol.asyncIterator]();
  }

  /** Null when the source ends before. */
  async take(bytes: number): Promise<Buffer | null> {
    if (this.current.length >= bytes) return this.cut(bytes);
    const parts: Buffer[] = [];
    for (let missing = bytes; missing > 0; ) {
      const part = await this.some(missing);
      if (part === null) return null;
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** At least one byte and at most so many, without copying; null at the end. */
  async some(most: number): Promise<Buffer | null> {
    while (this.current.length === 0) {
      if (this.isOver) return null;
      const { done, value } = await this.source.next();
      if (done === true) {
        this.isOver = true;
        return null;
      }
      this.current = value;
    }
    return this.cut(Math.min(most, this.current.length));
  }

  /** Everything that is left. */
  async *rest(): AsyncGenerator<Buffer> {
    for (;;) {
      const part = await this.some(Number.MAX_SAFE_INTEGER);
      if (part === null) return;
      yield part;
    }
  }

  /** False when the source ends before. */
  async skip(bytes: number): Promise<boolean> {
    for (let missing = bytes; missing > 0; ) {
      const part = await this.some(missing);
      if (part === null) return false;
      missing -= part.length;
    }
    return true;
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    this.isOver = true;
    this.current = Buffer.alloc(0);
    await this.source.return?.();
  }

  private cut(bytes: number): Buffer {
    const part = this.current.subarray(0, bytes);
    this.current = this.current.subarray(bytes);
    this.takenBytes += bytes;
    return part;
  }
}
