import type { Contract, World } from '../world.js';

const HOUR_MS = 3_600_000;
const HOURS_PER_MONTH = 730;

export function diskPerHour(contract: Contract): number {
  return (contract.storageCostPerGbMonth * contract.diskGb) / HOURS_PER_MONTH;
}

/** GPU only while running, disk from the first moment to the last (docs: billing). Brings one contract's bill up to now. */
export function bill(world: World, contract: Contract, now: number): void {
  const until = contract.destroyedMs ?? now;
  const hours = Math.max(0, until - contract.billedUntilMs) / HOUR_MS;
  contract.billedUntilMs = Math.max(contract.billedUntilMs, until);
  const disk = hours * diskPerHour(contract);
  const gpu = contract.phase === 'running' ? hours * contract.gpuPerHourUsd : 0;
  contract.billed.diskUsd += disk;
  contract.billed.gpuUsd += gpu;
  world.state.user.creditUsd -= disk + gpu;
}

export function spent({ billed }: Contract): number {
  return billed.gpuUsd + billed.diskUsd + billed.bandwidthUsd;
}

/** One row of /charges for a contract, and its parts. */
export function chargeRow(contract: Contract, now: number): Record<string, unknown> {
  const items = [
    { type: 'gpu', amount: contract.billed.gpuUsd, description: 'GPU time' },
    { type: 'disk', amount: contract.billed.diskUsd, description: 'Storage' },
    { type: 'bwd', amount: contract.billed.bandwidthUsd, description: 'Download' },
  ];
  return {
    start: contract.createdMs / 1000,
    end: (contract.destroyedMs ?? now) / 1000,
    type: 'instance',
    source: `instance-${contract.id}`,
    description: `Instance ${contract.id}`,
    amount: spent(contract),
    metadata: { label: contract.label, template_id: contract.templateId },
    items,
  };
}
