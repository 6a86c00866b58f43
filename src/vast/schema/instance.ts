import * as z from 'zod/mini';
import type { Instance, PortBinding } from '../model.js';
import { epochMs, flag, id, nullableNumber, nullableScript, nullableText, reader, within } from './fields.js';

/** {"22/tcp":[{"HostIp","HostPort":"41022"}]}; an array of ints or nothing on some routes means "not told" (vast-api 5.1). */
const portsSchema = z.pipe(
  z.optional(z.unknown()),
  z.transform((value): PortBinding[] | null => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return Object.entries(value).flatMap(([containerPort, bindings]) => {
      const first = Array.isArray(bindings) ? (bindings[0] as { HostPort?: unknown } | undefined) : undefined;
      const hostPort = Number(first?.HostPort);
      return Number.isInteger(hostPort) && hostPort > 0 && hostPort < 65_536 ? [{ containerPort, hostPort }] : [];
    });
  }),
);

/** A list of pairs as documented, or the object that was sent, or a docker-flag string. */
const envSchema = z.pipe(
  z.optional(z.unknown()),
  z.transform((value): [string, string][] => {
    if (Array.isArray(value))
      return value.flatMap((pair) =>
        Array.isArray(pair) ? [[String(pair[0]), String(pair[1] ?? '')] as [string, string]] : [],
      );
    if (typeof value === 'object' && value !== null)
      return Object.entries(value).map(([name, item]) => [name, String(item)]);
    return [];
  }),
);

const instanceSchema = z.pipe(
  z.object({
    id,
    machine_id: nullableNumber,
    host_id: nullableNumber,
    label: nullableText,
    actual_status: nullableText,
    intended_status: nullableText,
    cur_state: nullableText,
    next_state: nullableText,
    status_msg: nullableText,
    gpu_name: nullableText,
    num_gpus: nullableNumber,
    gpu_ram: nullableNumber,
    dph_base: nullableNumber,
    dph_total: nullableNumber,
    min_bid: nullableNumber,
    is_bid: flag,
    storage_cost: nullableNumber,
    disk_space: nullableNumber,
    disk_usage: nullableNumber,
    inet_up: nullableNumber,
    inet_down: nullableNumber,
    inet_up_cost: nullableNumber,
    inet_down_cost: nullableNumber,
    image_uuid: nullableText,
    image_runtype: nullableText,
    template_id: nullableNumber,
    template_hash_id: nullableText,
    template_name: nullableText,
    onstart: nullableScript,
    extra_env: envSchema,
    jupyter_token: nullableText,
    ssh_host: nullableText,
    // One higher is tried too.
    ssh_port: within(1, 65_534),
    public_ipaddr: nullableText,
    ports: portsSchema,
    geolocation: nullableText,
    start_date: epochMs,
    end_date: epochMs,
    uptime_mins: nullableNumber,
    gpu_util: nullableNumber,
    gpu_temp: nullableNumber,
    reliability: nullableNumber,
    reliability2: nullableNumber,
  }),
  z.transform(
    (row): Instance => ({
      id: row.id,
      machineId: row.machine_id,
      hostId: row.host_id,
      label: row.label,
      actualStatus: row.actual_status,
      intendedStatus: row.intended_status,
      curState: row.cur_state,
      nextState: row.next_state,
      statusMsg: row.status_msg,
      gpuName: row.gpu_name,
      numGpus: row.num_gpus,
      gpuRamMb: row.gpu_ram,
      dphBase: row.dph_base,
      dphTotal: row.dph_total,
      minBid: row.min_bid,
      isBid: row.is_bid,
      storageCostPerGbMonth: row.storage_cost,
      diskSpaceGb: row.disk_space,
      // -1 until the machine has run (vast-api 5.3)
      diskUsageGb: row.disk_usage === null || row.disk_usage < 0 ? null : row.disk_usage,
      inetUpCostPerGb: row.inet_up_cost,
      inetDownCostPerGb: row.inet_down_cost,
      inetUpMbitPerS: row.inet_up,
      inetDownMbitPerS: row.inet_down,
      imageUuid: row.image_uuid,
      imageRuntype: row.image_runtype,
      templateId: row.template_id,
      templateHashId: row.template_hash_id,
      templateName: row.template_name,
      onstart: row.onstart,
      extraEnv: row.extra_env,
      jupyterToken: row.jupyter_token,
      sshHost: row.ssh_host,
      sshPort: row.ssh_port,
      publicIpaddr: row.public_ipaddr,
      ports: row.ports,
      geolocation: row.geolocation,
      startDateMs: row.start_date,
      endDateMs: row.end_date,
      uptimeMins: row.uptime_mins,
      gpuUtilPercent: row.gpu_util,
      gpuTempC: row.gpu_temp,
      reliability: row.reliability2 ?? row.reliability,
    }),
  ),
);

const listPageSchema = z.object({
  instances: z.nullable(z.array(instanceSchema)),
  next_token: z.nullish(z.string()),
  total_instances: z.nullish(z.number()),
  instances_found: z.nullish(z.number()),
});

export const readInstancePage = reader(listPageSchema);
/** `{"instances": {…}}`, a list of one, or null for an id that is not there (vast-api 5.1). */
export const readInstance = reader(
  z.pipe(
    z.object({ instances: z.nullable(z.union([instanceSchema, z.array(instanceSchema)])) }),
    z.transform(({ instances }) => (Array.isArray(instances) ? (instances[0] ?? null) : instances)),
  ),
);
export const readContract = reader(z.object({ new_contract: id }));
export const readResultUrl = reader(z.object({ result_url: z.string() }));
