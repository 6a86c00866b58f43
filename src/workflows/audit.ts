import type { Instance, Volume } from '../vast/model.js';
import { findDeadEnd, isOutbid } from './instance-state.js';
import type { RunRecord } from './journal.js';
import { billedNowPerHourUsd, HOURS_PER_MONTH, priceOfInstance } from './price.js';

/** What costs money without a good reason, the surest first. */
export const FINDING_KINDS = [
  'unfinished',
  'failed',
  'stuck',
  'ended',
  'outbid',
  'stopped',
  'unlabelled',
  'volume',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

export interface Finding {
  kind: FindingKind;
  /** Which of the three it is about. */
  subject: { run: string } | { instanceId: number } | { volumeId: number };
  /** For people: "instance 123 (my-forge)". */
  name: string;
  /** Why it is listed. */
  reason: string;
  /** What it bills now; null when the API does not say, or when that is not known yet. */
  perHourUsd: number | null;
  /** Ending it cannot lose anybody's work: the machine was never handed to anybody. */
  isSafe: boolean;
}

export interface AuditFacts {
  instances: readonly Instance[];
  volumes: readonly Volume[];
  /** Runs that were cut off, with the contracts that they made. */
  cutOff: readonly { run: RunRecord; instanceIds: readonly number[]; label: string | null }[];
  /** Contracts that a forgectl on this computer works on at this moment. */
  inWork: readonly { instanceIds: readonly number[]; label: string | null }[];
  /** When forgectl stopped it, epoch ms; null when it does not know. */
  stoppedSinceMs: (instanceId: number) => number | null;
  nowMs: number;
  /** A machine that is stopped for less is somebody's pause. */
  stoppedForMs: number;
}

/** The API's own tests give a whole start 40 min; a restart may wait for its GPU that long, too. */
const STUCK_AFTER_MS = 45 * 60_000;

/** One finding a thing: the first kind that fits. */
export function findWaste(facts: AuditFacts): Finding[] {
  const runs = facts.cutOff.map((cutOff) => ofRun(cutOff, facts.instances));
  const claimed = [...facts.cutOff, ...facts.inWork];
  const free = facts.instances.filter(
    ({ id, label }) =>
      !claimed.some((run) => run.instanceIds.includes(id) || (run.label !== null && run.label === label)),
  );
  const found = [
    ...runs,
    ...free.flatMap((instance) => ofInstance(instance, facts) ?? []),
    ...facts.volumes.flatMap((volume) => ofVolume(volume, facts.instances) ?? []),
  ];
  return found.sort((one, other) => FINDING_KINDS.indexOf(one.kind) - FINDING_KINDS.indexOf(other.kind));
}

/** $/hour of all findings whose price is known. */
export function totalPerHourUsd(findings: readonly Finding[]): number {
  return findings.reduce((sum, { perHourUsd }) => sum + (perHourUsd ?? 0), 0);
}

function ofRun({ run, instanceIds, label }: AuditFacts['cutOff'][number], instances: readonly Instance[]): Finding {
  const own = instances.filter((row) => instanceIds.includes(row.id) || (label !== null && row.label === label));
  const what =
    own.length === 0
      ? 'it was cut off and left no machine'
      : `it was cut off and left instance ${own.map(({ id }) => id).join(', ')}`;
  const prices = own.map(billedNowPerHourUsd);
  return {
    kind: 'unfinished',
    subject: { run: run.id },
    name: `run ${run.id}`,
    reason: what,
    perHourUsd: prices.includes(null) ? null : prices.reduce<number>((sum, price) => sum + (price ?? 0), 0),
    isSafe: run.kind === 'launch',
  };
}

function ofInstance(instance: Instance, facts: AuditFacts): Finding | null {
  const found = whyInstance(instance, facts);
  if (found === null) return null;
  return {
    ...found,
    subject: { instanceId: instance.id },
    name: `instance ${instance.id}${instance.label === null ? '' : ` (${instance.label})`}`,
    perHourUsd: billedNowPerHourUsd(instance),
    isSafe: false,
  };
}

function whyInstance(instance: Instance, facts: AuditFacts): { kind: FindingKind; reason: string } | null {
  const { nowMs } = facts;
  const ageMs = instance.startDateMs === null ? null : nowMs - instance.startDateMs;
  if (instance.endDateMs !== null && instance.endDateMs <= nowMs) {
    const ended = new Date(instance.endDateMs).toISOString();
    return { kind: 'ended', reason: `its contract ended ${ended}; the host may delete its disk 48 h later` };
  }
  const isOwnStop = facts.stoppedSinceMs(instance.id) !== null;
  if (isOutbid(instance, isOwnStop))
    return { kind: 'outbid', reason: 'somebody bid more; its disk is billed while it waits' };
  if (instance.intendedStatus === 'stopped') return whyStopped(instance, facts);
  const dead = findDeadEnd(instance, isOwnStop);
  if (dead !== null) return { kind: 'failed', reason: dead.reason };
  if (instance.actualStatus !== 'running' && ageMs !== null && ageMs > STUCK_AFTER_MS)
    return { kind: 'stuck', reason: `it is ${instance.actualStatus ?? 'being created'} since ${inDays(ageMs)}` };
  if (instance.label === null) return { kind: 'unlabelled', reason: 'nothing says what it is for' };
  return null;
}

function whyStopped(instance: Instance, facts: AuditFacts): { kind: FindingKind; reason: string } | null {
  const since = facts.stoppedSinceMs(instance.id);
  const known = since ?? instance.startDateMs;
  const lastsMs = known === null ? null : facts.nowMs - known;
  if (lastsMs !== null && lastsMs < facts.stoppedForMs) return null;
  const { stoppedPerDayUsd } = priceOfInstance(instance);
  const price = stoppedPerDayUsd === null ? 'its disk is billed' : `its disk costs $${stoppedPerDayUsd.toFixed(2)}/day`;
  const when = lastsMs === null ? '' : since === null ? ` (rented ${inDays(lastsMs)} ago)` : ` for ${inDays(lastsMs)}`;
  return { kind: 'stopped', reason: `it is stopped${when}; ${price}` };
}

function ofVolume(volume: Volume, instances: readonly Instance[]): Finding | null {
  const users = volume.instanceIds.filter((id) => instances.some((instance) => instance.id === id));
  if (users.length > 0) return null;
  const { diskSpaceGb: size, storageCostPerGbMonth: price } = volume;
  return {
    kind: 'volume',
    subject: { volumeId: volume.id },
    name: `volume ${volume.id}${volume.label === null ? '' : ` (${volume.label})`}`,
    reason: `no instance uses it${size === null ? '' : `; ${size} GB`}`,
    perHourUsd: size === null || price === null ? null : (size * price) / HOURS_PER_MONTH,
    isSafe: false,
  };
}

function inDays(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  if (hours < 1) return `${Math.max(1, Math.floor(ms / 60_000))} min`;
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}
