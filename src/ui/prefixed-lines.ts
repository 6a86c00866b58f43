import { Writable } from 'node:stream';
import { cleanLine } from './sanitize.js';

/** A line without an end must not be kept for ever. */
const LONGEST_LINE = 64 * 1024;

export interface PrefixOptions {
  prefix: string;
  into: Writable;
  /** On a terminal no line may move the cursor or pretend to be another machine's; a pipe gets the bytes as they are. */
  isTerminal: boolean;
}

/** Whole lines, each with its prefix; several of these share one stream. A last line without an end gets one. */
export class PrefixedLines extends Writable {
  private readonly prefix: Buffer;
  private readonly options: PrefixOptions;
  private rest: Buffer = Buffer.alloc(0);

  constructor(options: PrefixOptions) {
    super();
    this.options = options;
    this.prefix = Buffer.from(options.prefix);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const bytes = Buffer.concat([this.rest, chunk]);
    const end = bytes.lastIndexOf(0x0a) + 1;
    const isTooLong = bytes.length - end > LONGEST_LINE;
    this.rest = isTooLong ? Buffer.alloc(0) : bytes.subarray(end);
    const whole = isTooLong ? bytes : bytes.subarray(0, end);
    if (whole.length === 0) done();
    else this.hand(whole, done);
  }

  override _final(done: () => void): void {
    const { rest } = this;
    this.rest = Buffer.alloc(0);
    if (rest.length === 0) done();
    else this.hand(rest, done);
  }

  /** `done` waits for the shared stream, so a slow reader slows all machines. */
  private hand(bytes: Buffer, done: () => void): void {
    const { into } = this.options;
    if (into.destroyed || into.write(this.format(bytes))) done();
    else {
      const go = (): void => {
        into.off('drain', go).off('close', go);
        done();
      };
      into.once('drain', go).once('close', go);
    }
  }

  private format(bytes: Buffer): Buffer {
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const next = bytes.indexOf(0x0a, at);
      const end = next === -1 ? bytes.length : next;
      parts.push(this.prefix, this.line(bytes.subarray(at, end)), Buffer.from('\n'));
      at = end + 1;
    }
    return Buffer.concat(parts);
  }

  private line(bytes: Buffer): Buffer {
    if (!this.options.isTerminal) return bytes;
    // A progress bar draws over itself: what it showed last counts.
    const shown = bytes.toString('utf8').trimEnd().split('\r').at(-1) ?? '';
    const indent = /^[ \t]*/u.exec(shown)?.[0].replaceAll('\t', '        ') ?? '';
    return Buffer.from(indent + cleanLine(shown.replaceAll('\t', '        ')));
  }
}
