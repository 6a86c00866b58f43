import { hideCredentials } from '../../instance/forge-args.js';
import { redactAddress, redactSecrets } from '../../secrets/redact.js';
import type { Offer } from '../../vast/model.js';
import { bootMinutes } from '../offers/boot-estimate.js';
import type { LaunchPlan } from './plan.js';

/** For people and --json: names of variables, never their values. */
export function planDocument(plan: LaunchPlan): Record<string, unknown> {
  const { offer, price, request, template } = plan;
  return {
    label: plan.label,
    offer: offerSummary(offer),
    price_per_hour_usd: round(price.runningPerHourUsd),
    stopped_price_per_day_usd: round(price.stoppedPerDayUsd),
    download_estimate_usd: round(price.downloadUsd),
    first_hour_usd: round(price.firstHourUsd),
    boot_estimate_minutes: Math.round(bootMinutes(offer) * 10) / 10,
    interruptible: plan.bidPerHourUsd !== null,
    bid_per_hour_usd: plan.bidPerHourUsd,
    on_demand_per_hour_usd: roundOrNull(plan.onDemandPerHourUsd),
    least_bid_per_hour_usd: plan.bidPerHourUsd === null ? null : plan.offer.minBid,
    template: { source: template.source, name: template.name, id: template.source === 'api' ? template.id : null },
    image: template.image,
    disk_gb: request.diskGb,
    runtype: request.runtype,
    environment_names: Object.keys(request.env)
      .filter((name) => !name.startsWith('-'))
      .sort(),
    published_ports: Object.keys(request.env).flatMap((name) => /^-p\s+(\S+)$/u.exec(name)?.[1] ?? []),
    forge_args: shownForgeArgs(plan),
    provisioning: shownProvisioning(plan),
    provisioning_file: fileDocument(plan),
    wait_for: plan.waitFor,
    timeout_s: plan.timeoutMs / 1000,
    attempts: plan.failOver.attempts,
    budget_usd: plan.failOver.budgetUsd,
    next_machine_max_per_hour_usd: plan.failOver.search === null ? null : round(plan.failOver.maxPerHourUsd),
    max_lifetime_s: plan.limits.maxLifetimeMs === null ? null : plan.limits.maxLifetimeMs / 1000,
    max_spend_usd: plan.limits.maxSpendUsd,
    at_limit: plan.limits.maxLifetimeMs === null && plan.limits.maxSpendUsd === null ? null : plan.limits.action,
  };
}

/** A flag may carry a user name and password. */
export function shownForgeArgs({ request }: LaunchPlan): string {
  return redactSecrets(hideCredentials(request.env['FORGE_ARGS'] ?? ''));
}

function fileDocument({ provisioningFile: file }: LaunchPlan): Record<string, unknown> | null {
  return file ? { name: file.name, sha256: file.sha256, bytes: file.bytes, carried_by: file.by } : null;
}

/** Without its query, which may carry a token; null when nothing is run at the first start. */
export function shownProvisioning({ request }: LaunchPlan): string | null {
  const url = request.env['PROVISIONING_SCRIPT'] ?? '';
  return url === '' ? null : redactAddress(url);
}

function offerSummary(offer: Offer): Record<string, unknown> {
  return {
    id: offer.id,
    machine_id: offer.machineId,
    gpu_name: offer.gpuName,
    num_gpus: offer.numGpus,
    geolocation: offer.geolocation,
    reliability: offer.reliability,
  };
}

/** Journals of an earlier forgectl have no such price. */
function roundOrNull(usd: number | null | undefined): number | null {
  return usd === null || usd === undefined ? null : round(usd);
}

function round(usd: number): number {
  return Math.round(usd * 1e6) / 1e6;
}
