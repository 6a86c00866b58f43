import type { Offer } from '../../vast/model.js';
import { EXPECTED_DOWNLOAD_GB, estimatePrice } from '../price.js';
import { bootMinutes, downloadMinutes } from './boot-estimate.js';
import { fitOf, type ImageNeeds } from './image-needs.js';

/** What a machine is wanted for; the same for all that are compared. */
export interface RankTerms {
  /** Must be what the offers were searched with as allocated_storage. */
  diskGb: number;
  image: ImageNeeds;
  /** $/hour that will be paid instead of the offer's own GPU price; null for on-demand and for the least bid. */
  bidPerHourUsd: number | null;
}

export const PART_NAMES = [
  'speed',
  'memory',
  'price',
  'disk',
  'download',
  'start',
  'reliability',
  'verification',
  'ports',
  'image',
] as const;
export type PartName = (typeof PART_NAMES)[number];

/** One factor of the score, and what it was made from (the unit in the key). */
export interface ScorePart {
  name: PartName;
  factor: number;
  inputs: Record<string, number | string | boolean | null>;
}

/** The first download and the first start are spread over a session of this length. */
const SESSION_HOURS = 2;

/** The factors in order; their product is the score. */
export function scoreParts(offer: Offer, terms: RankTerms): ScorePart[] {
  return [
    speed(offer),
    memory(offer),
    ...costs(offer, terms),
    start(offer),
    ...trust(offer),
    image(offer, terms.image),
  ];
}

export function scoreOf(parts: readonly ScorePart[]): number {
  return parts.reduce((product, { factor }) => product * factor, 1);
}

/** Forge draws on one card, whatever else the machine has. */
export function speedOf({ dlperf, numGpus }: Offer): number | null {
  return typeof dlperf === 'number' && dlperf > 0 ? dlperf / Math.max(1, numGpus) : null;
}

function speed(offer: Offer): ScorePart {
  const dlperf = speedOf(offer);
  return { name: 'speed', factor: dlperf ?? UNKNOWN_SPEED, inputs: { dlperf_per_gpu: dlperf } };
}

/** Less than any card that runs the image. */
const UNKNOWN_SPEED = 5;

/** SDXL with a refiner or ControlNet swaps below 16 GB, SD 1.5 below 6. Cards show a little less than their name says. */
const MEMORY_FACTORS: readonly [fromMb: number, factor: number][] = [
  [15_800, 1],
  [11_000, 0.85],
  [7_800, 0.7],
  [0, 0.4],
];

function memory({ gpuRamMb }: Offer): ScorePart {
  const [, factor] = MEMORY_FACTORS.find(([fromMb]) => gpuRamMb >= fromMb) ?? [0, 0.4];
  return { name: 'memory', factor, inputs: { gpu_ram_mb: gpuRamMb } };
}

/** Three factors whose product is 1 / ($/hour with everything in it), so that each says what it adds. */
function costs(offer: Offer, { diskGb, bidPerHourUsd }: RankTerms): ScorePart[] {
  const price = estimatePrice(offer, diskGb, bidPerHourUsd);
  const gpu = Math.max(LEAST_PRICE_USD, price.runningPerHourUsd - price.diskPerHourUsd);
  const running = gpu + price.diskPerHourUsd;
  const spread = price.downloadUsd / SESSION_HOURS;
  return [
    { name: 'price', factor: 1 / gpu, inputs: { gpu_per_hour_usd: gpu } },
    { name: 'disk', factor: gpu / running, inputs: { disk_gb: diskGb, disk_per_hour_usd: price.diskPerHourUsd } },
    {
      name: 'download',
      factor: running / (running + spread),
      inputs: { download_gb: EXPECTED_DOWNLOAD_GB, download_usd: price.downloadUsd, session_hours: SESSION_HOURS },
    },
  ];
}

/** Nothing divides by zero because a host asks nothing. */
const LEAST_PRICE_USD = 0.001;

/** The part of the session in which Forge answers; the rest is paid waiting. */
function start(offer: Offer): ScorePart {
  const minutes = bootMinutes(offer);
  return {
    name: 'start',
    factor: (SESSION_HOURS * 60) / (SESSION_HOURS * 60 + minutes),
    inputs: {
      boot_minutes: minutes,
      download_minutes: downloadMinutes(offer),
      inet_down_mbit_per_s: offer.inetDownMbitPerS ?? null,
      session_hours: SESSION_HOURS,
    },
  };
}

function trust(offer: Offer): ScorePart[] {
  const reliability = Math.min(1, Math.max(0, offer.reliability ?? UNKNOWN_RELIABILITY));
  const ports = offer.directPortCount ?? 0;
  return [
    {
      name: 'reliability',
      factor: reliability ** RELIABILITY_POWER,
      inputs: { reliability: offer.reliability ?? null },
    },
    { name: 'verification', factor: offer.verified ? 1 : 0.85, inputs: { verified: Boolean(offer.verified) } },
    { name: 'ports', factor: ports >= 1 ? 1 : 0.8, inputs: { direct_port_count: offer.directPortCount ?? null } },
  ];
}

const UNKNOWN_RELIABILITY = 0.9;
/** A host of 95 % is not 5 % worse than one of 100 %: a session that is cut off costs its work and another start. */
const RELIABILITY_POWER = 8;

const FIT_FACTORS = { yes: 1, maybe: 0.6, no: 0 } as const;

function image(offer: Offer, needs: ImageNeeds): ScorePart {
  const { verdict, reason } = fitOf(offer, needs);
  return {
    name: 'image',
    factor: FIT_FACTORS[verdict],
    inputs: {
      runs_image: verdict,
      reason,
      image_cuda: needs.cuda,
      cuda_max: offer.cudaMaxGood ?? null,
      driver_version: offer.driverVersion ?? null,
      compute_cap: offer.computeCap ?? null,
    },
  };
}
