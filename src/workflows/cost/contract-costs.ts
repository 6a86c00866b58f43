import { type Charge, type ChargeKind, type Instance, NO_CHARGE, type Volume } from '../../vast/model.js';
import { billedNowPerHourUsd } from '../price.js';
import { volumePerHourUsd } from './burn.js';
import { type Spending, totalUsd } from './spending.js';

/** One instance or volume on the bill, or one that will be on it. */
export interface ContractCost {
  source: string;
  type: string;
  id: number | null;
  label: string | null;
  /** The machine, when it is still there. */
  instance: Instance | null;
  /** Null when that is not known: a key that may not list volumes. */
  exists: boolean | null;
  kinds: Record<ChargeKind, number>;
  totalUsd: number;
  todayUsd: number;
  /** 0 once it is gone; null when the API does not say. */
  nowPerHourUsd: number | null;
}

export interface Holdings {
  instances: readonly Instance[];
  /** Null: the key may not list them. */
  volumes: readonly Volume[] | null;
}

/** Everything that was charged or is billed now, the dearest first. */
export function contractCosts({ charges, today }: Spending, holdings: Holdings): ContractCost[] {
  const bySource = new Map(charges.map((charge) => [charge.source, charge]));
  for (const { id, label } of holdings.instances) addEmpty(bySource, 'instance', { id, label });
  for (const { id, label } of holdings.volumes ?? []) addEmpty(bySource, 'volume', { id, label });
  const todayOf = new Map(today.map((charge) => [charge.source, totalUsd(charge)]));
  const costs = [...bySource.values()].map(
    (charge): ContractCost => ({
      source: charge.source,
      type: charge.type,
      id: charge.contractId,
      kinds: charge.kinds,
      totalUsd: totalUsd(charge),
      todayUsd: todayOf.get(charge.source) ?? 0,
      ...presence(charge, holdings),
    }),
  );
  return costs.sort(
    (one, other) => other.totalUsd - one.totalUsd || (other.nowPerHourUsd ?? 0) - (one.nowPerHourUsd ?? 0),
  );
}

function addEmpty(
  bySource: Map<string, Charge>,
  type: 'instance' | 'volume',
  { id, label }: { id: number; label: string | null },
): void {
  const source = `${type}-${id}`;
  if (bySource.has(source)) return;
  bySource.set(source, { source, type, contractId: id, label, startMs: null, endMs: null, kinds: { ...NO_CHARGE } });
}

function presence(
  charge: Charge,
  { instances, volumes }: Holdings,
): Pick<ContractCost, 'label' | 'instance' | 'exists' | 'nowPerHourUsd'> {
  if (charge.source.startsWith('volume-')) {
    const volume = volumes?.find(({ id }) => id === charge.contractId) ?? null;
    const label = volume?.label ?? charge.label;
    if (volumes === null) return { label, instance: null, exists: null, nowPerHourUsd: null };
    return {
      label,
      instance: null,
      exists: volume !== null,
      nowPerHourUsd: volume === null ? 0 : volumePerHourUsd(volume),
    };
  }
  const instance = instances.find(({ id }) => id === charge.contractId) ?? null;
  return {
    label: instance?.label ?? charge.label,
    instance,
    exists: instance !== null,
    nowPerHourUsd: instance === null ? 0 : billedNowPerHourUsd(instance),
  };
}
