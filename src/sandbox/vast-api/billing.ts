import type { ChargeKind, Contract, LedgerAccount, World } from '../world.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const HOURS_PER_MONTH = 730;
/** What a first boot downloads over the host's metered line: the default model. */
const FIRST_BOOT_GB = 7;

export function diskPerHour(contract: Contract): number {
  return (contract.storageCostPerGbMonth * contract.diskGb) / HOURS_PER_MONTH;
}

/** GPU only while running, disk from the first moment to the last (docs: billing). Brings one contract's bill up to now. */
export function bill(world: World, contract: Contract, now: number): void {
  const account = accountOf(world, contract);
  const until = contract.destroyedMs ?? now;
  const since = account.billedUntilMs;
  if (until <= since) return;
  account.billedUntilMs = until;
  chargeTime(world, account, 'disk', { since, until, perHourUsd: diskPerHour(contract) });
  if (contract.phase === 'running')
    chargeTime(world, account, 'gpu', { since, until, perHourUsd: contract.gpuPerHourUsd });
}

/** The traffic of a first boot, at the host's price. */
export function billFirstBoot(world: World, contract: Contract, perGbUsd: number): void {
  chargeAt(world, accountOf(world, contract), 'bwd', { usd: FIRST_BOOT_GB * perGbUsd, atMs: world.now() });
}

/** Traffic over a metered line, at its host's price. */
export function billTraffic(
  world: World,
  contract: Contract,
  { kind, bytes, perGbUsd }: { kind: 'bwd' | 'bwu'; bytes: number; perGbUsd: number },
): void {
  chargeAt(world, accountOf(world, contract), kind, { usd: (bytes / 1e9) * perGbUsd, atMs: world.now() });
}

/** Volumes cost from renting to deleting, whoever uses them. */
export function billVolumes(world: World, now: number): void {
  for (const volume of world.state.volumes) {
    const rentedMs = volume.start_date * 1000;
    const account = openAccount(world, { type: 'volume', id: volume.id, label: volume.label }, rentedMs);
    const perHourUsd = (volume.storage_cost * volume.disk_space) / HOURS_PER_MONTH;
    const since = account.billedUntilMs;
    account.billedUntilMs = Math.max(since, now);
    chargeTime(world, account, 'disk', { since, until: now, perHourUsd });
  }
}

export function spent(world: World, contract: Contract): number {
  return Object.values(accountOf(world, contract).days).reduce((sum, day) => sum + sumOf(day), 0);
}

/** A contract's account; its label is the one of today. */
function accountOf(world: World, contract: Contract): LedgerAccount {
  const { id, label, templateId, createdMs } = contract;
  return openAccount(world, { type: 'instance', id, label, templateId }, createdMs);
}

function openAccount(
  world: World,
  owner: { type: LedgerAccount['type']; id: number; label: string | null; templateId?: number | null },
  fromMs: number,
): LedgerAccount {
  const { ledger } = world.state;
  const source = `${owner.type}-${owner.id}`;
  const account = ledger[source] ?? { ...owner, templateId: owner.templateId ?? null, billedUntilMs: fromMs, days: {} };
  account.label = owner.label;
  ledger[source] = account;
  return account;
}

function chargeTime(
  world: World,
  account: LedgerAccount,
  kind: ChargeKind,
  { since, until, perHourUsd }: { since: number; until: number; perHourUsd: number },
): void {
  for (let from = since; from < until; ) {
    const to = Math.min(until, startOfDay(from) + DAY_MS);
    chargeAt(world, account, kind, { usd: ((to - from) / HOUR_MS) * perHourUsd, atMs: from });
    from = to;
  }
}

function chargeAt(
  world: World,
  account: LedgerAccount,
  kind: ChargeKind,
  { usd, atMs }: { usd: number; atMs: number },
): void {
  const day = String(startOfDay(atMs));
  const sums = account.days[day] ?? { gpu: 0, disk: 0, bwd: 0, bwu: 0 };
  sums[kind] += usd;
  account.days[day] = sums;
  world.state.user.creditUsd -= usd;
}

function startOfDay(ms: number): number {
  return Math.floor(ms / DAY_MS) * DAY_MS;
}

function sumOf(day: Record<ChargeKind, number>): number {
  return day.gpu + day.disk + day.bwd + day.bwu;
}

const WORDS: Record<ChargeKind, string> = { gpu: 'GPU time', disk: 'Storage', bwd: 'Download', bwu: 'Upload' };

/**
 * /charges (published spec; the grain of a day was seen by others on the live API): one row a contract that was charged on
 * one of the days, with the sums of those days alone. `start` and `end` are the first and the last of them.
 */
export function chargeRows(world: World, { gte, lte }: { gte: number; lte: number }): Record<string, unknown>[] {
  const rows = Object.entries(world.state.ledger).map(([source, account]) => chargeRow(source, account, { gte, lte }));
  return rows.filter((row) => row !== null).sort((one, other) => Number(one['id']) - Number(other['id']));
}

function chargeRow(
  source: string,
  account: LedgerAccount,
  { gte, lte }: { gte: number; lte: number },
): Record<string, unknown> | null {
  const { type, id, label, templateId } = account;
  const days = Object.keys(account.days)
    .map((day) => Number(day) / 1000)
    .filter((day) => day >= gte && day <= lte)
    .sort((one, other) => one - other);
  const [start, end] = [days[0], days.at(-1)];
  if (start === undefined || end === undefined) return null;
  const items = (Object.keys(WORDS) as ChargeKind[]).map((kind) => {
    const amount = days.reduce((sum, day) => sum + (account.days[String(day * 1000)]?.[kind] ?? 0), 0);
    return { start, end, type: kind, source: null, description: WORDS[kind], amount, metadata: {}, items: [] };
  });
  const amount = items.reduce((sum, item) => sum + item.amount, 0);
  return {
    id,
    start,
    end,
    type,
    source,
    description: `${type === 'instance' ? 'Instance' : 'Volume'} ${id} Charges - ${days.length} days`,
    amount: Math.round(amount * 1000) / 1000,
    // Keys only where there is something to tell (published spec).
    metadata: { ...(label === null ? {} : { label }), ...(templateId === null ? {} : { template_id: templateId }) },
    items: items.filter(({ amount: part }) => part > 0),
  };
}
