import { type Charge, type Instance, NO_CHARGE, type Volume } from '../../vast/model.js';
import { HOURS_PER_MONTH, isGpuBilled, priceOfInstance } from '../price.js';
import type { Spending } from './spending.js';
import { DAY_MS, type DayWindow, daysOf } from './utc-days.js';

const HOUR_MS = 3_600_000;

/**
 * What an instance will have cost, by its price and age, without the platform's bill: as if it had run all the time when it
 * runs now, its disk alone when it does not. Traffic is not known. Null when the API does not tell the price or the age.
 */
export function estimateSpentUsd(instance: Instance, nowMs: number): number | null {
  const charge = estimateCharge(instance, { fromMs: instance.startDateMs ?? nowMs, toMs: nowMs });
  return instance.startDateMs === null || charge === null ? null : charge.kinds.gpu + charge.kinds.disk;
}

/** The same for every day of the window. Machines that are gone are not in it. */
export function estimateSpending(
  facts: { instances: readonly Instance[]; volumes: readonly Volume[]; nowMs: number },
  window: DayWindow,
  reason: string,
): Spending {
  const chargesOf = (fromMs: number, toMs: number): Charge[] => [
    ...facts.instances.flatMap((instance) => estimateCharge(instance, { fromMs, toMs }) ?? []),
    ...facts.volumes.flatMap((volume) => estimateVolume(volume, { fromMs, toMs }) ?? []),
  ];
  const days = daysOf(window).map((dayMs) => ({
    dayMs,
    charges: chargesOf(dayMs, Math.min(dayMs + DAY_MS, facts.nowMs)),
    isEstimate: true,
  }));
  return {
    window,
    charges: chargesOf(window.firstDayMs, facts.nowMs),
    today: days.at(-1)?.charges ?? [],
    days,
    estimateReason: reason,
  };
}

interface Span {
  fromMs: number;
  toMs: number;
}

function estimateCharge(instance: Instance, span: Span): Charge | null {
  const { runningPerHourUsd, stoppedPerDayUsd } = priceOfInstance(instance);
  const { startDateMs } = instance;
  if (startDateMs === null) return null;
  const hours = hoursIn(span, startDateMs);
  const diskPerHour = stoppedPerDayUsd === null ? null : stoppedPerDayUsd / 24;
  const isRunning = isGpuBilled(instance);
  if (hours === 0 || (isRunning ? runningPerHourUsd : diskPerHour) === null) return null;
  const disk = hours * (diskPerHour ?? 0);
  const gpu = isRunning ? Math.max(0, hours * (runningPerHourUsd ?? 0) - disk) : 0;
  return row(`instance-${instance.id}`, instance, { gpu, disk, span, startDateMs });
}

function estimateVolume(volume: Volume, span: Span): Charge | null {
  const { startDateMs, storageCostPerGbMonth: price, diskSpaceGb: size } = volume;
  if (startDateMs === null || price === null || size === null) return null;
  const hours = hoursIn(span, startDateMs);
  if (hours === 0) return null;
  return row(`volume-${volume.id}`, volume, {
    gpu: 0,
    disk: (hours * price * size) / HOURS_PER_MONTH,
    span,
    startDateMs,
  });
}

function row(
  source: string,
  owner: { id: number; label: string | null },
  { gpu, disk, span, startDateMs }: { gpu: number; disk: number; span: Span; startDateMs: number },
): Charge {
  return {
    source,
    type: source.split('-')[0] ?? source,
    contractId: owner.id,
    label: owner.label,
    startMs: Math.max(span.fromMs, startDateMs),
    endMs: span.toMs,
    kinds: { ...NO_CHARGE, gpu, disk },
  };
}

function hoursIn({ fromMs, toMs }: Span, bornMs: number): number {
  return Math.max(0, toMs - Math.max(fromMs, bornMs)) / HOUR_MS;
}
