import { EXIT, ForgeError } from '../../errors.js';
import type { CheckoutFacts } from '../../instance/checkout.js';
import type { ChangeFacts, ExtensionFacts, LocalEdit } from '../../instance/checkout-change.js';
import type { ResolvedRef } from '../../instance/git-ref.js';
import { compareRequirements, linesToInstall, type RequirementDifference } from '../../instance/requirements.js';
import type { TorchSet } from '../../instance/torch-set.js';
import { REDACTED } from '../../secrets/redact.js';

interface Commit {
  sha: string;
  date: string;
  subject: string;
}

/** Plain data, made from what the machine said; printed by --dry-run and kept in the journal. */
export interface UpgradePlan {
  instanceId: number;
  label: string | null;
  from: Commit & { branch: string | null };
  /** `backTo`: of a rollback, the branch that was checked out then. Left out by older runs. */
  to: Commit & { name: string; branch: string | null; backTo?: string | null };
  /** Without passwords. `nextOfRun`: the run whose record on the machine has the next address whole. Left out by older runs. */
  remote: { current: string | null; next: string | null; nextOfRun?: string | null };
  /** Newest first; at most 200 of `commitCount`. */
  commits: Commit[];
  commitCount: number;
  /** Commits that go away: a step back. */
  lostCount: number;
  requirements: RequirementDifference & { file: string | null; install: string[] };
  edits: LocalEdit[];
  extensions: ExtensionFacts[];
  torch: TorchSet;
  installer: 'uv' | 'pip' | null;
  freeBytes: number | null;
  isGenerating: boolean | null;
  /** Whether Forge answered before; one that did not is not made worse by an upgrade that does not answer either. */
  forgeRan: boolean;
  /** What the last upgrade took; else rough: a restart, and what Forge loads then. */
  expectedDowntimeS: number;
  isDowntimeMeasured: boolean;
  /** How long the machine waits for a lost forgectl before it puts itself back. Left out by older runs. */
  putBackAfterS?: number;
}

export interface PlanInput {
  instance: { id: number; label: string | null };
  checkout: CheckoutFacts;
  target: ResolvedRef;
  change: ChangeFacts;
  torch: TorchSet;
  remoteUrl: string | null;
  remoteOfRun?: string | null;
  /** Instead of what the requirements ask for: the versions that a rollback brings back. */
  pins: readonly string[] | null;
  backTo: string | null;
  lastDowntimeS: number | null;
  putBackAfterS: number;
}

/** A few wheels, twice; torch never. */
const PACKAGES_BYTES = 2 * 1024 ** 3;
/** The record, with what it keeps free for the way back, and the new files of a checkout. */
const CHECKOUT_BYTES = 64 * 1024 ** 2;
const USUAL_RESTART_S = 60;
/** Longer than a lost connection is tried again, so that a run which comes back finds its machine waiting. */
export const PUT_BACK_AFTER_S = 15 * 60;

export function planUpgrade(input: PlanInput): UpgradePlan {
  const { instance, checkout, target, change, torch, remoteUrl, pins, backTo, lastDowntimeS, putBackAfterS } = input;
  const { before, after } = change.requirements;
  const texts = [before?.text ?? '', after?.text ?? ''] as const;
  return {
    instanceId: instance.id,
    label: instance.label,
    from: { sha: checkout.head, date: checkout.date, subject: checkout.subject, branch: checkout.branch },
    to: {
      sha: target.sha,
      date: change.date,
      subject: change.subject,
      name: target.name,
      branch: target.branch,
      backTo,
    },
    remote: { current: checkout.remoteUrl, next: remoteUrl, nextOfRun: input.remoteOfRun ?? null },
    commits: change.commits,
    commitCount: change.commitCount,
    lostCount: change.lostCount,
    requirements: {
      ...compareRequirements(...texts),
      file: after?.file ?? null,
      install: pins === null ? linesToInstall(...texts) : [...pins],
    },
    edits: change.edits,
    extensions: change.extensions,
    torch,
    installer: change.installer,
    freeBytes: change.freeBytes,
    isGenerating: change.isGenerating,
    forgeRan: change.forgeRuns,
    expectedDowntimeS: lastDowntimeS ?? USUAL_RESTART_S,
    isDowntimeMeasured: lastDowntimeS !== null,
    putBackAfterS,
  };
}

/** At most: what a package needs is known only when it is installed. */
export function neededBytes(plan: UpgradePlan): number {
  return CHECKOUT_BYTES + (plan.requirements.install.length > 0 ? PACKAGES_BYTES : 0);
}

export function isUpToDate(plan: UpgradePlan): boolean {
  return plan.from.sha === plan.to.sha && (plan.remote.next === null || plan.remote.next === plan.remote.current);
}

/** What stands in the way of the plan, found before anything is touched. Throws the first of them. */
export function refuseUpgrade(plan: UpgradePlan, checkout: CheckoutFacts, change: ChangeFacts): void {
  const problem = findProblem(plan, checkout, change);
  if (problem === null) return;
  throw new ForgeError(problem.message, {
    code: problem.code,
    exit: EXIT.conflict,
    hint: problem.hint,
    details: { instance_id: plan.instanceId, ...problem.details },
  });
}

interface Problem {
  code: string;
  message: string;
  hint: string;
  details?: Record<string, unknown>;
}

function findProblem(plan: UpgradePlan, checkout: CheckoutFacts, change: ChangeFacts): Problem | null {
  const { instanceId: id } = plan;
  const conflicts = plan.edits.filter(({ outcome }) => outcome === 'conflict').map(({ path }) => path);
  if (checkout.busy !== null) {
    return {
      code: 'CHECKOUT_BUSY',
      message: `Somebody is at work in the checkout (${checkout.busy}).`,
      hint: `Finish or abort it: forgectl ssh ${id}`,
    };
  }
  if (conflicts.length > 0) {
    return {
      code: 'LOCAL_EDITS_CONFLICT',
      message: `Local edits do not fit the new commit: ${conflicts.join(', ')}.`,
      hint: `forgectl upgrade ${id} --dry-run shows them. Undo or commit them there: forgectl ssh ${id}`,
      details: { paths: conflicts },
    };
  }
  if (change.collisions.length > 0) {
    return {
      code: 'UNTRACKED_FILES',
      message: `The new commit has files that lie there already, untracked and different: ${change.collisions.join(', ')}.`,
      hint: `Move them away: forgectl ssh ${id}`,
      details: { paths: change.collisions },
    };
  }
  return findUnsupported(plan, change);
}

function findUnsupported(plan: UpgradePlan, change: ChangeFacts): Problem | null {
  const { instanceId: id } = plan;
  if (change.hasSubmodules) {
    return {
      code: 'SUBMODULES',
      message: 'The new commit has submodules, whose way back forgectl does not know.',
      hint: `Upgrade it by hand: forgectl ssh ${id}`,
    };
  }
  if (change.needsLfs && !change.hasLfs) {
    return {
      code: 'NO_LFS',
      message: 'The new commit keeps files in Git LFS, which the machine does not have.',
      hint: `forgectl exec ${id} -- apt-get install -y git-lfs`,
    };
  }
  if (plan.requirements.install.length > 0 && plan.installer === null) {
    return {
      code: 'NO_INSTALLER',
      message: 'The requirements change, and the machine has neither uv nor pip.',
      hint: `forgectl exec ${id} -- python -m ensurepip`,
    };
  }
  if (plan.requirements.install.some((line) => line.includes(REDACTED))) {
    return {
      code: 'REQUIREMENTS_HOLD_SECRET',
      message: 'The requirements have a password in an address, which no journal may keep.',
      hint: `Let them name a variable of the machine in its place; pip reads them: forgectl env set ${id} NAME=…`,
    };
  }
  const needed = neededBytes(plan);
  if (plan.freeBytes !== null && plan.freeBytes < needed) {
    return {
      code: 'DISK_FULL',
      message: `The disk has ${megabytes(plan.freeBytes)} MB free; the upgrade may need ${megabytes(needed)} MB.`,
      hint: `forgectl exec ${id} -- du -sh /workspace/* shows what takes the room.`,
    };
  }
  return null;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
