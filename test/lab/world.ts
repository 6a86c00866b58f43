import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export const run = promisify(execFile);

/** The folder of the lab's world, a file system in memory that ends with it (enter.js, machine/world.sh). */
export function world(): string {
  const folder = process.env['FORGECTL_LAB'];
  if (folder === undefined) throw new Error('not in a lab: run this through test/lab/enter.js');
  return folder;
}
