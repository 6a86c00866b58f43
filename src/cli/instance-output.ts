import { formatDuration, formatPerDay, formatPerHour, formatUsd } from '../ui/format.js';
import type { Instance } from '../vast/model.js';
import { isOutbid, stateWord } from '../workflows/instance-state.js';
import { isoMinute } from '../workflows/limits/limit-time.js';
import { billedNowPerHourUsd, priceOfInstance } from '../workflows/price.js';
import { addressesOf, forgeUrl, portalUrl } from './addresses.js';
import type { ForgeContext } from './context.js';
import { hostKeyLine, stateOf } from './instance-facts.js';
import type { InstanceMoney } from './instance-money.js';
import { timeLeft, timeLeftText } from './time-left.js';

/** Keys are stable; null where the API does not say. */
export function instanceDocument(instance: Instance, money: InstanceMoney, nowMs: number): Record<string, unknown> {
  const { runningPerHourUsd, stoppedPerDayUsd } = priceOfInstance(instance);
  const { ssh, published } = addressesOf(instance);
  return {
    id: instance.id,
    label: instance.label,
    state: stateWord(instance),
    actual_status: instance.actualStatus,
    intended_status: instance.intendedStatus,
    status_message: instance.statusMsg,
    outbid: isOutbid(instance),
    gpu_name: instance.gpuName,
    num_gpus: instance.numGpus,
    gpu_ram_mb: instance.gpuRamMb,
    interruptible: instance.isBid,
    bid_per_hour_usd: instance.isBid ? instance.dphBase : null,
    price_per_hour_usd: runningPerHourUsd,
    billed_now_per_hour_usd: billedNowPerHourUsd(instance),
    stopped_price_per_day_usd: stoppedPerDayUsd,
    ...moneyDocument(instance, money, nowMs),
    started_at: isoTime(instance.startDateMs),
    ends_at: isoTime(instance.endDateMs),
    age_s: instance.startDateMs === null ? null : Math.max(0, Math.round((nowMs - instance.startDateMs) / 1000)),
    ssh_host: ssh?.host ?? null,
    ssh_port: ssh?.port ?? null,
    ssh_via: ssh?.via ?? null,
    forge_url: forgeUrl(instance),
    portal_url: portalUrl(instance),
    ports: published,
    image: instance.imageUuid,
    template: instance.templateName,
    template_id: instance.templateId,
    disk_gb: instance.diskSpaceGb,
    disk_used_gb: instance.diskUsageGb,
    gpu_util_percent: instance.gpuUtilPercent,
    geolocation: instance.geolocation,
    machine_id: instance.machineId,
    reliability: instance.reliability,
    environment_names: instance.extraEnv.map(([name]) => name).filter((name) => !name.startsWith('-')),
  };
}

function moneyDocument(
  instance: Instance,
  { spentUsd, isEstimate, isAtLeast, kinds, limit, isLimitKnown }: InstanceMoney,
  nowMs: number,
): Record<string, unknown> {
  const left = timeLeft(instance, limit);
  return {
    spent_usd: spentUsd === null ? null : roundUsd(spentUsd),
    spent_is_estimate: isEstimate,
    spent_is_at_least: isAtLeast,
    spent_by_kind_usd:
      kinds === null ? null : Object.fromEntries(Object.entries(kinds).map(([kind, usd]) => [kind, roundUsd(usd)])),
    limit_is_known: isLimitKnown,
    limit_action: limit?.action ?? null,
    limit_at: isoTime(limit?.atMs ?? null),
    time_left_s: left === null ? null : Math.max(0, Math.round((left.atMs - nowMs) / 1000)),
    time_left_until: left?.until ?? null,
  };
}

export async function instanceTable(
  instances: readonly Instance[],
  moneyOf: (instance: Instance) => InstanceMoney,
  context: ForgeContext,
): Promise<string> {
  const nowMs = context.clock.now();
  return context.table(instances, [
    { header: 'ID', value: (row) => String(row.id), align: 'right' },
    { header: 'LABEL', value: (row) => row.label ?? '-' },
    { header: 'STATE', value: (row) => stateOf(row, context) },
    {
      header: 'GPU',
      value: (row) => (row.gpuName === null ? '-' : `${row.numGpus ?? 1}x ${row.gpuName}`),
      priority: 2,
    },
    { header: '$/H', value: (row) => price(billedNowPerHourUsd(row)), align: 'right' },
    { header: '$ SO FAR', value: (row) => spentText(moneyOf(row)), align: 'right' },
    { header: 'AGE', value: (row) => age(row, nowMs), align: 'right' },
    { header: 'LEFT', value: (row) => leftText(row, moneyOf(row), nowMs) },
    { header: 'SSH', value: (row) => sshText(row), priority: 3 },
    { header: 'WHERE', value: (row) => row.geolocation ?? '-', priority: 4 },
  ]);
}

export async function instanceDetails(
  instance: Instance,
  spent: InstanceMoney,
  context: ForgeContext,
): Promise<string> {
  const { runningPerHourUsd, stoppedPerDayUsd } = priceOfInstance(instance);
  const nowMs = context.clock.now();
  const lines: [string, string][] = [
    ['Instance', `${instance.id}${instance.label === null ? '' : ` (${instance.label})`}`],
    ['State', [stateOf(instance, context), instance.statusMsg].filter(Boolean).join(': ')],
    [
      'Machine',
      `${instance.numGpus ?? '?'}x ${instance.gpuName ?? '?'}, ${instance.geolocation ?? 'unknown place'}, machine ${instance.machineId ?? '?'}`,
    ],
    [
      'Price',
      `${money(runningPerHourUsd)} while running${instance.isBid ? ` (interruptible, bid ${money(instance.dphBase)})` : ''}, ${stoppedPerDayUsd === null ? 'unknown' : formatPerDay(stoppedPerDayUsd)} while stopped`,
    ],
    ['Billed now', money(billedNowPerHourUsd(instance))],
    ['Spent so far', spentLine(spent)],
    ['Age', age(instance, nowMs)],
    ['Limit', limitLine(spent, nowMs)],
    ['Contract ends', endLine(instance, nowMs)],
    ['SSH', sshText(instance)],
    hostKeyLine(instance, context),
    ['Forge', forgeUrl(instance) ?? 'not published'],
    ['Portal', portalUrl(instance) ?? 'not published'],
    [
      'Disk',
      `${instance.diskUsageGb === null ? '?' : instance.diskUsageGb.toFixed(1)} of ${instance.diskSpaceGb ?? '?'} GB`,
    ],
    ['Image', instance.imageUuid ?? '-'],
    ['Template', instance.templateName ?? '-'],
  ];
  return context.keyValues(lines);
}

function spentText({ spentUsd, isEstimate, isAtLeast }: InstanceMoney): string {
  const mark = isAtLeast ? '>' : isEstimate ? '~' : '';
  return spentUsd === null ? '-' : `${mark}${spentUsd.toFixed(2)}`;
}

function spentLine({ spentUsd, isEstimate, isAtLeast, kinds }: InstanceMoney): string {
  if (spentUsd === null) return 'unknown';
  if (isEstimate || kinds === null)
    return isAtLeast
      ? `at least ${formatUsd(spentUsd)}: its disk by price and age; it may have run before`
      : `about ${formatUsd(spentUsd)}, by price and age`;
  const { gpu, disk, download, upload, other } = kinds;
  const parts: [string, number][] = [
    ['GPU', gpu],
    ['disk', disk],
    ['download', download],
    ['upload', upload],
    ['other', other],
  ];
  const named = parts.filter(([, usd]) => Math.abs(usd) >= 0.0005).map(([name, usd]) => `${name} ${formatUsd(usd)}`);
  return `${formatUsd(spentUsd)}${named.length === 0 ? '' : ` (${named.join(', ')})`}`;
}

function leftText(instance: Instance, { limit, isLimitKnown }: InstanceMoney, nowMs: number): string {
  return `${timeLeftText(timeLeft(instance, limit), nowMs)}${isLimitKnown ? '' : ' (?)'}`;
}

function limitLine({ limit, isLimitKnown }: InstanceMoney, nowMs: number): string {
  if (!isLimitKnown) return "not known: the platform's jobs could not be read";
  if (limit === null) return 'none';
  const { action, atMs } = limit;
  return `the platform will ${action} it at ${isoMinute(atMs)}, in ${formatDuration(atMs - nowMs)}`;
}

function endLine({ endDateMs }: Instance, nowMs: number): string {
  if (endDateMs === null) return '-';
  if (endDateMs <= nowMs) return `${isoMinute(endDateMs)}: it has ended, and the host may delete the disk 48 h later`;
  return `${isoMinute(endDateMs)}, in ${formatDuration(endDateMs - nowMs)}`;
}

function price(usd: number | null): string {
  return usd === null ? '-' : usd.toFixed(usd > 0 && usd < 0.0995 ? 4 : 3);
}

function roundUsd(usd: number): number {
  return Math.round(usd * 1e6) / 1e6;
}

function sshText(instance: Instance): string {
  const { ssh } = addressesOf(instance);
  return ssh === null ? '-' : `root@${ssh.host}:${ssh.port}${ssh.via === 'proxy' ? ' (proxy)' : ''}`;
}

function money(usd: number | null): string {
  return usd === null ? '-' : formatPerHour(usd);
}

function age(instance: Instance, nowMs: number): string {
  return instance.startDateMs === null ? '-' : formatDuration(Math.max(0, nowMs - instance.startDateMs));
}

function isoTime(epochMs: number | null): string | null {
  return epochMs === null || !Number.isFinite(epochMs) ? null : new Date(epochMs).toISOString();
}
