import { BLOCK, padding, RECORD, writeHeader, writeSparseHeader } from './tar-format.js';
import { type Range, rangesBytes } from './tree-entry.js';

/** A file on its way: its content comes with it, and is read once. */
export interface ArchiveFile {
  /** Short and plain: what the file is called at last is not the archive's business. At most 100 bytes. */
  name: string;
  size: number;
  mode: number;
  mtimeS: number;
  owner: { uid: number; gid: number };
  /** Where its data lies when it has holes; null when it has none. */
  map: readonly Range[] | null;
  /** Exactly the bytes of the map, or of the file. */
  content: AsyncIterable<Buffer> | Iterable<Buffer>;
}

const SLAB_BYTES = 256 * 1024;

/** Turns files into the bytes of an archive, in pieces that are worth sending. A piece is good until the next is asked for. */
export async function* encodeArchive(files: AsyncIterable<ArchiveFile>): AsyncGenerator<Buffer> {
  const slab = new Slab();
  for await (const file of files) {
    for (const block of headersOf(file)) yield* slab.add(block);
    for await (const chunk of paddedContent(file)) yield* slab.add(chunk);
  }
  yield* slab.add(Buffer.alloc(2 * BLOCK));
  yield* slab.add(Buffer.alloc((RECORD - (slab.totalBytes % RECORD)) % RECORD));
  yield* slab.flush();
}

function headersOf({ name, size, mode, mtimeS, owner, map }: ArchiveFile): Buffer[] {
  if (name.length > 100) throw new RangeError(`too long for a plain header: ${name}`);
  const fields = { name, typeFlag: '0', mode, mtimeS, owner };
  if (map === null) return [writeHeader({ ...fields, storedBytes: size })];
  // A last region of no length says where the file ends.
  const whole = [...map, { offset: size, length: 0 }];
  return writeSparseHeader({ ...fields, storedBytes: rangesBytes(map) }, whole, size);
}

/** Each region begins at a new block, and so does the next header. */
async function* paddedContent({ size, map, content }: ArchiveFile): AsyncGenerator<Buffer> {
  const lengths = map === null ? [size] : map.map(({ length }) => length);
  let at = 0;
  let left = lengths[0] ?? 0;
  for await (let chunk of content) {
    while (chunk.length > 0) {
      if (at >= lengths.length) throw new RangeError('more content than was announced');
      const piece = chunk.subarray(0, left);
      yield piece;
      chunk = chunk.subarray(piece.length);
      left -= piece.length;
      if (left > 0) break;
      yield Buffer.alloc(padding(lengths[at] ?? 0));
      at += 1;
      left = lengths[at] ?? 0;
    }
  }
  if (left > 0) throw new RangeError('less content than was announced');
}

/** Gathers small pieces. */
class Slab {
  totalBytes = 0;
  private readonly buffer = Buffer.allocUnsafe(SLAB_BYTES);
  private used = 0;

  *add(piece: Buffer): Generator<Buffer> {
    this.totalBytes += piece.length;
    for (let at = 0; at < piece.length; ) {
      const copied = piece.copy(this.buffer, this.used, at);
      at += copied;
      this.used += copied;
      if (this.used === SLAB_BYTES) yield* this.flush();
    }
  }

  *flush(): Generator<Buffer> {
    if (this.used === 0) return;
    const full = this.buffer.subarray(0, this.used);
    this.used = 0;
    yield full;
  }
}
