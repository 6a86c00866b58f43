import { formatBytes, formatDuration, formatPerDay, formatPerHour, formatUsd } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Offer } from '../vast/model.js';
import type { LaunchResult } from '../workflows/launch/launch.js';
import type { LaunchPlan } from '../workflows/launch/plan.js';
import { planDocument, shownForgeArgs, shownProvisioning } from '../workflows/launch/plan-document.js';
import { isoMinute, type LimitAction, type LimitTime } from '../workflows/limits/limit-time.js';
import { bootMinutes } from '../workflows/offers/boot-estimate.js';
import { EXPECTED_DOWNLOAD_GB } from '../workflows/price.js';
import type { ReadinessResult } from '../workflows/readiness/await-readiness.js';
import { addressesOf, forgeUrl } from './addresses.js';
import { onDemandLines } from './bid-output.js';
import { limitWords } from './limit-words.js';
import { bootWords } from './offer-output.js';
import { shellWord } from './typed-command.js';

/** The plan in the words of the person who pays. */
export function planLines(plan: LaunchPlan, limit: LimitTime | null, nowMs: number): string[] {
  const { offer, price, request, template } = plan;
  const bid = plan.bidPerHourUsd === null ? '' : ` (interruptible, bid ${formatPerHour(plan.bidPerHourUsd)})`;
  return [
    `Machine   ${offer.numGpus}x ${offer.gpuName}, ${offer.geolocation ?? 'unknown place'}, offer ${offer.id}, machine ${offer.machineId}`,
    `Price     ${formatPerHour(price.runningPerHourUsd)} while running${bid}, ${formatPerDay(price.stoppedPerDayUsd)} while stopped, about ${formatUsd(price.downloadUsd)} once for the download`,
    ...onDemandLines(plan),
    `Start     ${startWords(offer)}`,
    `Disk      ${request.diskGb} GB`,
    template.source === 'api'
      ? `Template  ${template.name} (${template.id}), image ${template.image}`
      : `Template  forgectl's own definition: the API has no Forge template; image ${template.image}`,
    `Forge     ${shownForgeArgs(plan)}${plan.replacedPort === null ? '' : ` (--port ${plan.replacedPort} was replaced: the image's proxy needs 17860)`}`,
    `First run ${firstRunWords(plan)}`,
    `Label     ${plan.label}`,
    ...limitLines(plan, limit, nowMs),
    ...failOverLines(plan),
  ];
}

function firstRunWords(plan: LaunchPlan): string {
  const file = plan.provisioningFile ?? null;
  if (file === null) return shownProvisioning(plan) ?? 'no provisioning script';
  const way = file.by === 'onstart' ? 'carried in the start script' : 'brought over SSH after the first login';
  return `${cleanLine(file.name)} (${formatBytes(file.bytes)}, sha256 ${file.sha256.slice(0, 12)}), ${way}`;
}

function startWords(offer: Offer): string {
  const line =
    offer.inetDownMbitPerS === null ? 'the line is not told' : `at ${Math.round(offer.inetDownMbitPerS)} Mbit/s`;
  return `${bootWords(bootMinutes(offer))} until Forge answers, when all goes well (${EXPECTED_DOWNLOAD_GB} GB to fetch, ${line})`;
}

function limitLines({ limits }: LaunchPlan, limit: LimitTime | null, nowMs: number): string[] {
  const { maxLifetimeMs, maxSpendUsd, action } = limits;
  const parts = [
    maxLifetimeMs === null ? null : `after ${formatDuration(maxLifetimeMs)}`,
    maxSpendUsd === null ? null : `before it has cost ${formatUsd(maxSpendUsd)}`,
  ].filter((part) => part !== null);
  if (limit === null) return [];
  return [`Limit     ${parts.join(', or ')}: the platform will ${limitWords(action, limit, nowMs)}`];
}

function failOverLines({ failOver }: LaunchPlan): string[] {
  const budget = failOver.budgetUsd === null ? '' : `, ${formatUsd(failOver.budgetUsd)} in all`;
  if (failOver.keepFailed) return [`If it fails it is kept and goes on billing (--keep-failed)${budget}`];
  if (failOver.search === null || failOver.attempts === 1) return [`If it fails it is destroyed${budget}`];
  const others = failOver.attempts - 1;
  return [
    `If it fails it is destroyed, and up to ${others} more ${others === 1 ? 'is' : 'are'} tried, at most ${formatPerHour(failOver.maxPerHourUsd)} each${budget}`,
  ];
}

export function launchLines(result: LaunchResult): string[] {
  const { contractId, plan, readiness } = result;
  const { ssh } = addressesOf(readiness.instance);
  const limit = currentLimit(result);
  const lines = [
    '',
    readiness.reached === 'forge'
      ? `Forge answers (HTTP ${readiness.forgeHttpStatus}) on instance ${contractId} after ${formatDuration(readiness.elapsedMs)}, ${formatUsd(readiness.costUsd)} so far.`
      : `Instance ${contractId} is ready as far as ${readiness.reached} after ${formatDuration(readiness.elapsedMs)}, ${formatUsd(readiness.costUsd)} so far.`,
    `  Price    ${formatPerHour(plan.price.runningPerHourUsd)} while running, ${formatPerDay(plan.price.stoppedPerDayUsd)} while stopped`,
    ...(limit === null ? [] : [`  Limit    the platform will ${limit.action} it at ${isoMinute(limit.atMs)}`]),
  ];
  if (ssh !== null) {
    lines.push(`  Tunnel   forgectl tunnel ${shellWord(plan.label)}   then http://localhost:7860`);
    lines.push(`  Shell    forgectl ssh ${shellWord(plan.label)}`);
  }
  const url = forgeUrl(readiness.instance);
  if (url !== null) lines.push(`  Web      ${url}   (asks for the instance's token)`);
  lines.push(
    `  Stop     forgectl stop ${shellWord(plan.label)}`,
    `  Destroy  forgectl destroy ${shellWord(plan.label)}`,
  );
  return lines;
}

function currentLimit({ attempts, contractId }: LaunchResult): { action: LimitAction; atMs: number } | null {
  return attempts.find((attempt) => attempt.contractId === contractId)?.limit ?? null;
}

export function launchDocument(result: LaunchResult): Record<string, unknown> {
  const { contractId, plan, readiness, attempts } = result;
  const limit = currentLimit(result);
  return {
    id: contractId,
    label: plan.label,
    ...readinessDocument(readiness),
    limit_action: limit?.action ?? null,
    limit_at: limit === null ? null : new Date(limit.atMs).toISOString(),
    attempts: attempts
      .filter(({ state }) => state !== 'lost')
      .map(({ offer, contractId: id, state, failure, costUsd }) => ({
        instance_id: id,
        machine_id: offer.machineId,
        offer_id: offer.id,
        state,
        code: failure?.code ?? null,
        reason: failure?.reason ?? null,
        cost_usd: Math.round(costUsd * 1e6) / 1e6,
      })),
    plan: planDocument(plan),
  };
}

export function readinessLines(result: ReadinessResult): string[] {
  const { instance, reached, elapsedMs } = result;
  const name = instance.label ?? String(instance.id);
  return [
    reached === 'forge'
      ? `Forge answers (HTTP ${result.forgeHttpStatus}) on ${name} after ${formatDuration(elapsedMs)}.`
      : `${name} is ready as far as ${reached} after ${formatDuration(elapsedMs)}.`,
  ];
}

export function readinessDocument(result: ReadinessResult): Record<string, unknown> {
  const { instance } = result;
  const { ssh } = addressesOf(instance);
  return {
    id: instance.id,
    label: instance.label,
    reached: result.reached,
    elapsed_s: Math.round(result.elapsedMs / 100) / 10,
    cost_usd: Math.round(result.costUsd * 1e6) / 1e6,
    forge_http_status: result.forgeHttpStatus,
    ssh_host: ssh?.host ?? null,
    ssh_port: ssh?.port ?? null,
    ssh_via: result.via,
    forge_url: forgeUrl(instance),
    price_per_hour_usd: instance.dphTotal,
    rungs: result.rungs.map(({ rung, elapsedMs }) => ({ rung, elapsed_s: Math.round(elapsedMs / 100) / 10 })),
  };
}
