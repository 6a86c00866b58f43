import { EXIT } from '../errors.js';

const leave = (): void => process.exit(process.exitCode ?? EXIT.done);
let onReaderGone = leave;

/** `forgectl ls | head -1` ends well: a reader that has gone is not an error (as gh and ls do). */
export function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // EIO: a terminal that was closed.
      if (error.code === 'EPIPE' || error.code === 'EIO') onReaderGone();
      else throw error;
    });
  }
}

/** What to do instead of leaving at once when nobody reads any more: a command on a machine has to be ended first. */
export function whenReaderGone(act: () => void): () => void {
  onReaderGone = act;
  return () => {
    onReaderGone = leave;
  };
}
