import { formatDuration, formatPerDay, formatPerHour } from '../ui/format.js';
import type { Instance } from '../vast/model.js';
import { isOutbid, stateWord } from '../workflows/instance-state.js';
import { billedNowPerHourUsd, priceOfInstance } from '../workflows/price.js';
import { addressesOf, forgeUrl, portalUrl } from './addresses.js';
import type { ForgeContext } from './context.js';

/** Keys are stable; null where the API does not say. */
export function instanceDocument(instance: Instance, nowMs: number): Record<string, unknown> {
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
    bid_per_hour_usd: instance.isBid ? instance.minBid : null,
    price_per_hour_usd: runningPerHourUsd,
    billed_now_per_hour_usd: billedNowPerHourUsd(instance),
    stopped_price_per_day_usd: stoppedPerDayUsd,
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

export async function instanceTable(instances: readonly Instance[], context: ForgeContext): Promise<string> {
  const nowMs = context.clock.now();
  return context.table(instances, [
    { header: 'ID', value: (row) => String(row.id), align: 'right' },
    { header: 'LABEL', value: (row) => row.label ?? '-' },
    { header: 'STATE', value: (row) => stateWord(row) },
    { header: 'GPU', value: (row) => (row.gpuName === null ? '-' : `${row.numGpus ?? 1}x ${row.gpuName}`) },
    { header: 'NOW', value: (row) => money(billedNowPerHourUsd(row)), align: 'right' },
    { header: 'AGE', value: (row) => age(row, nowMs), align: 'right', priority: 2 },
    { header: 'SSH', value: (row) => sshText(row), priority: 3 },
    { header: 'WHERE', value: (row) => row.geolocation ?? '-', priority: 4 },
  ]);
}

export async function instanceDetails(instance: Instance, context: ForgeContext): Promise<string> {
  const { runningPerHourUsd, stoppedPerDayUsd } = priceOfInstance(instance);
  const lines: [string, string][] = [
    ['Instance', `${instance.id}${instance.label === null ? '' : ` (${instance.label})`}`],
    ['State', [stateWord(instance), instance.statusMsg].filter(Boolean).join(': ')],
    [
      'Machine',
      `${instance.numGpus ?? '?'}x ${instance.gpuName ?? '?'}, ${instance.geolocation ?? 'unknown place'}, machine ${instance.machineId ?? '?'}`,
    ],
    [
      'Price',
      `${money(runningPerHourUsd)} while running${instance.isBid ? ` (interruptible, bid ${money(instance.minBid)})` : ''}, ${stoppedPerDayUsd === null ? 'unknown' : formatPerDay(stoppedPerDayUsd)} while stopped`,
    ],
    ['Billed now', money(billedNowPerHourUsd(instance))],
    ['Age', age(instance, context.clock.now())],
    ['Ends', isoTime(instance.endDateMs) ?? '-'],
    ['SSH', sshText(instance)],
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
