import type { Offer } from '../../vast/model.js';

/** What the machine must have for the image to start and its torch to run. */
export interface ImageNeeds {
  /** The driver must be good for it, or the host refuses the container ("unsatisfied condition: cuda>=12.8"). */
  cuda: number;
  /** x100, as the API writes it; torch is compiled for cards from this one on … */
  leastComputeCap: number;
  /** … and below this one. */
  computeCapBelow: number;
}

/** Cards that the torch wheels of a CUDA version are compiled for, without PTX. pytorch: RELEASE.md, 2.9, CUDA support matrix. */
const TORCH_BUILDS: readonly ImageNeeds[] = [
  { cuda: 13.0, leastComputeCap: 750, computeCapBelow: 1300 },
  { cuda: 12.8, leastComputeCap: 700, computeCapBelow: 1300 },
  { cuda: 0, leastComputeCap: 500, computeCapBelow: 1000 },
];

/** image README: torch 2.9, cu128. Also what the platform's automatic tag stands for, as far as one can know beforehand. */
const USUAL_CUDA = 12.8;

/** Read from the image's tag ("…-cuda-12.8", "…-cu124"). */
export function imageNeeds(image: string | null = null): ImageNeeds {
  const found = /cuda-?(\d{2})\.(\d)|cu(\d{2})(\d)(?!\d)/u.exec(image ?? '');
  const cuda = found === null ? USUAL_CUDA : Number(`${found[1] ?? found[3]}.${found[2] ?? found[4]}`);
  const build = TORCH_BUILDS.find((candidate) => cuda >= candidate.cuda);
  return { leastComputeCap: 0, computeCapBelow: 0, ...build, cuda };
}

/** Whether the image runs there: `maybe` when the API tells too little, or when it depends on what the host has installed. */
export interface ImageFit {
  verdict: 'yes' | 'maybe' | 'no';
  reason: string;
}

export function fitOf(offer: Offer, needs: ImageNeeds): ImageFit {
  const { cpuArch, gpuArch, computeCap, cudaMaxGood } = offer;
  if (cpuArch !== null && cpuArch !== undefined && cpuArch !== 'amd64')
    return { verdict: 'no', reason: `${cpuArch} processor, the image is built for amd64` };
  if (gpuArch !== null && gpuArch !== undefined && gpuArch !== 'nvidia')
    return { verdict: 'no', reason: `${gpuArch} card, the image is built for CUDA` };
  if (typeof computeCap === 'number' && !hasCodeFor(computeCap, needs)) {
    const range = `${version(needs.leastComputeCap)} to ${Math.floor(needs.computeCapBelow / 100) - 1}.x`;
    return {
      verdict: 'no',
      reason: `compute capability ${version(computeCap)}, the image's torch is built for ${range}`,
    };
  }
  if (typeof cudaMaxGood !== 'number') return { verdict: 'maybe', reason: "the driver's CUDA is not told" };
  if (cudaMaxGood < needs.cuda) return fitOfOldDriver(offer, cudaMaxGood, needs);
  if (typeof computeCap !== 'number') return { verdict: 'maybe', reason: 'the compute capability is not told' };
  return {
    verdict: 'yes',
    reason: `CUDA ${cudaMaxGood.toFixed(1)}, capability ${version(computeCap)}`,
  };
}

/** Major versions without a compiled part: 11.x is no desktop or datacenter card. */
function hasCodeFor(computeCap: number, { leastComputeCap, computeCapBelow }: ImageNeeds): boolean {
  return computeCap >= leastComputeCap && computeCap < computeCapBelow && Math.floor(computeCap / 100) !== 11;
}

/**
 * base-image: 05-configure-cuda.sh tries the forward-compatibility libraries, which NVIDIA supports on datacenter cards
 * only, from driver 535 on. On any other card an older driver ends in "unsatisfied condition".
 */
function fitOfOldDriver(offer: Offer, cudaMaxGood: number, needs: ImageNeeds): ImageFit {
  const has = `driver good for CUDA ${cudaMaxGood.toFixed(1)}, the image needs ${needs.cuda.toFixed(1)}`;
  const driver = Number.parseInt(offer.driverVersion ?? '', 10);
  return isDatacenterCard(offer.gpuName) && driver >= FORWARD_COMPATIBLE_FROM
    ? { verdict: 'maybe', reason: `${has}: a datacenter card may run it through forward compatibility` }
    : { verdict: 'no', reason: has };
}

const FORWARD_COMPATIBLE_FROM = 535;

function isDatacenterCard(gpuName: string): boolean {
  return /^(?:tesla |[gp]?[hb][12]00\b|[hb]300\b|h20\b|h800\b|a(?:10|10g|16|30|40|100|100x|800)\b|l(?:4|20|40|40s)\b|v100\b|t4\b)/iu.test(
    gpuName,
  );
}

/** 890 -> "8.9" */
export function version(computeCap: number): string {
  return (computeCap / 100).toFixed(1);
}
