import { ByteReader } from './byte-reader.js';
import { decodeArchive } from './tar-decoder.js';
import { BrokenArchive } from './tar-format.js';
import type { Range } from './tree-entry.js';

/**
 * Where the data of a file lies, from the beginning of an archive with it: tar asks the system, which knows. Null when the
 * archive does not say.
 */
export async function readFirstMap(archive: AsyncIterable<Buffer>, size: number): Promise<Range[] | null> {
  try {
    for await (const entry of decodeArchive(new ByteReader(archive))) {
      if (entry.kind !== 'file' || entry.size !== size) return null;
      return entry.map ?? [{ offset: 0, length: size }];
    }
  } catch (error) {
    if (!(error instanceof BrokenArchive)) throw error;
  }
  return null;
}
