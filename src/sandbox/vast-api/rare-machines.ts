import { type Ask, askOf, type MachineFields, type Model } from './offer-catalog.js';

/** A machine that the seeded market seldom or never has, and that a client has to judge rightly. */
interface RareMachine {
  model: Model;
  gpus: number;
  driver: string;
  cuda: number | null;
  arm?: boolean;
  arch?: 'amd';
  /** Fields that differ from those of an ordinary machine. */
  more?: Record<string, unknown>;
}

const model = (name: string, ramMb: number, price: number, dlperf: number, computeCap: number): Model => ({
  name,
  ramMb,
  price,
  dlperf,
  computeCap,
  tflops: Math.round(dlperf * 0.7),
  weight: 0,
  datacenter: !name.includes('TX '),
});

/** Too old, too new, another processor, a datacenter card behind an old driver, a host that tells little. */
const MACHINES: RareMachine[] = [
  { model: model('GTX 1080 Ti', 11264, 0.06, 14, 610), gpus: 1, driver: '570.172.08', cuda: 12.8 },
  { model: model('Tesla P40', 23040, 0.09, 15, 610), gpus: 2, driver: '580.95.05', cuda: 13.0 },
  { model: model('Tesla V100', 32768, 0.26, 42, 700), gpus: 1, driver: '570.172.08', cuda: 12.8 },
  { model: model('Tesla T4', 15360, 0.16, 15, 750), gpus: 1, driver: '570.172.08', cuda: 12.8 },
  { model: model('RTX 2080 Ti', 11264, 0.17, 29, 750), gpus: 1, driver: '580.95.05', cuda: 13.0 },
  { model: model('H100 NVL', 95830, 1.95, 209, 900), gpus: 1, driver: '580.95.05', cuda: 13.0 },
  { model: model('H100 PCIE', 81559, 1.7, 186, 900), gpus: 2, driver: '550.144.03', cuda: 12.4 },
  { model: model('A100 PCIE', 40960, 0.7, 88, 800), gpus: 1, driver: '535.183.01', cuda: 12.2 },
  { model: model('B200', 183359, 3.9, 410, 1000), gpus: 1, driver: '580.95.05', cuda: 13.0 },
  { model: model('RTX PRO 6000 S', 97887, 1.15, 152, 1200), gpus: 1, driver: '580.95.05', cuda: 13.0 },
  { model: model('GH200 SXM', 97871, 1.5, 214, 900), gpus: 1, driver: '580.95.05', cuda: 13.0, arm: true },
  { model: model('MI300X', 196592, 1.9, 0, 0), gpus: 1, driver: '6.4.1', cuda: null, arch: 'amd' },
  {
    model: model('RTX 4070', 12282, 0.19, 45, 890),
    gpus: 1,
    driver: '575.57.08',
    cuda: 12.9,
    more: {
      dlperf: null,
      score: null,
      inet_down: null,
      reliability: null,
      reliability2: null,
      geolocation: null,
      country_code: null,
    },
  },
];

/** The same ones in every market; `firstIndex` continues the numbering of the ordinary machines. */
export function rareMachines(firstIndex: number): Ask[] {
  return MACHINES.flatMap((machine, nth) => {
    const index = firstIndex + nth;
    const fields = fieldsOf(machine, index);
    const sizes = machine.gpus === 1 ? [1] : [machine.gpus, 1];
    return sizes.map((count, slice) => {
      const ask = askOf(fields, index, slice, 0, count, machine.model, machine.gpus);
      const amd = machine.arch === undefined ? {} : { gpu_arch: machine.arch, compute_cap: null };
      return { ...ask, row: { ...ask.row, cuda_max_good: machine.cuda, ...amd, ...machine.more } };
    });
  });
}

function fieldsOf({ model: card, driver, cuda, arm = false }: RareMachine, index: number): MachineFields {
  return {
    machine_id: 30_000 + index * 7,
    host_id: 60_000 + index,
    perGpuUsd: card.price,
    reliability: 0.9921,
    driver,
    cuda: cuda ?? 0,
    verification: 'verified',
    down: 870,
    up: 640,
    downCost: 0.004,
    upCost: 0.004,
    storage: 0.15,
    ports: 190,
    staticIp: true,
    place: 'Iceland, IS',
    diskGb: 420,
    ramMb: 64_000,
    cores: 16,
    datacenter: card.datacenter,
    days: 60,
    dlScale: 1,
    arm,
  };
}
