import type { UpgradeEntry } from '../instance/upgrade-history.js';
import { formatBytes, formatDuration } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import { isUpToDate, neededBytes, PUT_BACK_AFTER_S, type UpgradePlan } from '../workflows/upgrade/plan.js';
import type { UpgradeResult } from '../workflows/upgrade/upgrade.js';
import type { ForgeContext } from './context.js';

export function planDocument(plan: UpgradePlan): Record<string, unknown> {
  const { requirements, edits, extensions } = plan;
  return {
    instance_id: plan.instanceId,
    label: plan.label,
    up_to_date: isUpToDate(plan),
    from: { sha: plan.from.sha, date: plan.from.date, subject: plan.from.subject, branch: plan.from.branch },
    to: { sha: plan.to.sha, date: plan.to.date, subject: plan.to.subject, ref: plan.to.name },
    remote_url: plan.remote.current,
    new_remote_url: plan.remote.next,
    commits: plan.commits,
    commit_count: plan.commitCount,
    lost_commit_count: plan.lostCount,
    requirements: {
      file: requirements.file,
      added: requirements.added.map(({ after }) => after),
      removed: requirements.removed.map(({ before }) => before),
      changed: requirements.changed.map(({ before, after }) => ({ before, after })),
      to_install: requirements.install,
    },
    local_edits: edits.map(({ path, by, outcome, diff }) => ({ path, by, outcome, diff })),
    extensions: extensions.map(({ name, head, branch, pending, dirty }) => ({
      name,
      sha: head,
      branch,
      pending_commits: pending,
      edited: dirty,
    })),
    torch: plan.torch.versions,
    disk_free_bytes: plan.freeBytes,
    disk_needed_bytes: neededBytes(plan),
    generating: plan.isGenerating,
    forge_answers: plan.forgeRan,
    expected_downtime_s: plan.expectedDowntimeS,
    put_back_after_s: plan.putBackAfterS ?? PUT_BACK_AFTER_S,
  };
}

const COMMITS_SHOWN = 15;
const DIFF_LINES_SHOWN = 30;

/** For people; everything in it comes from a machine and is cleaned. */
export function planLines(plan: UpgradePlan): string[] {
  const name = plan.label === null ? String(plan.instanceId) : `${plan.instanceId} (${plan.label})`;
  if (isUpToDate(plan)) return [`${name} is at ${commitText(plan.from)}: nothing newer on ${plan.to.name}.`];
  return [
    `Instance   ${cleanLine(name)}`,
    `From       ${commitText(plan.from)}${plan.from.branch === null ? '' : `, branch ${cleanLine(plan.from.branch)}`}`,
    `To         ${commitText(plan.to)}, ${cleanLine(plan.to.name)}`,
    ...remoteLines(plan),
    ...commitLines(plan),
    ...requirementLines(plan),
    ...editLines(plan),
    ...extensionLines(plan),
    `Kept       ${Object.entries(plan.torch.versions)
      .map(([name, version]) => `${name} ${cleanLine(version)}`)
      .join(', ')}`,
    `Disk       ${diskText(plan)}`,
    `Forge      ${forgeText(plan)}`,
    `Downtime   about ${formatDuration(plan.expectedDowntimeS * 1000)}, for the restart only${plan.isDowntimeMeasured ? ', as the last time' : ''}`,
    'If a step fails, all of it is put back, and Forge is proved to answer again.',
    `If nothing is heard of forgectl for ${waitText(plan)}, the machine does that by itself.`,
  ];
}

function waitText({ putBackAfterS = PUT_BACK_AFTER_S }: UpgradePlan): string {
  return formatDuration(putBackAfterS * 1000).replace(/ 00[sm]$/u, '');
}

export function historyDocument(entry: UpgradeEntry): Record<string, unknown> {
  return {
    run: entry.run,
    at: entry.at,
    from: entry.from,
    to: { sha: entry.to.sha, subject: entry.to.subject, ref: entry.to.name },
    remote_url: entry.remoteUrl,
    result: entry.result === 'done' ? 'done' : 'rolled_back',
    reason: entry.reason,
    downtime_s: entry.downtimeS,
  };
}

export function historyTable(entries: readonly UpgradeEntry[], context: ForgeContext): Promise<string> {
  return context.table(entries, [
    { header: 'WHEN', value: ({ at }) => at.slice(0, 16).replace('T', ' ') },
    { header: 'FROM', value: ({ from }) => from.sha.slice(0, 9) },
    { header: 'TO', value: ({ to }) => `${to.sha.slice(0, 9)} (${cleanLine(to.name)})` },
    { header: 'SUBJECT', value: ({ to }) => cleanLine(to.subject), priority: 4 },
    {
      header: 'DOWN',
      value: ({ downtimeS }) => (downtimeS === null ? '-' : formatDuration(downtimeS * 1000)),
      priority: 3,
    },
    { header: 'RESULT', value: ({ result, reason }) => (reason === null ? result : `${result}: ${cleanLine(reason)}`) },
  ]);
}

export function resultLine(plan: UpgradePlan, { downtimeMs }: UpgradeResult): string {
  const down = downtimeMs === null ? '' : ` Forge was down for ${formatDuration(downtimeMs)}.`;
  return `Forge on ${cleanLine(plan.label ?? String(plan.instanceId))} is at ${commitText(plan.to)} and answers.${down}`;
}

function remoteLines({ remote }: UpgradePlan): string[] {
  if (remote.next === null || remote.next === remote.current) return [];
  return [`Remote     ANOTHER ONE: ${cleanLine(remote.next)}, instead of ${cleanLine(remote.current ?? 'none')}`];
}

function commitLines({ commits, commitCount, lostCount }: UpgradePlan): string[] {
  const shown = commits.slice(0, COMMITS_SHOWN).map((commit) => `  ${commitText(commit)}`);
  const more = commitCount - shown.length;
  return [
    `Commits    ${commitCount} new${lostCount === 0 ? '' : `, and ${lostCount} of the present ones are left out`}`,
    ...shown,
    ...(more > 0 ? [`  … and ${more} more`] : []),
  ];
}

function requirementLines({ requirements }: UpgradePlan): string[] {
  const { added, removed, changed, install } = requirements;
  const count = added.length + removed.length + changed.length;
  if (count === 0) return ['Packages   the requirements are the same'];
  return [
    `Packages   ${install.length} to install`,
    ...added.map(({ after }) => `  + ${cleanLine(after ?? '')}`),
    ...changed.map(({ before, after }) => `  ~ ${cleanLine(before ?? '')} → ${cleanLine(after ?? '')}`),
    ...removed.map(({ before }) => `  - ${cleanLine(before ?? '')} (stays installed)`),
  ];
}

function editLines({ edits }: UpgradePlan): string[] {
  if (edits.length === 0) return ['Edits      none'];
  return edits.flatMap(({ path, by, outcome, diff }) => [
    `Edit       ${cleanLine(path)}: ${by === 'image' ? "the image's own" : 'yours'}, ${outcome === 'applies' ? 'is made again' : 'DOES NOT FIT the new commit'}`,
    ...(by === 'user' ? diffLines(diff) : []),
  ]);
}

function diffLines(diff: string): string[] {
  const lines = diff.split('\n').filter((line) => /^[-+@ ]/u.test(line) && !/^(?:---|\+\+\+) /u.test(line));
  const more = lines.length - DIFF_LINES_SHOWN;
  return [
    ...lines.slice(0, DIFF_LINES_SHOWN).map((line) => `    ${cleanLine(line)}`),
    ...(more > 0 ? [`    … ${more} more lines`] : []),
  ];
}

function extensionLines({ extensions }: UpgradePlan): string[] {
  const behind = extensions.filter(({ pending }) => (pending ?? 0) > 0);
  if (behind.length === 0) return [];
  const names = behind.map(({ name, pending }) => `${cleanLine(name)} (${pending})`).join(', ');
  return [`Extensions with commits of their own pending: ${names}; --extensions upgrades them`];
}

function diskText(plan: UpgradePlan): string {
  const free = plan.freeBytes === null ? 'unknown room' : formatBytes(plan.freeBytes);
  return `${free} free, at most ${formatBytes(neededBytes(plan))} needed`;
}

function forgeText({ isGenerating, forgeRan }: UpgradePlan): string {
  if (!forgeRan) return 'does not answer now';
  if (isGenerating === null) return 'answers; whether it draws something it does not say (--api is off)';
  return isGenerating ? 'IS DRAWING SOMETHING NOW' : 'answers, and draws nothing';
}

function commitText({ sha, date, subject }: { sha: string; date: string; subject: string }): string {
  return `${sha.slice(0, 9)} ${date.slice(0, 10)} ${cleanLine(subject)}`;
}
