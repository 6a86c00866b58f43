import { memoryUsage } from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Without a word it looks through the whole heap. */
type Collect = (options?: { type: 'minor' }) => void;

const MiB = 1024 * 1024;
const EVERY_BYTES = 4 * MiB;
/** Well below the 64 MiB at which V8 looks through its whole heap by itself. */
const MOST_BYTES = 16 * MiB;
/** A look at everything takes some 20 ms. */
const EVERYTHING_EVERY_BYTES = 48 * MiB;

let collect: Collect | null | undefined;
let bytesSince = 0;
let bytesSinceEverything = 0;

/**
 * Each read from the network is a buffer outside of V8's heap. V8 counts them, and looks through its whole heap when they
 * are many, though nearly all have died young: that was two fifths of a download's CPU time. Asked in time for a look at its
 * young objects, it frees them in a third of a millisecond. Does nothing where V8 cannot be asked.
 */
export function sweepYoungBuffers(received: number): void {
  bytesSince += received;
  if (bytesSince < EVERY_BYTES) return;
  bytesSince = 0;
  collector()?.({ type: 'minor' });
}

/**
 * What waited in a queue for two such looks counts as old; when much of that has gathered, V8 is asked to look through its
 * whole heap. For copies, whose queues are long and whose pauses nobody feels.
 */
export function sweepOldBuffers(received: number): void {
  bytesSinceEverything += received;
  if (bytesSinceEverything < EVERYTHING_EVERY_BYTES) return;
  // The question has a price, too.
  bytesSinceEverything -= EVERY_BYTES;
  if (memoryUsage().arrayBuffers < MOST_BYTES) return;
  bytesSinceEverything = 0;
  collector()?.();
}

/**
 * For work on long lists that goes on for long: V8 keeps its space for young objects as it is, instead of letting it grow to
 * three times 16 MiB as soon as a list is read. Unknown flags are ignored by V8.
 */
export function keepYoungSpaceSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

function collector(): Collect | null {
  if (collect === undefined) collect = findCollector();
  return collect;
}

function findCollector(): Collect | null {
  try {
    setFlagsFromString('--expose-gc');
    const found = runInNewContext('gc') as unknown;
    return typeof found === 'function' ? (found as Collect) : null;
  } catch {
    return null;
  }
}
