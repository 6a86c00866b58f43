import { formatPerHour, formatUsd } from '../ui/format.js';
import type { TableColumn } from '../ui/table.js';
import type { OfferVerdict } from '../workflows/offers/rank-offers.js';
import { estimatePrice } from '../workflows/price.js';
import type { ForgeContext } from './context.js';

export function offerDocument(verdict: OfferVerdict, diskGb: number): Record<string, unknown> {
  const { offer } = verdict;
  const price = estimatePrice(offer, diskGb);
  return {
    id: offer.id,
    machine_id: offer.machineId,
    host_id: offer.hostId,
    gpu_name: offer.gpuName,
    num_gpus: offer.numGpus,
    gpu_ram_mb: offer.gpuRamMb,
    price_per_hour_usd: offer.dphTotal,
    gpu_price_per_hour_usd: offer.dphBase,
    stopped_price_per_day_usd: price.stoppedPerDayUsd,
    download_estimate_usd: price.downloadUsd,
    first_hour_usd: price.firstHourUsd,
    min_bid_per_hour_usd: offer.minBid,
    disk_gb: diskGb,
    disk_available_gb: offer.diskSpaceGb,
    reliability: offer.reliability,
    verified: offer.verified,
    inet_down_mbit_per_s: offer.inetDownMbitPerS,
    inet_up_mbit_per_s: offer.inetUpMbitPerS,
    download_minutes: verdict.downloadMinutes === null ? null : tenths(verdict.downloadMinutes),
    boot_minutes: tenths(verdict.bootMinutes),
    direct_port_count: offer.directPortCount,
    cuda_max: offer.cudaMaxGood,
    compute_cap: offer.computeCap,
    driver_version: offer.driverVersion,
    runs_image: verdict.fit.verdict,
    dlperf: offer.dlperf,
    geolocation: offer.geolocation,
    duration_s: offer.durationS,
    value: Math.round(verdict.value * 100) / 100,
    good: verdict.good,
    bad: verdict.bad,
  };
}

function tenths(minutes: number): number {
  return Math.round(minutes * 10) / 10;
}

export function offerColumns(diskGb: number): TableColumn<OfferVerdict>[] {
  const price = (verdict: OfferVerdict) => estimatePrice(verdict.offer, diskGb);
  return [
    { header: 'OFFER', value: (row) => String(row.offer.id), align: 'right' },
    { header: 'GPU', value: (row) => `${row.offer.numGpus}x ${row.offer.gpuName}` },
    { header: 'MEMORY', value: (row) => `${Math.round(row.offer.gpuRamMb / 1024)} GB`, align: 'right', priority: 4 },
    { header: '$/H', value: (row) => formatPerHour(price(row).runningPerHourUsd), align: 'right' },
    { header: '1ST HOUR', value: (row) => formatUsd(price(row).firstHourUsd), align: 'right', priority: 2 },
    { header: 'VALUE', value: (row) => row.value.toFixed(0), align: 'right', priority: 3 },
    { header: 'START', value: (row) => bootWords(row.bootMinutes), align: 'right', priority: 3 },
    { header: 'WHERE', value: (row) => row.offer.geolocation ?? '-', priority: 5 },
    { header: 'RELIABLE', value: (row) => percent(row.offer.reliability), align: 'right', priority: 3 },
  ];
}

export async function offerTable(
  verdicts: readonly OfferVerdict[],
  diskGb: number,
  context: ForgeContext,
): Promise<string> {
  return context.table(verdicts, [
    ...offerColumns(diskGb),
    { header: 'NOTES', value: (row) => notes(row), priority: 6 },
  ]);
}

/** One row of the searchable list of `launch`. */
export function offerChoiceLine(verdict: OfferVerdict, diskGb: number): { name: string; description: string } {
  const { offer } = verdict;
  const price = estimatePrice(offer, diskGb);
  return {
    name: `${formatPerHour(price.runningPerHourUsd).padStart(9)}  ${`${offer.numGpus}x ${offer.gpuName}`.padEnd(16)} ${(offer.geolocation ?? '').padEnd(16)} ${percent(offer.reliability)}  ${bootWords(verdict.bootMinutes).padStart(7)}  #${offer.id}`,
    description: [
      `first hour ${formatUsd(price.firstHourUsd)}`,
      `${bootWords(verdict.bootMinutes)} until Forge answers`,
      notes(verdict),
    ]
      .filter((part) => part !== '')
      .join(' · '),
  };
}

/** "~7 min" */
export function bootWords(minutes: number): string {
  return `~${Math.round(minutes)} min`;
}

function notes({ good, bad }: OfferVerdict): string {
  return [...bad.map((text) => `- ${text}`), ...good.map((text) => `+ ${text}`)].join(', ');
}

function percent(fraction: number | null): string {
  return fraction === null ? '-' : `${(fraction * 100).toFixed(1)}%`;
}
