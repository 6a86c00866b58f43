import { formatDuration } from '../ui/format.js';
import type { Instance } from '../vast/model.js';
import type { Limit } from '../workflows/limits/set-limit.js';

export interface TimeLeft {
  until: 'stop' | 'destroy' | 'contract_end';
  atMs: number;
}

/** What comes first: the limit, or the end of the contract. Null when neither is known. */
export function timeLeft(instance: Instance, limit: Limit | null): TimeLeft | null {
  const ends: TimeLeft[] = instance.endDateMs === null ? [] : [{ until: 'contract_end', atMs: instance.endDateMs }];
  // What is stopped is not stopped again.
  const isMoot = limit?.action === 'stop' && instance.intendedStatus === 'stopped';
  if (limit !== null && !isMoot) ends.push({ until: limit.action, atMs: limit.atMs });
  return ends.sort((one, other) => one.atMs - other.atMs)[0] ?? null;
}

const WORDS = { stop: 'stops', destroy: 'destroyed', contract_end: 'ends' };

/** "stops in 2h 10m" */
export function timeLeftText(left: TimeLeft | null, nowMs: number): string {
  if (left === null) return '-';
  if (left.atMs > nowMs) return `${WORDS[left.until]} in ${formatDuration(left.atMs - nowMs)}`;
  return left.until === 'contract_end' ? 'ended' : `${WORDS[left.until]} now`;
}
