import { createHash } from 'node:crypto';
import { constants, promises as files } from 'node:fs';
import { type BytePath, toBytes } from '../../instance/files/byte-path.js';
import { ByteReader } from '../../instance/files/byte-reader.js';
import type { Range } from '../../instance/files/tree-entry.js';
import { ShorterThanListed } from './problems.js';

const CHUNK_BYTES = 512 * 1024;
/** Two buffers in turn: the next piece is read while the last one is on its way. A piece is good until the next but one. */
export async function* readLocalRanges(file: BytePath, ranges: readonly Range[]): AsyncGenerator<Buffer> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const handle = await files.open(toBytes(file), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const buffers = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
    let turn = 0;
    const readNext = (pieces: Iterator<Range>): Promise<Buffer> | null => {
      const { done, value } = pieces.next();
      turn += 1;
      return done === true ? null : readPiece(handle, buffers[turn % 2] as Buffer, value);
    };
    const pieces = cutUp(ranges);
    for (let next = readNext(pieces); next !== null; ) {
      const piece = await next;
      next = readNext(pieces);
      next?.catch(() => {});
      yield piece;
    }
  } finally {
    await handle.close();
  }
}

function* cutUp(ranges: readonly Range[]): Generator<Range> {
  for (const { offset, length } of ranges)
    for (let at = 0; at < length; at += CHUNK_BYTES)
      yield { offset: offset + at, length: Math.min(CHUNK_BYTES, length - at) };
}

async function readPiece(handle: files.FileHandle, buffer: Buffer, { offset, length }: Range): Promise<Buffer> {
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) throw new ShorterThanListed();
    done += bytesRead;
  }
  return buffer.subarray(0, length);
}

export async function writeLocalRanges(
  file: BytePath,
  ranges: readonly Range[],
  content: AsyncIterable<Buffer>,
): Promise<void> {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW } = constants;
  const handle = await files.open(toBytes(file), O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600);
  const reader = new ByteReader(content);
  try {
    for (const { offset, length } of ranges) {
      for (let done = 0; done < length; ) {
        const chunk = await reader.some(length - done);
        if (chunk === null) throw new ShorterThanListed();
        await writeWhole(handle, chunk, offset + done);
        done += chunk.length;
      }
    }
    // Whoever gives the content says only behind its end whether it was whole.
    await reader.some(1);
  } finally {
    await reader.close();
    await handle.close();
  }
}

async function writeWhole(handle: files.FileHandle, chunk: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, offset + done);
    done += bytesWritten;
  }
}

/** SHA-256 of one range; null when it cannot be read whole. */
export async function hashLocalRange(
  file: BytePath,
  range: Range,
  onBytes: (bytes: number) => void = () => {},
): Promise<string | null> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of readLocalRanges(file, [range])) {
      hash.update(chunk);
      onBytes(chunk.length);
    }
  } catch (error) {
    if (error instanceof ShorterThanListed || (error as NodeJS.ErrnoException).code !== undefined) return null;
    throw error;
  }
  return hash.digest('hex');
}
