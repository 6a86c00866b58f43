import { type BytePath, joinPath } from '../instance/files/byte-path.js';
import { formatBytes, formatDuration, formatUsd } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Mismatch } from '../workflows/copy/compare.js';
import type { CopyOutcome, CopyPlan } from '../workflows/copy/copy.js';
import type { PackedItem, Problem } from '../workflows/copy/side.js';
import type { Verify } from '../workflows/copy/verify.js';
import type { CopyReport } from './copy-run.js';

const KINDS: Record<Problem['kind'], string> = {
  vanished: 'vanished while it was copied',
  changed: 'changed while it was copied, and was left as it is at the destination',
  unreadable: 'cannot be read',
  unwritable: 'cannot be written',
  in_the_way: 'left out: something of another kind has its name at the destination',
  outward_link: 'left out: a link that leads out of what is copied (--links makes it all the same)',
  special: 'left out: neither file, directory nor link',
};

export function describeProblem(path: string, { kind, detail }: Problem): string {
  return cleanLine(`${path}: ${KINDS[kind]}${detail === null ? '' : ` (${detail})`}`);
}

/** Short, for the line that has to hold the progress too. */
export function planTitle({ totals }: CopyPlan): string {
  return `Copying ${formatBytes(totals.bytes)}`;
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

/** What a dry run prints: a line for each path that would be made or replaced. */
export function dryRunLines({ plan: { show, trees, totals }, trafficUsdPerGb }: CopyReport): string[] {
  const lines = trees.flatMap(({ tree, small, large, links, hardLinks }) => {
    const line = (item: PackedItem, size: string): string =>
      `${size.padStart(10)}  ${cleanLine(show(joinPath(tree.destinationBase, item.destination)))}`;
    return [
      ...[...small, ...large].map((item) => line(item, formatBytes(item.source.size))),
      ...hardLinks.map((item) => line(item, 'same file')),
      ...links.map((item) => line(item, 'link')),
    ];
  });
  const what = `${count(totals.files, 'file')}, ${formatBytes(totals.bytes)}${notes(totals)}`;
  return [...lines, `Would copy ${what}.${traffic(totals.bytes, trafficUsdPerGb)}`];
}

function traffic(bytes: number, usdPerGb: number | null): string {
  const usd = trafficUsd(bytes, usdPerGb);
  return usd === null || usd < LEAST_USD ? '' : ` Traffic: about ${formatUsd(usd)}.`;
}

/** Not worth a word. */
const LEAST_USD = 0.001;

function trafficUsd(bytes: number, usdPerGb: number | null): number | null {
  return usdPerGb === null ? null : Math.round((bytes / 1e9) * usdPerGb * 1e6) / 1e6;
}

function notes({ skipped, replaced }: CopyPlan['totals']): string {
  return [
    ...(replaced === 0 ? [] : [`, ${replaced} in the place of another`]),
    ...(skipped === 0 ? [] : [`; ${count(skipped, 'file')} skipped`]),
  ].join('');
}

export function outcomeLines({ plan, trafficUsdPerGb }: CopyReport, outcome: CopyOutcome, verify: Verify): string[] {
  const { files, movedBytes, elapsedMs, mismatches, problems } = outcome;
  const rate = elapsedMs < 1000 ? '' : ` (${formatBytes(Math.round((movedBytes / elapsedMs) * 1000))}/s)`;
  const took = `${formatBytes(movedBytes)} in ${formatDuration(elapsedMs)}${rate}`;
  return [
    ...mismatches.map((mismatch) => mismatchLine(mismatch, plan.show)),
    `Copied ${count(files, 'file')}, ${took}${notes(plan.totals)}.${traffic(movedBytes, trafficUsdPerGb)}`,
    ...(problems.length === 0 ? [] : [`${count(problems.length, 'path')} not copied: see above.`]),
    ...(verify === 'none' ? [] : [verdict(mismatches, verify)]),
  ];
}

function verdict(mismatches: readonly Mismatch[], verify: Verify): string {
  if (mismatches.length > 0) return `Compared: ${count(mismatches.length, 'difference')}.`;
  return verify === 'full'
    ? 'Compared, contents too: all equal.'
    : 'Compared names, sizes, modes and times: all equal.';
}

function mismatchLine({ path, what, source, destination }: Mismatch, show: CopyPlan['show']): string {
  return cleanLine(`Differs: ${show(path)}: ${what}: ${source}, copy ${destination ?? 'none'}`);
}

export function copyDocument({ plan, trafficUsdPerGb, outcome }: CopyReport, verify: Verify): Record<string, unknown> {
  const { totals, trees, show } = plan;
  const problemDocument = ({ path, problem }: { path: BytePath; problem: Problem }): Record<string, unknown> => {
    return { path: show(path), kind: problem.kind, detail: problem.detail };
  };
  if (outcome === null) {
    const items = trees.flatMap(({ tree, small, large, links, hardLinks }) =>
      [...small, ...large, ...hardLinks, ...links].map(({ source, destination }) => ({
        path: show(joinPath(tree.destinationBase, destination)),
        type: source.type,
        bytes: source.size,
      })),
    );
    const cost = trafficUsd(totals.bytes, trafficUsdPerGb);
    return {
      dry_run: true,
      ...totals,
      traffic_cost_usd: cost,
      items,
      problems: trees.flatMap((tree) => tree.problems.map(problemDocument)),
    };
  }
  const { files, movedBytes, elapsedMs, problems, mismatches } = outcome;
  return {
    files,
    directories: totals.directories,
    links: totals.links,
    bytes: movedBytes,
    skipped: totals.skipped,
    replaced: totals.replaced,
    elapsed_s: Math.round(elapsedMs) / 1000,
    bytes_per_s: elapsedMs === 0 ? null : Math.round((movedBytes / elapsedMs) * 1000),
    traffic_cost_usd: trafficUsd(movedBytes, trafficUsdPerGb),
    verified: verify,
    problems: problems.map(problemDocument),
    unread: plan.complaints,
    mismatches: mismatches.map((mismatch) => ({ ...mismatch, path: show(mismatch.path) })),
  };
}
