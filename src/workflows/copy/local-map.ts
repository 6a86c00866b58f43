import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import { type BytePath, nameOf, parentOf, toBytes, toText } from '../../instance/files/byte-path.js';
import { readFirstMap } from '../../instance/files/tar-map.js';
import type { Range } from '../../instance/files/tree-entry.js';
import { clip } from './ranges.js';

/** Node cannot ask where holes are. tar can; where it is another one, or none, the file is read. */
export async function mapLocalFile(file: BytePath, size: number): Promise<Range[]> {
  return (size < WORTH_ASKING_BYTES ? null : await askTar(file, size)) ?? readThrough(file, size);
}

/** Below, a look takes less time than the start of a program. */
const WORTH_ASKING_BYTES = 64 * 1024 * 1024;

async function askTar(file: BytePath, size: number): Promise<Range[] | null> {
  // A program's words must be text; a list on its input may be any bytes.
  const words = ['-c', '-S', '-f', '-', '--format=gnu', '-C', toText(parentOf(file)), '--null', '-T', '-'];
  if (toText(parentOf(file)).includes('\uFFFD')) return null;
  const tar = spawn('tar', words, {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
  });
  const ended = new Promise<void>((resolve) => tar.once('error', () => resolve()).once('exit', () => resolve()));
  tar.stdin.on('error', () => {});
  tar.stdin.end(Buffer.concat([Buffer.from('./'), toBytes(nameOf(file)), Buffer.from([0])]));
  const map = await readFirstMap(tar.stdout as AsyncIterable<Buffer>, size).catch(() => null);
  tar.stdout.destroy();
  tar.kill();
  await ended;
  return map;
}

/** What is looked at as a whole: data, or a piece of a hole. */
const GRAIN_BYTES = 64 * 1024;
/** Read in a row, before timers and the network get their turn. */
const TURN_BYTES = 8 * 1024 * 1024;
const ZEROS = Buffer.alloc(GRAIN_BYTES);

async function readThrough(file: BytePath, size: number): Promise<Range[]> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const handle = openSync(toBytes(file), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  const buffer = Buffer.allocUnsafe(2 * GRAIN_BYTES);
  const map: Range[] = [];
  try {
    for (let offset = 0; offset < size; offset += buffer.length) {
      if (offset % TURN_BYTES === 0) await breathe();
      const bytes = readSync(handle, buffer, 0, buffer.length, offset);
      for (let at = 0; at < bytes; at += GRAIN_BYTES) {
        const grain = buffer.subarray(at, Math.min(at + GRAIN_BYTES, bytes));
        if (!grain.equals(ZEROS.subarray(0, grain.length))) extend(map, offset + at, grain.length);
      }
    }
  } finally {
    closeSync(handle);
  }
  return clip(map, 0, size);
}

function extend(map: Range[], offset: number, length: number): void {
  const last = map.at(-1);
  if (last !== undefined && last.offset + last.length === offset) last.length += length;
  else map.push({ offset, length });
}
