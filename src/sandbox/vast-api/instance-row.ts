import type { Contract, World } from '../world.js';
import { diskPerHour } from './billing.js';
import type { Copies } from './copies.js';
import type { FaultList } from './faults.js';
import type { Market } from './market.js';

/** A contract as the API shows it (published spec: show instances), with its nulls, strings and stray line ends. */
// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one line a field of the documented answer
export function instanceRow(
  contract: Contract,
  deps: { world: World; market: Market; faults: FaultList; copies: Copies },
): Record<string, unknown> {
  const offer = deps.market.ask(contract.offerId)?.row ?? ({} as Record<string, unknown>);
  const running = contract.phase === 'running';
  const addresses = running ? contract.addresses : null;
  const jupyter = contract.runtype.includes('jupyter');
  const statusMsg = deps.copies.statusOf(contract) ?? contract.statusMsg;
  const total = contract.gpuPerHourUsd + diskPerHour(contract);
  return {
    id: contract.id,
    machine_id: contract.machineId,
    host_id: offer['host_id'] ?? null,
    bundle_id: offer['bundle_id'] ?? null,
    label: contract.label,
    actual_status: actualStatus(contract),
    intended_status: contract.intended,
    cur_state: running ? 'running' : contract.intended === 'running' ? 'running' : 'stopped',
    next_state: contract.intended,
    status_msg: statusMsg === null ? null : `${statusMsg}\n`,
    image_uuid: contract.image,
    image_runtype: contract.runtype,
    image_args: [],
    onstart: contract.onstart,
    extra_env: Object.entries(contract.env),
    template_id: contract.templateId,
    template_hash_id: contract.templateHashId,
    template_name: contract.templateName,
    jupyter_token: contract.jupyterToken,
    ssh_idx: '1',
    ssh_host: contract.addresses?.host ?? null,
    ssh_port:
      contract.addresses === null ? null : jupyter ? contract.addresses.proxyPort - 1 : contract.addresses.proxyPort,
    machine_dir_ssh_port: null,
    public_ipaddr: `${contract.addresses?.host ?? '127.0.0.1'}\n`,
    local_ipaddrs: '127.0.0.1 \n',
    ports: addresses === null || deps.faults.applies('no-ports', contract) ? null : portMap(addresses.published),
    direct_port_start: -1,
    direct_port_end: -1,
    direct_port_count: offer['direct_port_count'] ?? 0,
    start_date: contract.createdMs / 1000,
    end_date: contract.endMs / 1000,
    duration: (deps.world.now() - contract.createdMs) / 1000,
    uptime_mins: running ? (deps.world.now() - contract.startedMs) / 60_000 : null,
    dph_base: contract.gpuPerHourUsd,
    dph_total: total,
    min_bid: deps.market.leastBid(contract),
    is_bid: contract.isBid,
    storage_cost: contract.storageCostPerGbMonth,
    storage_total_cost: diskPerHour(contract),
    disk_space: contract.diskGb,
    disk_usage: running ? 1.2 : -1,
    disk_name: 'nvme',
    disk_bw: 1800,
    gpu_name: offer['gpu_name'] ?? null,
    num_gpus: offer['num_gpus'] ?? null,
    gpu_frac: offer['gpu_frac'] ?? null,
    gpu_ram: offer['gpu_ram'] ?? null,
    gpu_totalram: offer['gpu_total_ram'] ?? null,
    gpu_util: running ? 0 : null,
    gpu_temp: running ? 37 : null,
    cpu_util: running ? 1.5 : null,
    cpu_ram: offer['cpu_ram'] ?? null,
    cpu_cores: offer['cpu_cores'] ?? null,
    cpu_cores_effective: offer['cpu_cores_effective'] ?? null,
    mem_limit: running ? 64 : null,
    mem_usage: running ? 1.1 : null,
    vmem_usage: running ? 0 : null,
    geolocation: offer['geolocation'] ?? null,
    inet_up: offer['inet_up'] ?? null,
    inet_down: offer['inet_down'] ?? null,
    inet_up_cost: offer['inet_up_cost'] ?? null,
    inet_down_cost: offer['inet_down_cost'] ?? null,
    reliability2: offer['reliability2'] ?? null,
    verification: offer['verification'] ?? null,
    driver_version: offer['driver_version'] ?? null,
    cuda_max_good: offer['cuda_max_good'] ?? null,
    compute_cap: offer['compute_cap'] ?? null,
    dlperf: offer['dlperf'] ?? null,
    hosting_type: offer['hosting_type'] ?? null,
    static_ip: offer['static_ip'] ?? null,
    volume_info: null,
    rentable: false,
  };
}

/** Null for the first moment, then the word (vast-api 5.4). */
function actualStatus(contract: Contract): string | null {
  if (contract.phase === 'created') return contract.statusMsg === null ? null : 'created';
  return contract.phase;
}

function portMap(published: Record<number, number>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(published).map(([inside, outside]) => [
      `${inside}/tcp`,
      [
        { HostIp: '0.0.0.0', HostPort: String(outside) },
        { HostIp: '::', HostPort: String(outside) },
      ],
    ]),
  );
}
