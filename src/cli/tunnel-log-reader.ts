import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { systemClock } from '../clock.js';

const LOOK_EVERY_MS = 200;

/** The last lines; none when there is no such file. */
export function lastLines(file: string, count: number): string[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return count <= 0 ? [] : lines.slice(-count);
}

/** Whole lines as they are written, from the end that the file has now; a file that was begun anew is read from its start. */
export async function followLines(
  file: string,
  { signal, isOver, onLine }: { signal: AbortSignal; isOver: () => boolean; onLine: (line: string) => void },
): Promise<void> {
  let at = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  let rest = '';
  for (;;) {
    // Asked before the look, so that its last words are read too.
    const isLast = isOver();
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size < at) at = 0;
    if (size > at) {
      const lines = (rest + (await read(file, at, size))).split('\n');
      at = size;
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    }
    if (isLast || signal.aborted) return;
    await systemClock.sleep(LOOK_EVERY_MS, signal).catch(() => {});
  }
}

async function read(file: string, start: number, size: number): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(file, { start, end: size - 1 })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
