import { EXIT } from '../errors.js';

/** `forgectl ls | head -1` ends well: a reader that has gone is not an error (as gh and ls do). */
export function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(process.exitCode ?? EXIT.done);
      throw error;
    });
  }
}
