import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning, type ProcessIdentity, thisProcess } from '../../src/process-identity.ts';
import { run, world } from './world.ts';

/** The bridge's own address: where a machine reaches what runs beside the tests. */
export const GATEWAY = '10.213.0.1';
const FIRST = 2;
const LAST = 65_000;

/** A place on the bridge. The name of its device and its hardware address follow from the number. */
export interface Place {
  number: number;
  address: string;
  mac: string;
  link: string;
}

/** Takes a number that no living process of this world has. `keep`: it stays taken when this process ends. */
export function takePlace({ keep }: { keep: boolean }): Place {
  for (let number = FIRST; number < LAST; number += 1) {
    const file = claimFile(number);
    if (isFree(file)) {
      try {
        writeFileSync(file, JSON.stringify(keep ? null : thisProcess()), { flag: 'wx' });
        return placeOf(number);
      } catch {
        // another process was quicker
      }
    }
  }
  throw new Error('no address is free');
}

function isFree(file: string): boolean {
  try {
    const owner = JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity | null;
    if (owner === null || isRunning(owner)) return false;
    rmSync(file, { force: true });
  } catch (error) {
    // Half-written: its owner is just taking it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return false;
  }
  return true;
}

export function placeOf(number: number): Place {
  const [high, low] = [number >> 8, number & 255];
  const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
  // A fixed hardware address: after a reboot the neighbours' tables are still right.
  return {
    number,
    address: `10.213.${high}.${low}`,
    mac: `02:fc:0d:15:${hex(high)}:${hex(low)}`,
    link: `fgl-${number}`,
  };
}

export function releasePlace({ number }: Place): void {
  rmSync(claimFile(number), { force: true });
}

/** Both ends go at once; by itself the kernel takes a moment after the last process of a network has ended. */
export async function removeLink({ link }: Place): Promise<void> {
  await run('ip', ['link', 'delete', link]).catch(() => {});
}

function claimFile(number: number): string {
  return join(world(), 'addresses', String(number));
}
