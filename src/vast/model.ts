/**
 * What forgectl knows of the API's resources, with the unit in each name. `schema/` turns the wire's JSON into these.
 * Strings are trimmed and stripped of control characters there. Null means that the API did not say.
 */

export type OfferType = 'on-demand' | 'bid';

export interface Offer {
  id: number;
  machineId: number;
  hostId: number | null;
  gpuName: string;
  /** "nvidia" or "amd" */
  gpuArch: string | null;
  numGpus: number;
  gpuRamMb: number;
  gpuTotalRamMb: number | null;
  cpuCores: number | null;
  cpuCoresEffective: number | null;
  cpuRamMb: number | null;
  cpuArch: string | null;
  diskSpaceGb: number;
  diskBwMbPerS: number | null;
  inetUpMbitPerS: number | null;
  inetDownMbitPerS: number | null;
  inetUpCostPerGb: number | null;
  inetDownCostPerGb: number | null;
  /** $/GB/month */
  storageCostPerGbMonth: number | null;
  /** $/hour without storage */
  dphBase: number | null;
  /** $/hour with the storage that the search named as `allocated_storage` */
  dphTotal: number;
  /** $/hour, whole machine */
  minBid: number | null;
  isBid: boolean;
  durationS: number | null;
  /** 0..1 */
  reliability: number | null;
  cudaMaxGood: number | null;
  driverVersion: string | null;
  /** x100: 890 is 8.9 */
  computeCap: number | null;
  directPortCount: number | null;
  staticIp: boolean;
  verified: boolean;
  hostingType: number | null;
  dlperf: number | null;
  dlperfPerDphTotal: number | null;
  score: number | null;
  geolocation: string | null;
}

export interface PortBinding {
  /** e.g. "22/tcp" */
  containerPort: string;
  hostPort: number;
}

export interface Instance {
  id: number;
  machineId: number | null;
  hostId: number | null;
  label: string | null;
  actualStatus: string | null;
  intendedStatus: string | null;
  curState: string | null;
  nextState: string | null;
  statusMsg: string | null;
  gpuName: string | null;
  numGpus: number | null;
  gpuRamMb: number | null;
  dphBase: number | null;
  dphTotal: number | null;
  minBid: number | null;
  isBid: boolean;
  storageCostPerGbMonth: number | null;
  diskSpaceGb: number | null;
  diskUsageGb: number | null;
  inetUpCostPerGb: number | null;
  inetDownCostPerGb: number | null;
  inetUpMbitPerS: number | null;
  inetDownMbitPerS: number | null;
  imageUuid: string | null;
  imageRuntype: string | null;
  templateId: number | null;
  templateHashId: string | null;
  templateName: string | null;
  onstart: string | null;
  /** Pairs as the API gives them; may hold secrets: never print values. */
  extraEnv: [string, string][];
  /** Secret. */
  jupyterToken: string | null;
  sshHost: string | null;
  sshPort: number | null;
  publicIpaddr: string | null;
  /** Null when the row does not carry a port map. */
  ports: PortBinding[] | null;
  geolocation: string | null;
  /** Epoch milliseconds. */
  startDateMs: number | null;
  endDateMs: number | null;
  uptimeMins: number | null;
  gpuUtilPercent: number | null;
  gpuTempC: number | null;
  reliability: number | null;
}

export interface User {
  id: number;
  email: string | null;
  /** Spendable dollars: `credit` when present, else `balance`. */
  creditUsd: number | null;
}

export type ChargeKind = 'gpu' | 'disk' | 'download' | 'upload' | 'other';

export const NO_CHARGE: Readonly<Record<ChargeKind, number>> = { gpu: 0, disk: 0, download: 0, upload: 0, other: 0 };

/** What one contract or volume was charged in the days that were asked for, $. */
export interface Charge {
  /** "instance-123", "volume-7" */
  source: string;
  /** instance, volume, or a word of the platform's */
  type: string;
  contractId: number | null;
  label: string | null;
  /** The first and the last of its days. */
  startMs: number | null;
  endMs: number | null;
  kinds: Record<ChargeKind, number>;
}

export interface AccountSshKey {
  id: number;
  publicKey: string;
  createdAt: string | null;
}

export interface InstanceSshKey {
  /** Null where the API gives bare lines. */
  id: number | null;
  publicKey: string;
}

export interface Volume {
  id: number;
  label: string | null;
  status: string | null;
  diskSpaceGb: number | null;
  storageCostPerGbMonth: number | null;
  machineId: number | null;
  /** Empty when no instance uses it. */
  instanceIds: number[];
  startDateMs: number | null;
}

export interface Template {
  id: number;
  hashId: string;
  name: string;
  image: string;
  tag: string | null;
  /** Docker flags as one string. */
  env: string;
  onstart: string;
  runtype: string | null;
  sshDirect: boolean;
  jupDirect: boolean;
  useSsh: boolean;
  recommended: boolean;
  recommendedDiskSpaceGb: number | null;
  creatorId: number | null;
}

/** The body of `PUT /asks/{id}/`, in our words; `vast/instances.ts` writes the wire's. */
export interface CreateRequest {
  offerId: number;
  label: string;
  image?: string;
  templateHashId?: string;
  diskGb: number;
  /** Variable names, and docker flags like "-p 7860:7860" with the value "1". */
  env: Record<string, string>;
  runtype: string;
  onstart?: string;
  /** $/hour; only for interruptible. */
  bidPrice?: number;
}
