/** What is kept of one line. Longer ones are cut, and say so. */
export const LINE_LIMIT_BYTES = 64 * 1024;

const LINE_FEED = 0x0a;
const RETURN = 0x0d;

/**
 * Bytes of a log, cut anywhere, become whole lines. A progress bar writes its states over each other, with carriage
 * returns: of states that would not fit, only the newest is kept. Bytes that are no UTF-8 become U+FFFD.
 */
export class LineAssembler {
  private held: Buffer[] = [];
  private heldBytes = 0;
  private droppedBytes = 0;

  push(chunk: Uint8Array): string[] {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: string[] = [];
    let at = 0;
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, at)) {
      this.hold(bytes.subarray(at, end));
      lines.push(this.take());
      at = end + 1;
    }
    this.hold(bytes.subarray(at));
    return lines;
  }

  /** What came after the last line end; null when nothing did. */
  end(): string | null {
    return this.heldBytes === 0 && this.droppedBytes === 0 ? null : this.take();
  }

  /** The line that is not whole yet; '' when there is none. */
  peek(): string {
    return this.text();
  }

  private hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.heldBytes + bytes.length <= LINE_LIMIT_BYTES && this.droppedBytes === 0) {
      this.keep(bytes);
      return;
    }
    const all = this.droppedBytes > 0 ? bytes : Buffer.concat([...this.held, bytes]);
    // The last byte may be the first half of a line end.
    const returned = all.lastIndexOf(RETURN, -2);
    if (returned !== -1) {
      this.clear();
      this.hold(all.subarray(returned + 1));
      return;
    }
    if (this.droppedBytes === 0) {
      this.clear();
      this.keep(all.subarray(0, LINE_LIMIT_BYTES));
      this.droppedBytes = all.length - LINE_LIMIT_BYTES;
    } else this.droppedBytes += all.length;
  }

  /** A copy: a few bytes must not keep a whole chunk in memory. */
  private keep(bytes: Buffer): void {
    this.held.push(Buffer.from(bytes));
    this.heldBytes += bytes.length;
  }

  private take(): string {
    const text = this.text();
    this.clear();
    return text;
  }

  private text(): string {
    const bytes = Buffer.concat(this.held);
    if (this.droppedBytes === 0) return bytes.toString('utf8');
    const head = withoutCutWord(new TextDecoder().decode(bytes, { stream: true }));
    const left = bytes.length - Buffer.byteLength(head) + this.droppedBytes;
    return `${head} … [${left} more bytes]`;
  }

  private clear(): void {
    this.held = [];
    this.heldBytes = 0;
    this.droppedBytes = 0;
  }
}

const LONGEST_WORD = 512;

/** A word that the cut goes through could be a secret that is not known by its half. */
function withoutCutWord(text: string): string {
  let end = text.length;
  while (end > 0 && text.length - end < LONGEST_WORD && /[\w.~+/=%-]/u.test(text[end - 1] as string)) end -= 1;
  return text.slice(0, end);
}
