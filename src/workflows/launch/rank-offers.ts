import type { Offer } from '../../vast/model.js';
import { EXPECTED_DOWNLOAD_GB, estimatePrice } from '../price.js';

/** What a Forge user should know of an offer before choosing it. */
export interface OfferVerdict {
  offer: Offer;
  /** Higher is better: generation speed for the money, lowered for what makes a machine slow to start or likely to fail. */
  value: number;
  /** Minutes to fetch image and model at the host's line speed; null when the speed is not known. */
  downloadMinutes: number | null;
  good: string[];
  bad: string[];
}

/** Memory below which SDXL models swap. */
const COMFORTABLE_GPU_RAM_MB = 16_000;

function judgeOffer(offer: Offer, diskGb: number): OfferVerdict {
  const price = estimatePrice(offer, diskGb);
  const good: string[] = [];
  const bad: string[] = [];
  const reliability = offer.reliability ?? 0.9;
  if (reliability >= 0.995) good.push('very reliable');
  if (reliability < 0.97) bad.push(`reliability ${(reliability * 100).toFixed(1)}%`);
  const downloadMinutes = minutesToDownload(offer);
  if (downloadMinutes !== null && downloadMinutes > 15)
    bad.push(`slow line: ~${Math.round(downloadMinutes)} min to start`);
  if (downloadMinutes !== null && downloadMinutes <= 4) good.push('fast line');
  if ((offer.directPortCount ?? 0) < 1) bad.push('no direct ports');
  if (!offer.verified) bad.push('not verified');
  if (offer.gpuRamMb < COMFORTABLE_GPU_RAM_MB) bad.push(`${Math.round(offer.gpuRamMb / 1024)} GB of video memory`);
  if (price.downloadUsd > price.runningPerHourUsd) bad.push('download costs more than an hour');
  if (offer.hostingType === 1) good.push('datacenter');
  const speed = (offer.dlperf ?? 1) * (offer.gpuRamMb < COMFORTABLE_GPU_RAM_MB ? 0.7 : 1);
  const cost = price.runningPerHourUsd + price.downloadUsd / 4;
  const value = (speed / Math.max(cost, 0.001)) * reliability ** 8 * startFactor(downloadMinutes) * portFactor(offer);
  return { offer, value, downloadMinutes, good, bad };
}

/** Best first; equal values by price, then by id, so that the order never depends on the API's. */
export function rankOffers(offers: readonly Offer[], diskGb: number): OfferVerdict[] {
  return offers
    .map((offer) => judgeOffer(offer, diskGb))
    .sort(
      (one, other) =>
        other.value - one.value || one.offer.dphTotal - other.offer.dphTotal || one.offer.id - other.offer.id,
    );
}

/** By what the first hour costs, download included. */
export function cheapestFirst(offers: readonly Offer[], diskGb: number): Offer[] {
  const cost = (offer: Offer): number => estimatePrice(offer, diskGb).firstHourUsd;
  return [...offers].sort((one, other) => cost(one) - cost(other) || one.id - other.id);
}

function minutesToDownload(offer: Offer): number | null {
  const { inetDownMbitPerS: line } = offer;
  return line === null || line <= 0 ? null : (EXPECTED_DOWNLOAD_GB * 8000) / line / 60;
}

/** A quarter of an hour of paid waiting is worth about a fifth of the choice. */
function startFactor(downloadMinutes: number | null): number {
  return 1 / (1 + (downloadMinutes ?? 20) / 60);
}

function portFactor(offer: Offer): number {
  return (offer.directPortCount ?? 0) >= 1 ? 1 : 0.8;
}
