import { seededRandom } from './random.js';

/** An offer as the API shows it, and which GPUs of its machine it stands for. */
export interface Ask {
  row: Record<string, unknown> & {
    id: number;
    machine_id: number;
    num_gpus: number;
    dph_base: number;
    storage_cost: number;
    min_bid: number;
    disk_space: number;
  };
  gpuFrom: number;
  gpuTo: number;
}

export interface Model {
  name: string;
  ramMb: number;
  /** $/hour for one, about what the marketplace asks. */
  price: number;
  dlperf: number;
  tflops: number;
  computeCap: number;
  weight: number;
  datacenter: boolean;
}

const MODELS: Model[] = [
  {
    name: 'RTX 3060',
    ramMb: 12288,
    price: 0.065,
    dlperf: 23,
    tflops: 12.7,
    computeCap: 860,
    weight: 7,
    datacenter: false,
  },
  {
    name: 'RTX 3070',
    ramMb: 8192,
    price: 0.075,
    dlperf: 28,
    tflops: 20.3,
    computeCap: 860,
    weight: 4,
    datacenter: false,
  },
  {
    name: 'RTX 3080',
    ramMb: 10240,
    price: 0.11,
    dlperf: 41,
    tflops: 29.8,
    computeCap: 860,
    weight: 6,
    datacenter: false,
  },
  {
    name: 'RTX 3090',
    ramMb: 24576,
    price: 0.19,
    dlperf: 49,
    tflops: 35.6,
    computeCap: 860,
    weight: 14,
    datacenter: false,
  },
  {
    name: 'RTX 4060 Ti',
    ramMb: 16380,
    price: 0.1,
    dlperf: 33,
    tflops: 22.1,
    computeCap: 890,
    weight: 6,
    datacenter: false,
  },
  {
    name: 'RTX 4070 Ti',
    ramMb: 12282,
    price: 0.14,
    dlperf: 53,
    tflops: 40.1,
    computeCap: 890,
    weight: 4,
    datacenter: false,
  },
  {
    name: 'RTX 4080',
    ramMb: 16376,
    price: 0.22,
    dlperf: 66,
    tflops: 48.7,
    computeCap: 890,
    weight: 6,
    datacenter: false,
  },
  {
    name: 'RTX 4090',
    ramMb: 24564,
    price: 0.36,
    dlperf: 98,
    tflops: 82.6,
    computeCap: 890,
    weight: 26,
    datacenter: false,
  },
  {
    name: 'RTX 5080',
    ramMb: 16303,
    price: 0.28,
    dlperf: 82,
    tflops: 56.3,
    computeCap: 1200,
    weight: 5,
    datacenter: false,
  },
  {
    name: 'RTX 5090',
    ramMb: 32607,
    price: 0.52,
    dlperf: 141,
    tflops: 104.8,
    computeCap: 1200,
    weight: 12,
    datacenter: false,
  },
  {
    name: 'RTX A5000',
    ramMb: 24564,
    price: 0.21,
    dlperf: 40,
    tflops: 27.8,
    computeCap: 860,
    weight: 4,
    datacenter: true,
  },
  {
    name: 'RTX A6000',
    ramMb: 49140,
    price: 0.42,
    dlperf: 55,
    tflops: 38.7,
    computeCap: 860,
    weight: 5,
    datacenter: true,
  },
  { name: 'L40S', ramMb: 46068, price: 0.62, dlperf: 92, tflops: 91.6, computeCap: 890, weight: 4, datacenter: true },
  {
    name: 'A100 SXM4',
    ramMb: 81920,
    price: 0.92,
    dlperf: 96,
    tflops: 77.9,
    computeCap: 800,
    weight: 5,
    datacenter: true,
  },
  {
    name: 'H100 SXM',
    ramMb: 81559,
    price: 1.85,
    dlperf: 215,
    tflops: 133.8,
    computeCap: 900,
    weight: 5,
    datacenter: true,
  },
  { name: 'H200', ramMb: 143771, price: 2.6, dlperf: 238, tflops: 133.8, computeCap: 900, weight: 2, datacenter: true },
];

const PLACES = [
  'California, US',
  'Texas, US',
  'Quebec, CA',
  'Washington, US',
  'Germany, DE',
  'Netherlands, NL',
  'Sweden, SE',
  'Poland, PL',
  'Czechia, CZ',
  'Spain, ES',
  'France, FR',
  'United Kingdom, GB',
  'Bulgaria, BG',
  'Norway, NO',
  'Japan, JP',
  'South Korea, KR',
  'Taiwan, TW',
  'Vietnam, VN',
  'India, IN',
  'Australia, AU',
  'Brazil, BR',
  'Ukraine, UA',
  'Hungary, HU',
  'Utah, US',
];
/** Driver, the CUDA it is good for, and how common it is. Some are too old for the image. */
const DRIVERS: [string, number, number][] = [
  ['580.95.05', 13.0, 5],
  ['570.172.08', 12.8, 8],
  ['565.57.01', 12.7, 2],
  ['550.144.03', 12.4, 4],
  ['535.183.01', 12.2, 2],
];

export const MACHINES = 190;

/** The same market for the same seed: 190 machines, each offered whole and, when it has several cards, in halves. */
export function makeCatalog(seed: number): Ask[] {
  const random = seededRandom(seed);
  return Array.from({ length: MACHINES }, (_, index) => machineAsks(index, random)).flat();
}

function machineAsks(index: number, random: () => number): Ask[] {
  const model = weighted(MODELS, (candidate) => candidate.weight, random);
  const gpus = pick(model.datacenter ? [1, 2, 4, 8, 8] : [1, 1, 1, 2, 2, 4, 4, 8], random);
  const machine = machineFields(index, model, gpus, random);
  const slices: [number, number][] = [[0, gpus]];
  for (let size = gpus / 2; size >= 1; size /= 2) {
    for (let from = 0; from + size <= gpus && slices.length < 7; from += size) slices.push([from, from + size]);
  }
  return slices.map(([from, to], slice) => askOf(machine, index, slice, from, to, model, gpus));
}

export type MachineFields = ReturnType<typeof machineFields>;

function machineFields(index: number, model: Model, gpus: number, random: () => number) {
  const between = (low: number, high: number): number => low + (high - low) * random();
  const [driver, cuda] = weighted(DRIVERS, ([, , weight]) => weight, random);
  const verified = random() < 0.82;
  const down = Math.round(10 ** between(1.9, 3.9) * 10) / 10;
  const ports = random() < 0.12 ? 0 : Math.round(between(8, 1000));
  return {
    machine_id: 30_000 + index * 7,
    host_id: 50_000 + (index % 97) * 13,
    perGpuUsd: model.price * between(0.75, 1.6),
    reliability: round(Math.min(0.9995, 1 - 10 ** between(-3.6, -1.1)), 5),
    driver,
    cuda: model.computeCap >= 1200 ? Math.max(cuda, 12.8) : cuda,
    verification: verified ? 'verified' : random() < 0.7 ? 'unverified' : 'deverified',
    down,
    up: Math.round(down * between(0.3, 1) * 10) / 10,
    downCost: random() < 0.35 ? 0 : round(between(0.0005, 0.02), 5),
    upCost: random() < 0.3 ? 0 : round(between(0.0005, 0.02), 5),
    storage: round(between(0.05, 0.25), 4),
    ports,
    staticIp: random() < 0.4,
    place: pick(PLACES, random),
    diskGb: Math.round(between(60, 500) * gpus),
    ramMb: Math.round(between(24, 64) * gpus) * 1000,
    cores: Math.max(4, Math.round(between(6, 24))) * gpus,
    datacenter: model.datacenter && random() < 0.8,
    days: between(3, 200),
    dlScale: between(0.9, 1.05),
    arm: model.name === 'H200' && random() < 0.15,
  };
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one line a field of the documented answer
export function askOf(
  machine: MachineFields,
  index: number,
  slice: number,
  from: number,
  to: number,
  model: Model,
  gpus: number,
): Ask {
  const count = to - from;
  const share = count / gpus;
  const base = round(machine.perGpuUsd * count, 6);
  const dlperf = round(model.dlperf * count * machine.dlScale, 3);
  const id = 8_000_000 + index * 100 + slice;
  const row = {
    id,
    ask_contract_id: id,
    bundle_id: 900_000 + index,
    machine_id: machine.machine_id,
    host_id: machine.host_id,
    gpu_name: model.name,
    gpu_arch: 'nvidia',
    num_gpus: count,
    gpu_frac: share,
    gpu_ram: model.ramMb,
    gpu_total_ram: model.ramMb * count,
    gpu_mem_bw: round(model.tflops * 11, 1),
    gpu_display_active: false,
    compute_cap: model.computeCap,
    total_flops: round(model.tflops * count, 2),
    dlperf,
    score: round((dlperf / base) * machine.reliability, 3),
    cpu_name: 'AMD EPYC 7542 32-Core Processor',
    cpu_arch: machine.arm ? 'arm64' : 'amd64',
    cpu_cores: machine.cores,
    cpu_cores_effective: machine.cores * share,
    cpu_ram: machine.ramMb,
    disk_space: Math.round(machine.diskGb * share),
    disk_bw: 1800,
    disk_name: 'nvme',
    inet_down: machine.down,
    inet_up: machine.up,
    inet_down_cost: machine.downCost,
    inet_up_cost: machine.upCost,
    internet_down_cost_per_tb: round(machine.downCost * 1000, 3),
    internet_up_cost_per_tb: round(machine.upCost * 1000, 3),
    storage_cost: machine.storage,
    dph_base: base,
    min_bid: round(base * 0.55, 6),
    is_bid: false,
    discount_rate: 0,
    discounted_dph_total: null,
    duration: Math.round(machine.days * 86_400),
    reliability: machine.reliability,
    reliability2: machine.reliability,
    cuda_max_good: machine.cuda,
    driver_version: machine.driver,
    driver_vers: driverNumber(machine.driver),
    direct_port_count: Math.floor(machine.ports * share),
    static_ip: machine.staticIp,
    public_ipaddr: '127.0.0.1\n',
    geolocation: machine.place,
    geolocode: null,
    country_code: machine.place.slice(-2),
    verification: machine.verification,
    verified: machine.verification === 'verified',
    external: false,
    rentable: true,
    rented: false,
    vms_enabled: false,
    hosting_type: machine.datacenter ? 1 : 0,
    logo: null,
    os_version: '22.04',
    pcie_bw: 24.1,
    pci_gen: 4,
    gpu_lanes: 16,
    mobo_name: 'ROMED8-2T',
    has_avx: 1,
    avail_vol_ask_id: null,
    avail_vol_dph: null,
    avail_vol_size: null,
    resource_type: 'gpu',
    webpage: null,
    time_remaining: '',
    time_remaining_isbid: '',
  };
  return { row, gpuFrom: from, gpuTo: to };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function pick<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)] as T;
}

function weighted<T>(list: readonly T[], weight: (item: T) => number, random: () => number): T {
  let left = random() * list.reduce((sum, item) => sum + weight(item), 0);
  for (const item of list) {
    left -= weight(item);
    if (left <= 0) return item;
  }
  return list.at(-1) as T;
}

/** "535.86.05" as the integer 535086005, which searches compare. */
function driverNumber(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  return major * 1_000_000 + minor * 1000 + patch;
}
