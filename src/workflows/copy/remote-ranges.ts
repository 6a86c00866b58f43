import type { BytePath } from '../../instance/files/byte-path.js';
import { ByteReader } from '../../instance/files/byte-reader.js';
import { mapScript, readRangesScript, writeRangesScript } from '../../instance/files/file-scripts.js';
import { readFirstMap } from '../../instance/files/tar-map.js';
import { type Range, rangesBytes, type TreeEntry } from '../../instance/files/tree-entry.js';
import { commandFailed, lastLine, ShorterThanListed, Unreadable } from './problems.js';
import { feed, type RemoteRunner } from './remote-runner.js';

interface RangeRequest {
  file: BytePath;
  ranges: readonly Range[];
  name: string;
}

export async function* readRemoteRanges(
  runner: RemoteRunner,
  { file, ranges }: Pick<RangeRequest, 'file' | 'ranges'>,
): AsyncGenerator<Buffer> {
  const running = await runner.start(readRangesScript(file));
  let missing = rangesBytes(ranges);
  try {
    const fed = feed(running, [Buffer.from(ranges.map(lineOf).join(''))]);
    for await (const chunk of running.output) {
      // What is more than was asked for is not ours.
      if (missing > 0) yield chunk.length > missing ? chunk.subarray(0, missing) : chunk;
      missing -= chunk.length;
    }
    await fed;
    const end = await running.ended;
    if (end.exitCode !== 0) throw new Unreadable(lastLine(end.stderr));
    // The file has become shorter: whoever asked looks at it again before it is kept.
    if (missing > 0) throw new ShorterThanListed();
  } finally {
    running.cut(new Error('left'));
  }
}

export async function writeRemoteRanges(
  runner: RemoteRunner,
  { file, ranges, name }: RangeRequest,
  content: AsyncIterable<Buffer>,
): Promise<void> {
  const running = await runner.start(writeRangesScript(file), { mayPause: true });
  try {
    await feed(running, framed(ranges, content));
  } catch (error) {
    running.cut(error);
    throw error;
  }
  for await (const _ of running.output);
  const end = await running.ended;
  if (end.exitCode !== 0) throw commandFailed('write the file', name, end);
}

/** Each range's line, and its bytes behind it. */
async function* framed(ranges: readonly Range[], content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const reader = new ByteReader(content);
  try {
    for (const range of ranges) {
      yield Buffer.from(lineOf(range));
      for (let missing = range.length; missing > 0; ) {
        const chunk = await reader.some(missing);
        if (chunk === null) throw new ShorterThanListed();
        missing -= chunk.length;
        yield chunk;
      }
    }
    // Whoever gives the content says only behind its end whether it was whole.
    await reader.some(1);
  } finally {
    await reader.close();
  }
}

function lineOf({ offset, length }: Range): string {
  return `${offset} ${length}\n`;
}

/** The machine's tar knows where the holes are; only the beginning of its archive is read. */
export async function readMap(runner: RemoteRunner, file: BytePath, entry: TreeEntry): Promise<Range[]> {
  const { output } = await runner.ask(mapScript(file));
  const archive = (async function* (): AsyncGenerator<Buffer> {
    yield output;
  })();
  return (await readFirstMap(archive, entry.size)) ?? [{ offset: 0, length: entry.size }];
}
