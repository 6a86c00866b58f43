import { isSecret, redactAddress, redactSecrets } from '../secrets/redact.js';
import type { Shell, ShellOptions } from '../ssh/shell.js';
import { Facts } from './facts.js';
import { isBranchName, isCommit } from './git-names.js';
import { type PortalApplication, readPortalYaml } from './portal-config.js';
import { PROBED_TOOLS, probeScript, SHOWN_VARIABLES } from './probe-script.js';
import { runScript } from './remote-script.js';
import { type Program, parseStatus } from './supervisor.js';

/** What this machine is. Null is "not there" or "would not say"; nothing is assumed. */
export interface Probe {
  user: string | null;
  /** Never secrets: the values of a few, the names of all. */
  variables: Record<string, string>;
  variableNames: string[];
  provisioning: { running: boolean; complete: boolean; failed: boolean; stopped: boolean };
  /** How the platform launched it; null when it left no script. */
  launch: { jupyter: boolean } | null;
  /** Paths of the tools that are there. */
  tools: Partial<Record<(typeof PROBED_TOOLS)[number], string>>;
  /** Of the image's environment: "3.11.7". */
  pythonVersion: string | null;
  torchVersion: string | null;
  supervisor: { exitCode: number; programs: Program[]; skipped: string[] } | null;
  forge: ForgeTree | null;
  portal: { applications: PortalApplication[] | null; httpStatus: number; routes: string[] };
  disk: { totalBytes: number; freeBytes: number } | null;
  /** Null when counting took too long. */
  workspaceBytes: number | null;
  /** "<contract>/<file>" */
  venvBackups: string[];
  forgeHttpStatus: number;
  /** 404 without --api. */
  forgeApiHttpStatus: number;
}

interface ForgeTree {
  directory: string;
  remoteUrl: string | null;
  head: string | null;
  /** Null for a detached head, which is how the image leaves it. */
  branch: string | null;
  /** `git status --porcelain` of tracked files. */
  changes: string[];
  requirementsFile: string | null;
}

export async function probe(shell: Shell, options: ShellOptions): Promise<Probe> {
  return parseProbe((await runScript(shell, probeScript(), options)).output);
}

export function parseProbe(text: string): Probe {
  const facts = new Facts(text);
  return {
    user: facts.text('user'),
    variables: shownVariables(facts),
    variableNames: facts.lines('variable_names').sort(),
    provisioning: {
      running: facts.has('provisioning'),
      complete: facts.has('provisioning_complete'),
      failed: facts.has('provisioning_failed'),
      stopped: facts.has('provisioner_stopped'),
    },
    launch: facts.has('launch') ? { jupyter: facts.has('launch_jupyter') } : null,
    tools: Object.fromEntries(
      PROBED_TOOLS.flatMap((tool) => (facts.has(`tool.${tool}`) ? [[tool, facts.text(`tool.${tool}`)]] : [])),
    ),
    pythonVersion: /Python (\S+)/u.exec(facts.text('python') ?? '')?.[1] ?? null,
    torchVersion: facts.text('torch'),
    supervisor: supervisorOf(facts),
    forge: forgeOf(facts),
    portal: portalOf(facts),
    disk: diskOf(facts.text('disk')),
    workspaceBytes: kilobytes(facts.text('workspace_used')?.split(/\s/u)[0]),
    venvBackups: facts.lines('venv_backups').sort(),
    forgeHttpStatus: facts.number('forge_http') ?? 0,
    forgeApiHttpStatus: facts.number('forge_api_http') ?? 0,
  };
}

function shownVariables(facts: Facts): Record<string, string> {
  const pairs = SHOWN_VARIABLES.filter((name) => facts.has(`variable.${name}`)).map((name): [string, string] => [
    name,
    redactSecrets(facts.text(`variable.${name}`) ?? ''),
  ]);
  return Object.fromEntries(pairs.filter(([name, shown]) => !isSecret(name, shown)));
}

function supervisorOf(facts: Facts): Probe['supervisor'] {
  const exitCode = facts.number('supervisor_exit');
  if (exitCode === null) return null;
  return { exitCode, programs: parseStatus(facts.text('supervisor') ?? '').programs, skipped: facts.lines('skipped') };
}

function forgeOf(facts: Facts): ForgeTree | null {
  const directory = facts.text('forge');
  if (directory === null) return null;
  const remote = facts.text('git_remote');
  return {
    directory,
    remoteUrl: remote === null ? null : redactAddress(remote),
    head: facts.likely('git_head', isCommit),
    branch: facts.likely('git_branch', isBranchName),
    changes: facts.lines('git_changes'),
    requirementsFile: facts.text('requirements'),
  };
}

function portalOf(facts: Facts): Probe['portal'] {
  const yaml = facts.text('portal_yaml');
  return {
    applications: yaml === null ? null : readPortalYaml(yaml),
    httpStatus: facts.number('portal_http') ?? 0,
    routes: routesOf(facts.text('portal_openapi')),
  };
}

/** Older portals have no such document, or another page in its place. */
function routesOf(openApi: string | null): string[] {
  try {
    const document = JSON.parse(openApi ?? '') as { paths?: unknown };
    return Object.keys((document.paths ?? {}) as Record<string, unknown>).sort();
  } catch {
    return [];
  }
}

/** df -P: file system, 1024-blocks, used, available, capacity, place. A name may hold spaces, the numbers do not. */
function diskOf(line: string | null): Probe['disk'] {
  const match = /\s(\d{1,12})\s+\d+\s+(\d{1,12})\s+\d+%/u.exec(line ?? '');
  return match === null ? null : { totalBytes: Number(match[1]) * 1024, freeBytes: Number(match[2]) * 1024 };
}

function kilobytes(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,12}$/u.test(text) ? Number(text) * 1024 : null;
}
