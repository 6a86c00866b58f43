import * as z from 'zod/mini';
import type { AccountSshKey, Instance, Offer, PortBinding, Template, User } from './model.js';

/**
 * The fields that forgectl uses, strict where a wrong reading would cost money (ids, prices, lists, success) and
 * tolerant where the API is known to differ from its documents. Unknown fields are left behind.
 */

/** One line, without control and formatting characters: text of strangers ends up on terminals (traps: trailing newlines). */
function cleanLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').trim();
}

const text = z.pipe(z.string(), z.transform(cleanLine));
const nullableText = z.pipe(
  z.nullish(z.union([z.string(), z.number(), z.boolean()])),
  z.transform((value) => (value === null || value === undefined ? null : cleanLine(String(value)) || null)),
);
/** Script text keeps its line breaks. */
const nullableScript = z.pipe(
  z.nullish(z.string()),
  z.transform((value) => value ?? null),
);
const number = z.number();
const nullableNumber = z.pipe(
  z.nullish(z.union([z.number(), z.string()])),
  z.transform((value) =>
    value === null || value === undefined || value === '' || !Number.isFinite(Number(value)) ? null : Number(value),
  ),
);
const flag = z.pipe(
  z.nullish(z.union([z.boolean(), z.number(), z.string()])),
  z.transform((value) => value === true || value === 1 || value === 'true'),
);
const id = z.pipe(z.union([z.number(), z.string().check(z.regex(/^\d+$/u))]), z.transform(Number));

const offerSchema = z.pipe(
  z.object({
    id,
    machine_id: id,
    host_id: nullableNumber,
    gpu_name: text,
    num_gpus: number,
    gpu_ram: number,
    gpu_total_ram: nullableNumber,
    cpu_cores: nullableNumber,
    cpu_cores_effective: nullableNumber,
    cpu_ram: nullableNumber,
    cpu_arch: nullableText,
    disk_space: number,
    disk_bw: nullableNumber,
    inet_up: nullableNumber,
    inet_down: nullableNumber,
    inet_up_cost: nullableNumber,
    inet_down_cost: nullableNumber,
    storage_cost: nullableNumber,
    dph_base: nullableNumber,
    dph_total: number,
    min_bid: nullableNumber,
    is_bid: flag,
    duration: nullableNumber,
    reliability: nullableNumber,
    reliability2: nullableNumber,
    cuda_max_good: nullableNumber,
    driver_version: nullableText,
    compute_cap: nullableNumber,
    direct_port_count: nullableNumber,
    static_ip: flag,
    verification: nullableText,
    verified: z.nullish(z.union([z.boolean(), z.string()])),
    hosting_type: nullableNumber,
    dlperf: nullableNumber,
    dlperf_per_dphtotal: nullableNumber,
    score: nullableNumber,
    geolocation: nullableText,
  }),
  z.transform(
    (row): Offer => ({
      id: row.id,
      machineId: row.machine_id,
      hostId: row.host_id,
      gpuName: row.gpu_name,
      numGpus: row.num_gpus,
      gpuRamMb: row.gpu_ram,
      gpuTotalRamMb: row.gpu_total_ram,
      cpuCores: row.cpu_cores,
      cpuCoresEffective: row.cpu_cores_effective,
      cpuRamMb: row.cpu_ram,
      cpuArch: row.cpu_arch,
      diskSpaceGb: row.disk_space,
      diskBwMbPerS: row.disk_bw,
      inetUpMbitPerS: row.inet_up,
      inetDownMbitPerS: row.inet_down,
      inetUpCostPerGb: row.inet_up_cost,
      inetDownCostPerGb: row.inet_down_cost,
      storageCostPerGbMonth: row.storage_cost,
      dphBase: row.dph_base,
      dphTotal: row.dph_total,
      minBid: row.min_bid,
      isBid: row.is_bid,
      durationS: row.duration,
      // Both spellings are in use (vast-api 3.1).
      reliability: row.reliability2 ?? row.reliability,
      cudaMaxGood: row.cuda_max_good,
      driverVersion: row.driver_version,
      computeCap: row.compute_cap,
      directPortCount: row.direct_port_count,
      staticIp: row.static_ip,
      verified: row.verification === 'verified' || row.verified === true || row.verified === 'verified',
      hostingType: row.hosting_type,
      dlperf: row.dlperf,
      dlperfPerDphTotal: row.dlperf_per_dphtotal,
      score: row.score,
      geolocation: row.geolocation,
    }),
  ),
);

/** {"22/tcp":[{"HostIp","HostPort":"41022"}]}; an array of ints or nothing on some routes means "not told" (vast-api 5.1). */
const portsSchema = z.pipe(
  z.optional(z.unknown()),
  z.transform((value): PortBinding[] | null => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return Object.entries(value).flatMap(([containerPort, bindings]) => {
      const first = Array.isArray(bindings) ? (bindings[0] as { HostPort?: unknown } | undefined) : undefined;
      const hostPort = Number(first?.HostPort);
      return Number.isInteger(hostPort) && hostPort > 0 ? [{ containerPort, hostPort }] : [];
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

const epochMs = z.pipe(
  nullableNumber,
  z.transform((seconds) => (seconds === null ? null : seconds * 1000)),
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
    ssh_port: nullableNumber,
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

const templateSchema = z.pipe(
  z.object({
    id,
    hash_id: text,
    name: text,
    image: text,
    tag: nullableText,
    env: nullableScript,
    onstart: nullableScript,
    runtype: nullableText,
    ssh_direct: flag,
    jup_direct: flag,
    use_ssh: flag,
    recommended: flag,
    recommended_disk_space: nullableNumber,
    creator_id: nullableNumber,
  }),
  z.transform(
    (row): Template => ({
      id: row.id,
      hashId: row.hash_id,
      name: row.name,
      image: row.image,
      tag: row.tag,
      env: row.env ?? '',
      onstart: row.onstart ?? '',
      runtype: row.runtype,
      sshDirect: row.ssh_direct,
      jupDirect: row.jup_direct,
      useSsh: row.use_ssh,
      recommended: row.recommended,
      recommendedDiskSpaceGb: row.recommended_disk_space,
      creatorId: row.creator_id,
    }),
  ),
);

const userSchema = z.pipe(
  z.object({ id, email: nullableText, credit: nullableNumber, balance: nullableNumber }),
  z.transform((row): User => ({ id: row.id, email: row.email, creditUsd: row.credit ?? row.balance })),
);

const sshKeySchema = z.pipe(
  z.object({
    id,
    key: nullableText,
    public_key: nullableText,
    ssh_key: nullableText,
    created_at: nullableText,
    deleted_at: nullableText,
  }),
  z.transform(
    (row): AccountSshKey => ({
      id: row.id,
      publicKey: row.public_key ?? row.key ?? row.ssh_key ?? '',
      createdAt: row.created_at,
    }),
  ),
);

const listPageSchema = z.object({
  instances: z.nullable(z.array(instanceSchema)),
  next_token: z.nullish(z.string()),
  total_instances: z.nullish(z.number()),
  instances_found: z.nullish(z.number()),
});

/** A reader of one schema: the body's value, or an Error that names the field. */
function reader<T>(schema: z.ZodMiniType<T>): (body: unknown) => T {
  return (body) => {
    const result = z.safeParse(schema, body);
    if (result.success) return result.data;
    const issue = result.error.issues[0];
    throw new Error(`${issue?.path.join('.') || 'the whole answer'}: ${issue?.message ?? 'wrong shape'}`);
  };
}

export const readOffers = reader(
  z.object({
    offers: z.union([
      z.array(offerSchema),
      z.pipe(
        offerSchema,
        z.transform((offer) => [offer]),
      ),
    ]),
  }),
);
export const readInstancePage = reader(listPageSchema);
/** `{"instances": {…}}`, a list of one, or null for an id that is not there (vast-api 5.1). */
export const readInstance = reader(
  z.pipe(
    z.object({ instances: z.nullable(z.union([instanceSchema, z.array(instanceSchema)])) }),
    z.transform(({ instances }) => (Array.isArray(instances) ? (instances[0] ?? null) : instances)),
  ),
);
export const readUser = reader(userSchema);
export const readTemplates = reader(z.object({ templates: z.array(templateSchema) }));
export const readSshKeys = reader(
  z.union([
    z.array(sshKeySchema),
    z.pipe(
      z.object({ keys: z.array(sshKeySchema) }),
      z.transform(({ keys }) => keys),
    ),
  ]),
);
export const readContract = reader(z.object({ new_contract: id }));
export const readResultUrl = reader(z.object({ result_url: z.string() }));
export const readNothing = (): undefined => undefined;
export const readApiKeys = reader(
  z.object({ apikeys: z.array(z.object({ id, permissions: z.optional(z.unknown()) })) }),
);
export const readKeyId = reader(z.object({ key_id: nullableNumber }));
