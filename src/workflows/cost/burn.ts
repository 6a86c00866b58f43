import type { Instance, Volume } from '../../vast/model.js';
import { billedNowPerHourUsd, HOURS_PER_MONTH, isGpuBilled } from '../price.js';

/** What is billed at this moment. */
export interface Burn {
  perHourUsd: number;
  runningPerHourUsd: number;
  /** Disks of machines that do not run. */
  disksPerHourUsd: number;
  volumesPerHourUsd: number;
  running: number;
  notRunning: number;
  volumes: number;
  /** False when the API does not tell some price: then it is more than this. */
  isComplete: boolean;
}

export function burnOf(instances: readonly Instance[], volumes: readonly Volume[]): Burn {
  const running = instances.filter(isGpuBilled);
  const notRunning = instances.filter((instance) => !isGpuBilled(instance));
  const prices = {
    running: running.map(billedNowPerHourUsd),
    disks: notRunning.map(billedNowPerHourUsd),
    volumes: volumes.map(volumePerHourUsd),
  };
  const [runningPerHourUsd, disksPerHourUsd, volumesPerHourUsd] = [
    sum(prices.running),
    sum(prices.disks),
    sum(prices.volumes),
  ];
  return {
    perHourUsd: runningPerHourUsd + disksPerHourUsd + volumesPerHourUsd,
    runningPerHourUsd,
    disksPerHourUsd,
    volumesPerHourUsd,
    running: running.length,
    notRunning: notRunning.length,
    volumes: volumes.length,
    isComplete: ![...prices.running, ...prices.disks, ...prices.volumes].includes(null),
  };
}

export function volumePerHourUsd({ diskSpaceGb, storageCostPerGbMonth }: Volume): number | null {
  return diskSpaceGb === null || storageCostPerGbMonth === null
    ? null
    : (diskSpaceGb * storageCostPerGbMonth) / HOURS_PER_MONTH;
}

/** How long the credit lasts; null when nothing is billed, or when the credit is not known. */
export function creditLastsMs(creditUsd: number | null, { perHourUsd }: Pick<Burn, 'perHourUsd'>): number | null {
  return creditUsd === null || perHourUsd <= 0 ? null : (Math.max(0, creditUsd) / perHourUsd) * 3_600_000;
}

function sum(prices: readonly (number | null)[]): number {
  return prices.reduce<number>((total, price) => total + (price ?? 0), 0);
}
