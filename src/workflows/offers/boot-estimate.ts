import type { Offer } from '../../vast/model.js';
import { EXPECTED_DOWNLOAD_GB } from '../price.js';

/** Layers are unpacked while they arrive; beyond this a faster line makes no difference (hosts' disks, the registry). */
const USEFUL_LINE_MBIT_PER_S = 2500;
/** Container, boot scripts and Forge's own start, once everything is there. instance.md 2, 14. */
const START_MINUTES = 4;
/** A host that does not tell its line is taken for a slow one. */
const UNKNOWN_DOWNLOAD_MINUTES = 20;

/** Minutes to fetch image and model; null when the line is not told. */
export function downloadMinutes({ inetDownMbitPerS: line }: Offer): number | null {
  if (typeof line !== 'number' || line <= 0) return null;
  return (EXPECTED_DOWNLOAD_GB * 8000) / Math.min(line, USEFUL_LINE_MBIT_PER_S) / 60;
}

/** Minutes from renting until Forge answers, when nothing goes wrong. */
export function bootMinutes(offer: Offer): number {
  return (downloadMinutes(offer) ?? UNKNOWN_DOWNLOAD_MINUTES) + START_MINUTES;
}
