import type { Instance, Offer } from '../vast/model.js';

/** Hours in a month as the marketplace bills storage (docs: $/GB/month). */
export const HOURS_PER_MONTH = 730;

/** What a first start downloads: image layers and the default model. image: sd-forge, default.sh; rounded up. */
export const EXPECTED_DOWNLOAD_GB = 15;

export interface PriceEstimate {
  /** GPU and disk while running, $/hour. */
  runningPerHourUsd: number;
  /** Disk alone, $/hour: what a stopped machine costs. */
  diskPerHourUsd: number;
  /** Disk alone, $/day. */
  stoppedPerDayUsd: number;
  /** What the host charges for the first download, $. */
  downloadUsd: number;
  /** Everything in the first hour, $: what offers are compared by. */
  firstHourUsd: number;
}

/** `diskGb` must be the number that the offer was searched with as allocated_storage. */
export function estimatePrice(offer: Offer, diskGb: number, bidPerHourUsd: number | null = null): PriceEstimate {
  const diskPerHourUsd = ((offer.storageCostPerGbMonth ?? 0) * diskGb) / HOURS_PER_MONTH;
  const runningPerHourUsd = bidPerHourUsd === null ? offer.dphTotal : bidPerHourUsd + diskPerHourUsd;
  const downloadUsd = (offer.inetDownCostPerGb ?? 0) * EXPECTED_DOWNLOAD_GB;
  return {
    runningPerHourUsd,
    diskPerHourUsd,
    stoppedPerDayUsd: diskPerHourUsd * 24,
    downloadUsd,
    firstHourUsd: runningPerHourUsd + downloadUsd,
  };
}

/** $/hour while running and $/day while stopped, from the instance's own row; null where the API does not say. */
export function priceOfInstance(instance: Instance): {
  runningPerHourUsd: number | null;
  stoppedPerDayUsd: number | null;
} {
  const { storageCostPerGbMonth: storage, diskSpaceGb: disk } = instance;
  return {
    runningPerHourUsd: instance.dphTotal,
    stoppedPerDayUsd: storage === null || disk === null ? null : ((storage * disk) / HOURS_PER_MONTH) * 24,
  };
}

/** What is billed now, $/hour, by the instance's state. GPU is charged only while running; disk always (docs: billing). */
export function billedNowPerHourUsd(instance: Instance): number | null {
  const { runningPerHourUsd, stoppedPerDayUsd } = priceOfInstance(instance);
  if (isGpuBilled(instance)) return runningPerHourUsd;
  return stoppedPerDayUsd === null ? null : stoppedPerDayUsd / 24;
}

export function isGpuBilled({ actualStatus }: Instance): boolean {
  return actualStatus === 'running' || actualStatus === 'frozen';
}
