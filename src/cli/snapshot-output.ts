import { toText } from '../instance/files/byte-path.js';
import { quote } from '../instance/remote-command.js';
import { formatBytes, formatUsd } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Manifest } from '../workflows/snapshot/manifest.js';
import type { StoredSnapshot } from '../workflows/snapshot/store.js';
import type { ForgeContext } from './context.js';
import type { CreateAnswer } from './snapshot-create.js';
import type { RemovedSnapshot } from './snapshot-folder.js';
import type { RestoreAnswer } from './snapshot-restore.js';

const MOST_NAMED = 10;

export function estimateLines({ estimate, plan, usdPerGb, freeBytes, place }: CreateAnswer): string[] {
  const { files, links, bytes, unchangedFiles, unchangedBytes, mostNewBytes, biggest, special } = estimate;
  const linked = links === 0 ? '' : `, ${count(links, 'link')}`;
  return [
    `Snapshot   ${plan.name} of ${cleanLine(plan.label ?? String(plan.instanceId))}, in ${cleanLine(place)}`,
    `Holds      ${count(files, 'file')}${linked}, ${formatBytes(bytes)}`,
    ...biggest.map((tree) => `  ${formatBytes(tree.bytes).padStart(9)}  ${cleanLine(tree.path)}`),
    `Unchanged  ${count(unchangedFiles, 'file')}, ${formatBytes(unchangedBytes)}, in the folder already`,
    `To copy    at most ${formatBytes(mostNewBytes)}${cost(mostNewBytes, usdPerGb)}; ${formatBytes(freeBytes)} free there`,
    ...(freeBytes < mostNewBytes ? ['           More than there is room for, unless the folder has some of it.'] : []),
    ...(plan.excluded.includes('/.env') ? ['Left out   .env, which may hold secrets (--with-env takes it)'] : []),
    ...(special.length === 0
      ? []
      : [`Left out   ${special.slice(0, MOST_NAMED).map(cleanLine).join(', ')}: neither file nor link`]),
    ...(plan.stopForge ? ['Forge      is stopped while its files are read, and started again'] : []),
  ];
}

export function estimateDocument({
  estimate,
  plan,
  usdPerGb,
  freeBytes,
  place,
  run,
}: CreateAnswer): Record<string, unknown> {
  const { files, directories, links, bytes, unchangedFiles, unchangedBytes, mostNewBytes, biggest, special } = estimate;
  return {
    name: plan.name,
    instance_id: plan.instanceId,
    label: plan.label,
    place,
    run,
    files,
    directories,
    links,
    bytes,
    unchanged_files: unchangedFiles,
    unchanged_bytes: unchangedBytes,
    most_new_bytes: mostNewBytes,
    most_traffic_cost_usd: usdOf(mostNewBytes, usdPerGb),
    free_bytes: freeBytes,
    biggest,
    special,
    excluded: plan.excluded,
    stops_forge: plan.stopForge,
  };
}

export function createdLines({ manifest, place, usdPerGb }: CreateAnswer): string[] {
  if (manifest === null) return [];
  const { name, totals, unsettled, problems } = manifest;
  const missing = problems.filter(({ kind }) => kind !== 'special');
  const what = `${count(totals.files, 'file')}, ${formatBytes(totals.bytes)}`;
  return [
    ...named('Changed while it was read', unsettled),
    ...named(
      'Not in it',
      missing.map(({ path, kind }) => `${path} (${kind})`),
    ),
    `Snapshot ${name}: ${what}; ${formatBytes(totals.newBytes)} were new${cost(totals.newBytes, usdPerGb)}. Every content was compared by its hash.`,
    `It is in ${cleanLine(place)}. To have it again: forgectl snapshot restore ${name} INSTANCE`,
  ];
}

export function manifestDocument(manifest: Manifest): Record<string, unknown> {
  const { source, launch, forge, extensions, venv, totals } = manifest;
  return {
    name: manifest.name,
    complete: manifest.finishedAt !== null,
    started_at: manifest.startedAt,
    finished_at: manifest.finishedAt,
    forgectl: manifest.forgectl,
    instance_id: source.instanceId,
    label: source.label,
    gpu_name: source.gpuName,
    num_gpus: source.numGpus ?? null,
    workspace: source.workspace,
    forge:
      forge === null
        ? null
        : {
            head: forge.head,
            subject: forge.subject,
            branch: forge.branch,
            remote_url: forge.remoteUrl,
            edited_files: forge.editedPaths,
            edits_sha256: forge.editsSha256,
          },
    extensions: extensions.map(({ name, head, branch, remoteUrl, isEdited }) => {
      return { name, head, branch, remote_url: remoteUrl, edited: isEdited };
    }),
    packages: venv?.freeze.length ?? null,
    torch: venv?.torch ?? null,
    launch: {
      template_hash_id: launch.templateHashId,
      template_name: launch.templateName,
      image: launch.image,
      runtype: launch.runtype,
      disk_gb: launch.diskGb,
      ports: launch.ports,
      env: launch.env,
      secret_names: launch.secretNames,
    },
    excluded: manifest.excluded,
    files: totals.files,
    directories: totals.directories,
    links: totals.links,
    bytes: totals.bytes,
    new_bytes: totals.newBytes,
    changed_while_read: manifest.unsettled,
    problems: manifest.problems,
  };
}

/** Keys and values for a terminal. */
export function manifestPairs(manifest: Manifest): [string, string][] {
  const { source, launch, forge, extensions, venv, totals, unsettled, problems } = manifest;
  const gpu = source.gpuName === null ? '' : `, ${source.numGpus ?? 1}x ${source.gpuName}`;
  return [
    ['Snapshot', `${manifest.name}${manifest.finishedAt === null ? ' (unfinished)' : ''}`],
    ['Made', manifest.finishedAt ?? manifest.startedAt],
    ['Of', cleanLine(`${source.instanceId}${source.label === null ? '' : ` (${source.label})`}${gpu}`)],
    ['Holds', `${count(totals.files, 'file')}, ${count(totals.links, 'link')}, ${formatBytes(totals.bytes)}`],
    ['Forge', forge === null ? 'no checkout' : cleanLine(`${forge.head.slice(0, 9)} ${forge.subject}`)],
    ['Edits', forge === null ? '-' : count(forge.editedPaths, 'file')],
    ['Remote', cleanLine(forge?.remoteUrl ?? '-')],
    ...extensions.map(({ name, head, isEdited }): [string, string] => {
      return ['Extension', cleanLine(`${name} ${head.slice(0, 9)}${isEdited ? ', edited' : ''}`)];
    }),
    ['Packages', venv === null ? 'not known' : `${venv.freeze.length}, ${torchWords(venv.torch)}`],
    ['Image', cleanLine(launch.image ?? '-')],
    ['Template', cleanLine(launch.templateName ?? '-')],
    ['Disk', launch.diskGb === null ? '-' : `${launch.diskGb} GB`],
    ...(launch.secretNames.length === 0
      ? []
      : ([['Without', `the values of ${launch.secretNames.map(cleanLine).join(', ')}`]] as [string, string][])),
    ['Left out', manifest.excluded.map(cleanLine).join(' ')],
    ...(unsettled.length === 0 ? [] : ([['Changing', unsettled.map(cleanLine).join(', ')]] as [string, string][])),
    ...problems.map(({ path, kind }): [string, string] => ['Missing', cleanLine(`${path} (${kind})`)]),
  ];
}

export function storedDocument({ name, isComplete, manifest, problem }: StoredSnapshot): Record<string, unknown> {
  return {
    name,
    complete: isComplete,
    readable: manifest !== null,
    started_at: manifest?.startedAt ?? null,
    instance_id: manifest?.source.instanceId ?? null,
    label: manifest?.source.label ?? null,
    gpu_name: manifest?.source.gpuName ?? null,
    files: isComplete ? (manifest?.totals.files ?? null) : null,
    bytes: isComplete ? (manifest?.totals.bytes ?? null) : null,
    new_bytes: isComplete ? (manifest?.totals.newBytes ?? null) : null,
    problem: problem?.message ?? null,
  };
}

export function restoreLines({ plan, manifest, changes, head, image, usdPerGb }: RestoreAnswer): string[] {
  const { forge, launch } = manifest;
  const { packages } = plan;
  const outward = changes.outwardLinks.map(toText);
  return [
    `Restore    ${plan.name} (${manifest.finishedAt ?? manifest.startedAt}) onto ${cleanLine(plan.label ?? String(plan.instanceId))}`,
    ...(launch.image !== image
      ? [
          `Image      ${cleanLine(image ?? '?')}, and the snapshot is of ${cleanLine(launch.image ?? '?')}: packages may not fit`,
        ]
      : []),
    `Forge      ${head?.slice(0, 9) ?? 'none'} → ${forge?.head.slice(0, 9) ?? 'none'}, stopped meanwhile`,
    `To copy    ${count(changes.files, 'file')}, ${formatBytes(changes.bytes)}${cost(changes.bytes, usdPerGb)}; ${changes.sameFiles} there already`,
    `Replaced   ${count(changes.asideFiles, 'file')}, ${formatBytes(changes.asideBytes)}: moved aside first, removed when Forge answers`,
    `Kept       ${count(changes.keptFiles, 'file')} that the snapshot does not have`,
    ...packageLines(packages),
    ...(outward.length === 0
      ? []
      : [`Links      out of the workspace: ${outward.slice(0, MOST_NAMED).map(cleanLine).join(', ')}`]),
    'If it fails, everything is put back as it is now.',
  ];
}

function packageLines(packages: RestoreAnswer['plan']['packages']): string[] {
  if (packages === null) return ['Packages   left as they are'];
  const { install, impossible, extra } = packages;
  return [
    `Packages   ${install.length === 0 ? 'nothing to install' : `${install.length} to install`}; torch stays`,
    ...install.map((line) => `  + ${cleanLine(line)}`),
    ...impossible.map(({ line, reason }) => `  ! ${cleanLine(line)}   stays out: ${reason}`),
    ...(extra.length === 0 ? [] : [`  = ${extra.map(cleanLine).join(', ')}   not in the snapshot, kept`]),
  ];
}

export function restoreDocument({
  plan,
  manifest,
  changes,
  head,
  image,
  usdPerGb,
  run,
}: RestoreAnswer): Record<string, unknown> {
  return {
    name: plan.name,
    instance_id: plan.instanceId,
    label: plan.label,
    run,
    image: { machine: image, snapshot: manifest.launch.image },
    forge: { from: head, to: manifest.forge?.head ?? null },
    files: changes.files,
    bytes: changes.bytes,
    traffic_cost_usd: usdOf(changes.bytes, usdPerGb),
    same_files: changes.sameFiles,
    replaced_files: changes.asideFiles,
    replaced_bytes: changes.asideBytes,
    kept_files: changes.keptFiles,
    replaced: changes.aside.map(toText),
    outward_links: changes.outwardLinks.map(toText),
    packages:
      plan.packages === null
        ? null
        : { install: plan.packages.install, not_restorable: plan.packages.impossible, kept_extra: plan.packages.extra },
    verified: plan.verify,
  };
}

export function restoredLines({ plan, manifest, changes }: RestoreAnswer): string[] {
  const packages = plan.packages?.install.length ?? 0;
  const compared = plan.verify === 'full' ? 'contents too' : 'names, sizes, modes and times';
  return [
    `Restored ${plan.name}: ${count(changes.files, 'file')}, ${formatBytes(changes.bytes)}; compared, ${compared}: all equal.`,
    `Forge is at ${manifest.forge?.head.slice(0, 9) ?? 'no commit'} and answers; ${count(packages, 'package')} installed, torch is the same.`,
  ];
}

export async function storedTable(stored: readonly StoredSnapshot[], context: ForgeContext): Promise<string> {
  return context.table(stored, [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'MADE', value: ({ manifest }) => manifest?.startedAt.slice(0, 16).replace('T', ' ') ?? '-' },
    {
      header: 'INSTANCE',
      value: ({ manifest }) => cleanLine(manifest?.source.label ?? String(manifest?.source.instanceId ?? '-')),
    },
    { header: 'GPU', value: ({ manifest }) => cleanLine(manifest?.source.gpuName ?? '-'), priority: 3 },
    {
      header: 'FILES',
      value: (one) => totalOf(one, 'files')?.toLocaleString('en') ?? '-',
      align: 'right',
      priority: 2,
    },
    { header: 'SIZE', value: (one) => sizeOf(totalOf(one, 'bytes')), align: 'right' },
    { header: 'NEW', value: (one) => sizeOf(totalOf(one, 'newBytes')), align: 'right', priority: 2 },
    { header: 'STATE', value: stateOf },
  ]);
}

function totalOf({ isComplete, manifest }: StoredSnapshot, key: 'files' | 'bytes' | 'newBytes'): number | null {
  return isComplete ? (manifest?.totals[key] ?? null) : null;
}

function sizeOf(bytes: number | null): string {
  return bytes === null ? '-' : formatBytes(bytes);
}

function stateOf({ isComplete, problem }: StoredSnapshot): string {
  if (problem !== null) return problem.code === 'SNAPSHOT_TOO_NEW' ? 'of a newer forgectl' : 'damaged';
  return isComplete ? 'complete' : 'unfinished';
}

export function damageLines(damaged: readonly string[]): string[] {
  if (damaged.length === 0) return ['Compared   every content with its hash: all as stored'];
  return [
    ...named('Damaged', damaged),
    `Compared   ${count(damaged.length, 'path')} not as stored: take another copy of the folder.`,
  ];
}

export function removedLine({ name, freedBytes }: RemovedSnapshot, isDryRun: boolean): string {
  const free =
    freedBytes === null
      ? 'its contents stay, since another snapshot cannot be read'
      : `${formatBytes(freedBytes)} free`;
  return isDryRun ? `Would remove the snapshot ${name}: ${free}.` : `Removed the snapshot ${name}: ${free}.`;
}

/** Variables that the template brings itself. */
export const TEMPLATES_OWN = /^(?:OPEN_BUTTON_\w+|PORTAL_CONFIG|JUPYTER_DIR|DATA_DIRECTORY)$/u;

/** The line that rents a machine of the same kind. */
export function launchLine({ launch, name }: Manifest): string {
  const { FORGE_ARGS: args, PROVISIONING_SCRIPT: script, ...env } = launch.env;
  const words = [
    'launch',
    '--best',
    ...(launch.templateHashId === null ? [] : ['--template', launch.templateHashId]),
    ...(launch.templateHashId === null && launch.image !== null ? ['--image', launch.image] : []),
    ...(launch.diskGb === null ? [] : ['--disk', String(launch.diskGb)]),
    ...(args === undefined ? [] : ['--forge-args', args]),
    ...(script === undefined ? [] : ['--provisioning', script]),
    ...Object.entries(env).flatMap(([key, value]) => (TEMPLATES_OWN.test(key) ? [] : ['--env', `${key}=${value}`])),
    '--label',
    name,
  ];
  return cleanLine(`forgectl ${quote(words)}`);
}

function named(what: string, paths: readonly string[]): string[] {
  const lines = paths.slice(0, MOST_NAMED).map((path) => cleanLine(`${what}: ${path}`));
  return paths.length > MOST_NAMED
    ? [...lines, `… and ${paths.length - MOST_NAMED} more; --json has all of them.`]
    : lines;
}

function torchWords(torch: Record<string, string>): string {
  const words = Object.entries(torch).map(([name, version]) => `${name} ${version}`);
  return words.length === 0 ? 'no torch' : cleanLine(words.join(', '));
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

function usdOf(bytes: number, usdPerGb: number | null): number | null {
  return usdPerGb === null ? null : Math.round((bytes / 1e9) * usdPerGb * 1e6) / 1e6;
}

function cost(bytes: number, usdPerGb: number | null): string {
  const usd = usdOf(bytes, usdPerGb);
  return usd === null || usd < 0.001 ? '' : `, about ${formatUsd(usd)} of traffic`;
}
