import { type BytePath, staysInside } from './byte-path.js';
import type { ByteReader } from './byte-reader.js';
import {
  BLOCK,
  BrokenArchive,
  type Header,
  padding,
  RECORD,
  readHeader,
  readSparseBlock,
  readSparseHeader,
} from './tar-format.js';
import { type Range, rangesBytes } from './tree-entry.js';

export interface ArchiveEntry {
  name: BytePath;
  kind: 'file' | 'other';
  size: number;
  mode: number;
  mtimeS: number;
  /** Where the content lies when the file has holes; null when it has none. */
  map: Range[] | null;
  /** To be read, or left, before the next entry is asked for. */
  content: AsyncIterable<Buffer>;
}

/** Longer than any path that Linux takes. */
const LONGEST_NAME_BYTES = 64 * 1024;
const MOST_REGIONS = 1_000_000;

/**
 * The entries of an archive as the machine's tar writes it (GNU's format). It is a stranger's: a name that would lead out
 * of the destination, or anything that is not as it should be, ends the reading with BrokenArchive. Links, devices and
 * the like are `other`, and it is for the caller to have no use for them. Afterwards the reader stands behind the archive.
 */
export async function* decodeArchive(reader: ByteReader): AsyncGenerator<ArchiveEntry> {
  const startBytes = reader.takenBytes;
  let longName: string | null = null;
  for (;;) {
    const block = await takeBlock(reader);
    const header = readHeader(block);
    if (header === null) break;
    if (header.typeFlag === 'L') {
      longName = await readLongName(reader, header);
    } else if (header.typeFlag === 'K') {
      await skipData(reader, header.storedBytes);
    } else {
      const name = longName ?? header.name;
      longName = null;
      yield* readEntry(reader, block, { ...header, name });
    }
  }
  // Two empty blocks end an archive, and the second may begin another record.
  await takeBlock(reader);
  const usedBytes = reader.takenBytes - startBytes;
  if (!(await reader.skip((RECORD - (usedBytes % RECORD)) % RECORD))) throw cutShort();
}

async function* readEntry(reader: ByteReader, block: Buffer, header: Header): AsyncGenerator<ArchiveEntry> {
  const { name, mode, mtimeS, storedBytes } = header;
  const isDirectory = header.typeFlag === '5';
  const path = (isDirectory ? name.replace(/\/$/u, '') : name).replace(/^\.\//u, '');
  if (!staysInside(path)) throw new BrokenArchive('a name in it leads out of the destination');
  const { map, size } =
    header.typeFlag === 'S' ? await readMap(reader, block, storedBytes) : { map: null, size: storedBytes };
  const kind = ['0', '\0', 'S'].includes(header.typeFlag) ? 'file' : 'other';
  const lengths = map === null ? [storedBytes] : map.map(({ length }) => length);
  const content = new Content(reader, lengths);
  yield { name: path as BytePath, kind, size, mode, mtimeS, map, content };
  await content.leave();
}

/** The regions of a file with holes; they lie in order, and within the file. */
async function readMap(
  reader: ByteReader,
  block: Buffer,
  storedBytes: number,
): Promise<{ map: Range[]; size: number }> {
  const { regions, realSize, ...first } = readSparseHeader(block);
  for (let { continues } = first; continues; ) {
    const part = readSparseBlock(await takeBlock(reader));
    regions.push(...part.regions);
    continues = part.continues;
    if (regions.length > MOST_REGIONS) throw new BrokenArchive('a file in it has too many holes');
  }
  let end = 0;
  for (const { offset, length } of regions) {
    if (offset < end || length < 0 || offset + length > realSize) throw new BrokenArchive('a map of holes is damaged');
    end = offset + length;
  }
  const map = regions.filter(({ length }) => length > 0);
  if (rangesBytes(map) !== storedBytes) throw new BrokenArchive('a map of holes does not fit its data');
  return { map, size: realSize };
}

/** Each region is padded to whole blocks. */
class Content implements AsyncIterable<Buffer> {
  private readonly reader: ByteReader;
  private readonly lengths: readonly number[];
  private at = 0;
  private doneBytes = 0;

  constructor(reader: ByteReader, lengths: readonly number[]) {
    this.reader = reader;
    this.lengths = lengths;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (; this.at < this.lengths.length; this.at += 1) {
      const length = this.lengths[this.at] ?? 0;
      while (this.doneBytes < length) {
        const part = await this.reader.some(length - this.doneBytes);
        if (part === null) throw cutShort();
        this.doneBytes += part.length;
        yield part;
      }
      if (!(await this.reader.skip(padding(length)))) throw cutShort();
      this.doneBytes = 0;
    }
  }

  async leave(): Promise<void> {
    for await (const _ of this);
  }
}

async function readLongName(reader: ByteReader, { storedBytes }: Header): Promise<string> {
  if (storedBytes > LONGEST_NAME_BYTES) throw new BrokenArchive('a name in it is too long');
  const bytes = await reader.take(storedBytes);
  if (bytes === null || !(await reader.skip(padding(storedBytes)))) throw cutShort();
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end === -1 ? storedBytes : end);
}

async function skipData(reader: ByteReader, storedBytes: number): Promise<void> {
  if (!(await reader.skip(storedBytes + padding(storedBytes)))) throw cutShort();
}

async function takeBlock(reader: ByteReader): Promise<Buffer> {
  const block = await reader.take(BLOCK);
  if (block === null) throw cutShort();
  return block;
}

function cutShort(): BrokenArchive {
  return new BrokenArchive('it ends too early');
}
