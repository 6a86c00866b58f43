import type { Offer } from '../../src/vast/model.ts';
import { imageNeeds } from '../../src/workflows/offers/image-needs.ts';
import type { RankTerms } from '../../src/workflows/offers/score-offer.ts';

/** A machine that nothing is wrong with. */
export function makeOffer(part: Partial<Offer> = {}): Offer {
  return {
    id: 5,
    machineId: 9,
    hostId: 1,
    gpuName: 'RTX 4090',
    gpuArch: 'nvidia',
    numGpus: 1,
    gpuRamMb: 24_564,
    gpuTotalRamMb: 24_564,
    cpuCores: 16,
    cpuCoresEffective: 16,
    cpuRamMb: 64_000,
    cpuArch: 'amd64',
    diskSpaceGb: 200,
    diskBwMbPerS: 1800,
    inetUpMbitPerS: 500,
    inetDownMbitPerS: 800,
    inetUpCostPerGb: 0.01,
    inetDownCostPerGb: 0.01,
    storageCostPerGbMonth: 0.146,
    dphBase: 0.39,
    dphTotal: 0.4,
    minBid: 0.1,
    isBid: false,
    durationS: 1e6,
    reliability: 0.99,
    cudaMaxGood: 12.8,
    driverVersion: '570.172.08',
    computeCap: 890,
    directPortCount: 10,
    staticIp: true,
    verified: true,
    hostingType: 0,
    dlperf: 90,
    dlperfPerDphTotal: null,
    score: null,
    geolocation: 'Sweden, SE',
    ...part,
  };
}

export const TERMS: RankTerms = { diskGb: 50, image: imageNeeds(), bidPerHourUsd: null };
