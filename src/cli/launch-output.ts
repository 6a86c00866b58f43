import { formatDuration, formatPerDay, formatPerHour, formatUsd } from '../ui/format.js';
import type { LaunchResult } from '../workflows/launch/launch.js';
import { type LaunchPlan, planDocument, shownForgeArgs, shownProvisioning } from '../workflows/launch/plan.js';
import type { ReadinessResult } from '../workflows/readiness/await-readiness.js';
import { addressesOf, forgeUrl } from './addresses.js';

/** The plan in the words of the person who pays. */
export function planLines(plan: LaunchPlan): string[] {
  const { offer, price, request, template } = plan;
  const bid = plan.bidPerHourUsd === null ? '' : ` (interruptible, bid ${formatPerHour(plan.bidPerHourUsd)})`;
  return [
    `Machine   ${offer.numGpus}x ${offer.gpuName}, ${offer.geolocation ?? 'unknown place'}, offer ${offer.id}, machine ${offer.machineId}`,
    `Price     ${formatPerHour(price.runningPerHourUsd)} while running${bid}, ${formatPerDay(price.stoppedPerDayUsd)} while stopped, about ${formatUsd(price.downloadUsd)} once for the download`,
    `Disk      ${request.diskGb} GB`,
    template.source === 'api'
      ? `Template  ${template.name} (${template.id}), image ${template.image}`
      : `Template  forgectl's own definition: the API has no Forge template; image ${template.image}`,
    `Forge     ${shownForgeArgs(plan)}${plan.replacedPort === null ? '' : ` (--port ${plan.replacedPort} was replaced: the image's proxy needs 17860)`}`,
    `First run ${shownProvisioning(plan) ?? 'no provisioning script'}`,
    `Label     ${plan.label}`,
  ];
}

/** `keyPath` is named when ssh would not find the key by itself. */
export function launchLines(plan: LaunchPlan, result: LaunchResult, keyPath: string | null): string[] {
  const { contractId, readiness } = result;
  const { ssh } = addressesOf(readiness.instance);
  const lines = [
    '',
    readiness.reached === 'forge'
      ? `Forge answers (HTTP ${readiness.forgeHttpStatus}) on instance ${contractId} after ${formatDuration(readiness.elapsedMs)}, ${formatUsd(readiness.costUsd)} so far.`
      : `Instance ${contractId} is ready as far as ${readiness.reached} after ${formatDuration(readiness.elapsedMs)}, ${formatUsd(readiness.costUsd)} so far.`,
    `  Price    ${formatPerHour(plan.price.runningPerHourUsd)} while running, ${formatPerDay(plan.price.stoppedPerDayUsd)} while stopped`,
  ];
  if (ssh !== null) {
    const login = `ssh ${keyPath === null ? '' : `-i ${quoteWord(keyPath)} `}-p ${ssh.port} root@${ssh.host}`;
    lines.push(`  Tunnel   ${login} -L 7860:localhost:17860   then http://localhost:7860`);
    lines.push(`  Shell    ${login}`);
  }
  const url = forgeUrl(readiness.instance);
  if (url !== null) lines.push(`  Web      ${url}   (asks for the instance's token)`);
  lines.push(`  Stop     forgectl stop ${plan.label}`, `  Destroy  forgectl destroy ${plan.label}`);
  return lines;
}

/** For a line that is copied into a shell. */
function quoteWord(word: string): string {
  return /^[\w@%+=:,./~-]+$/u.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function launchDocument(plan: LaunchPlan, result: LaunchResult): Record<string, unknown> {
  return { id: result.contractId, label: plan.label, ...readinessDocument(result.readiness), plan: planDocument(plan) };
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
