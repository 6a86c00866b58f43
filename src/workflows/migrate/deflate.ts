import type { Instance } from '../../vast/model.js';

/** Slower than this, one core deflates text faster than the line carries it: 70 MB/s were measured. */
const SLOW_MBIT_PER_S = 300;

/**
 * Whether small files go deflated from one machine to the other. Not between neighbours, and not where nothing tells how fast
 * the lines are; what a file's name or beginning shows to be dense is never deflated, nor is any large file.
 */
export function isWorthDeflating(source: Instance, destination: Instance): boolean {
  if (source.publicIpaddr !== null && source.publicIpaddr === destination.publicIpaddr) return false;
  const lines = [source.inetUpMbitPerS, destination.inetDownMbitPerS].filter((line) => line !== null);
  return lines.length > 0 && Math.min(...lines) < SLOW_MBIT_PER_S;
}
