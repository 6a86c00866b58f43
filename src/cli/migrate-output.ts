import { formatBytes, formatDuration, formatUsd } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import type { End, MigratePlan } from '../workflows/migrate/plan.js';
import type { MigrateFacts } from '../workflows/migrate/work.js';
import { changeOfPrice } from './price-lines.js';

const WAYS = {
  api: "the platform's copy, compared afterwards",
  pull: 'direct, fetched by the destination, with a key that lives for this run',
  push: 'direct, sent by the source, with a key that lives for this run',
  relay: 'through this computer',
} as const;

function nameOf({ id, label }: Pick<End, 'id' | 'label'>): string {
  return label === null || label === '' ? String(id) : `${id} (${cleanLine(label)})`;
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

/** The plan for people; names of files and images come from machines and are cleaned. */
export function planLines(plan: MigratePlan): string[] {
  const { source, destination, moves } = plan;
  return [
    `From       ${nameOf(source)}${forgeWords(plan)}`,
    `To         ${nameOf(destination)}`,
    `Moves      ${count(moves.files, 'file')}, ${formatBytes(moves.bytes)}`,
    ...moves.biggest.map(({ path, bytes }) => `  ${formatBytes(bytes).padStart(9)}  ${cleanLine(path)}`),
    ...plan.leftOut.map(
      ({ pattern, reason, bytes }) => `Stays      ${cleanLine(pattern)} (${formatBytes(bytes)}): ${reason}`,
    ),
    ...linkLines(plan),
    ...overwriteLines(plan),
    ...sameLines(plan),
    `Disk       ${formatBytes(moves.bytes)} needed beside what is there, ${formatBytes(destination.freeBytes)} free`,
    `Way        ${WAYS[plan.via === 'direct' ? (plan.passage ?? 'pull') : plan.via]}${plan.whyVia === null ? '' : ` (${cleanLine(plan.whyVia)})`}${plan.deflates ? ', small files deflated' : ''}${expectedWords(plan)}`,
    `Proof      ${proofWords(plan)}`,
    `Traffic    ${trafficWords(plan)}`,
    ...downtimeLines(plan),
    `After      ${afterWords(plan)}`,
    ...priceLines(plan),
    'Until Forge answers on the destination nothing is deleted anywhere; what fails can go on (resume) or be taken back (undo).',
  ];
}

function forgeWords({ source, isDrawing }: MigratePlan): string {
  if (source.isStopped) return '; it does NOT RUN: the platform lists and copies what lies there';
  if (!source.forgeRan) return '; Forge does not run there';
  return isDrawing === true ? '; Forge is DRAWING something' : '; Forge runs';
}

function linkLines({ linksOut }: MigratePlan): string[] {
  if (linksOut.length === 0) return [];
  return [`Links      lead out of the workspace, and move as they are: ${linksOut.map(cleanLine).join(', ')}`];
}

function overwriteLines({ overwrites, destination }: MigratePlan): string[] {
  if (overwrites.length === 0) return ['Replaced   nothing'];
  return overwrites.map(
    ({ path, files, bytes }) =>
      `Replaced   ${cleanLine(path)} on ${destination.id} (${count(files, 'file')}, ${formatBytes(bytes)}): moved aside first`,
  );
}

function sameLines({ differences, source }: MigratePlan): string[] {
  if (differences.length === 0)
    return [`Image      the same${source.image === null ? '' : `, ${cleanLine(source.image)}`}`];
  return differences.map(
    ({ what, source: one, destination: other, breaks }) =>
      `DIFFERS    ${what}: ${cleanLine(one)} and ${cleanLine(other)}: ${breaks}`,
  );
}

function proofWords({ source, wishes }: MigratePlan): string {
  const what = 'every name, type, size, mode, time and link target';
  if (source.isStopped) return `${what}, by the platform's list of the source; CONTENTS CANNOT BE COMPARED`;
  return wishes.verify === 'full' ? `${what}, and every content` : what;
}

function expectedWords({ expectedS }: MigratePlan): string {
  return expectedS === null ? '' : `; about ${formatDuration(expectedS * 1000)}`;
}

function trafficWords({ traffic }: MigratePlan): string {
  if (traffic.isFree) return `free: ${traffic.why}`;
  return traffic.usd === null
    ? 'the hosts do not say what they take'
    : `about ${formatUsd(traffic.usd)} for both hosts`;
}

function downtimeLines({ kind, source, wishes }: MigratePlan): string[] {
  if (!source.forgeRan) return [];
  if (wishes.keepSourceRunning || kind === 'clone') return ['Downtime   none on the source'];
  return ['Downtime   Forge on the source is away for the last pass and the comparison'];
}

function afterWords({ source, wishes }: MigratePlan): string {
  if (wishes.afterwards === 'destroy') return `${nameOf(source)} is DESTROYED with its data`;
  if (wishes.afterwards === 'stop') return `${nameOf(source)} is stopped; its disk goes on billing`;
  return `${nameOf(source)} stays as it is, and goes on billing`;
}

/** What becomes of the source's bill. */
function sourcePrice({ source, sourcePrice: prices, wishes }: MigratePlan) {
  const unknown = { nowPerHourUsd: null, runningPerHourUsd: null, stoppedPerDayUsd: null };
  const asBefore = source.isStopped ? 'stop' : 'reboot';
  return changeOfPrice(prices ?? unknown, wishes.afterwards === 'keep' ? asBefore : wishes.afterwards);
}

function priceLines(plan: MigratePlan): string[] {
  return plan.wishes.afterwards === 'keep' ? [] : [`Price      of ${plan.source.id}: ${sourcePrice(plan).line}`];
}

export function planDocument(plan: MigratePlan): Record<string, unknown> {
  const { source, destination, moves, traffic, wishes } = plan;
  const { document: price } = sourcePrice(plan);
  return {
    source: endDocument(source),
    destination: endDocument(destination),
    files: moves.files,
    bytes: moves.bytes,
    biggest: moves.biggest,
    left_out: plan.leftOut,
    links_out: plan.linksOut,
    overwrites: plan.overwrites,
    differences: plan.differences.map(({ what, source: one, destination: other, breaks }) => ({
      what,
      source: one,
      destination: other,
      may_break: breaks,
    })),
    via: plan.via,
    via_reason: plan.whyVia,
    deflates_small_files: plan.deflates,
    direct_by: plan.passage === null ? null : plan.passage === 'pull' ? 'destination' : 'source',
    traffic_free: traffic.isFree,
    traffic_free_reason: traffic.why,
    traffic_cost_usd: traffic.usd === null ? null : Math.round(traffic.usd * 1e6) / 1e6,
    expected_s: plan.expectedS,
    generating: plan.isDrawing,
    verify: wishes.verify,
    source_stopped: source.isStopped,
    source_afterwards: wishes.afterwards,
    source_price_per_hour_before_usd: price.price_per_hour_before_usd,
    source_price_per_hour_after_usd: price.price_per_hour_after_usd,
    source_stopped_price_per_day_usd: price.stopped_price_per_day_usd,
    keep_source_running: wishes.keepSourceRunning,
  };
}

function endDocument(end: End): Record<string, unknown> {
  return {
    id: end.id,
    label: end.label,
    workspace: end.workspace,
    image: end.image,
    environment_hash: end.envHash,
    disk_free_bytes: end.freeBytes,
    forge_runs: end.forgeRan,
    traffic_usd_per_gb: end.trafficUsdPerGb,
  };
}

export function resultDocument(plan: MigratePlan, facts: MigrateFacts, run: string): Record<string, unknown> {
  const { downtimeMs } = facts;
  return {
    ...planDocument(plan),
    run,
    moved_bytes: facts.movedBytes ?? 0,
    compared_paths: facts.files ?? null,
    source_downtime_s: downtimeMs === undefined ? null : Math.round(downtimeMs / 100) / 10,
    freeze: facts.freeze ?? null,
    packages_not_restorable: facts.packagesLeft ?? [],
    packages_error: facts.packagesFailed ?? null,
    source_kept_reason: facts.sourceKept ?? null,
    forge_answers: true,
  };
}

export function resultLines(plan: MigratePlan, facts: MigrateFacts): string[] {
  const { source, destination, wishes } = plan;
  const { downtimeMs, packagesLeft = [], packagesFailed, sourceKept } = facts;
  const isKept = wishes.afterwards === 'keep' || sourceKept !== undefined;
  const byContent = wishes.verify === 'full' ? ', contents too' : '';
  const how = source.isStopped ? ' with the list of the stopped source, contents not' : byContent;
  return [
    `${nameOf(destination)} is what ${nameOf(source)} was: ${count(facts.files ?? 0, 'path')} compared${how}, ${formatBytes(facts.movedBytes ?? 0)} moved, Forge answers (HTTP 200).`,
    ...(downtimeMs === undefined
      ? []
      : [`Forge on the source was away for ${formatDuration(downtimeMs)}, and answers again.`]),
    ...packagesLeft.map(({ line, reason }) => `Package    ${cleanLine(line)}   stays out: ${cleanLine(reason)}`),
    ...(packagesFailed === undefined ? [] : [`Packages   as the image has them: ${cleanLine(packagesFailed)}`]),
    ...(sourceKept === undefined
      ? []
      : [`Source     NOT ${wishes.afterwards === 'stop' ? 'stopped' : 'destroyed'}: ${cleanLine(sourceKept)}`]),
    ...(isKept ? [`The source goes on billing: forgectl stop ${source.id}, or forgectl destroy ${source.id}`] : []),
  ];
}
