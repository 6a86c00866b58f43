import { type Range, rangesBytes } from '../../instance/files/tree-entry.js';

const MOST_SHARE_BYTES = 128 * 1024 * 1024;
/** Each range costs the machine a process. */
const MOST_RANGES = 512;

/** What of the ranges lies between two offsets. */
export function clip(ranges: readonly Range[], from: number, until: number): Range[] {
  return ranges.flatMap(({ offset, length }) => {
    const start = Math.max(offset, from);
    const end = Math.min(offset + length, until);
    return end > start ? [{ offset: start, length: end - start }] : [];
  });
}

/** The same bytes in ranges of at most so many. */
export function cutRanges(ranges: readonly Range[], most: number): Range[] {
  return ranges.flatMap(({ offset, length }) =>
    Array.from({ length: Math.ceil(length / most) }, (_, index) => {
      const at = index * most;
      return { offset: offset + at, length: Math.min(most, length - at) };
    }),
  );
}

/** Shares for several lanes: neighbours stay together, and the last lane does not wait long for the others. */
export function splitForLanes(ranges: readonly Range[], lanes: number, leastBytes: number): Range[][] {
  const fair = rangesBytes(ranges) / (lanes * 2);
  const most = Math.min(MOST_SHARE_BYTES, Math.max(leastBytes, roundUp(fair)));
  const shares: Range[][] = [];
  let room = 0;
  for (const range of joinNear(ranges)) {
    for (const piece of cutAt(range, () => room || most)) {
      if (room === 0 || (shares.at(-1)?.length ?? 0) >= MOST_RANGES) {
        shares.push([]);
        room = most;
      }
      shares.at(-1)?.push(piece);
      room -= piece.length;
    }
  }
  return shares;
}

/** Whole megabytes, so that pages and blocks are not shared. */
function roundUp(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20) * 2 ** 20;
}

function* cutAt({ offset, length }: Range, room: () => number): Generator<Range> {
  for (let done = 0; done < length; ) {
    const take = Math.min(length - done, room());
    yield { offset: offset + done, length: take };
    done += take;
  }
}

/** A file in thousands of shreds is cheaper with its small holes. */
function joinNear(ranges: readonly Range[]): Range[] {
  const gap = ranges.length > MOST_RANGES ? 2 ** 20 : 0;
  const joined: Range[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    if (last !== undefined && range.offset - (last.offset + last.length) <= gap)
      last.length = range.offset + range.length - last.offset;
    else joined.push({ ...range });
  }
  return joined;
}
