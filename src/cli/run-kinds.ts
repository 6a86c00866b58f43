import type { Run, RunRecord } from '../workflows/journal.js';
import type { UpgradePlan } from '../workflows/upgrade/plan.js';
import type { ForgeContext } from './context.js';

/** What a command says when a run went on, or was taken back. */
interface RunAnswer {
  document: Record<string, unknown>;
  text: string;
}

/** One kind of workflow, as `resume`, `undo` and `audit` need it. */
export interface RunKind {
  resume(context: ForgeContext, run: Run, given: { env: Record<string, string> }): Promise<RunAnswer>;
  undo(context: ForgeContext, run: Run): Promise<RunAnswer>;
  /** What `undo` asks before it begins. */
  question: string;
}

const KINDS: Record<string, RunKind> = {
  launch: {
    question: 'Destroy what it has made?',
    async resume(context, run, given) {
      const { resumeLaunch } = await import('./launch-runs.js');
      const { launchDocument, launchLines } = await import('./launch-output.js');
      const result = await resumeLaunch(context, run, given);
      return { document: launchDocument(result), text: launchLines(result).join('\n') };
    },
    async undo(context, run) {
      const { undoLaunchRun } = await import('./launch-runs.js');
      const destroyed = await undoLaunchRun(context, run);
      const text =
        destroyed.length === 0
          ? `${run.id}: nothing was left; nothing is billed.`
          : `${run.id}: instance ${destroyed.join(', ')} was destroyed.`;
      return { document: { run: run.id, destroyed_instance_ids: destroyed }, text };
    },
  },
  upgrade: {
    question: 'Put Forge back as it was?',
    async resume(context, run) {
      const { resumeUpgrade } = await import('./upgrade-access.js');
      const { planDocument, resultLine } = await import('./upgrade-output.js');
      const plan = run.record.plan as UpgradePlan;
      const result = await resumeUpgrade(context, run);
      const downtime = result.downtimeMs === null ? null : Math.round(result.downtimeMs / 100) / 10;
      return {
        document: { ...planDocument(plan), run: run.id, result: 'done', downtime_s: downtime },
        text: resultLine(plan, result),
      };
    },
    async undo(context, run) {
      const { undoUpgradeRun } = await import('./upgrade-access.js');
      const { instanceId, from } = run.record.plan as UpgradePlan;
      await undoUpgradeRun(context, run);
      return {
        document: { run: run.id, instance_id: instanceId, restored_sha: from.sha },
        text: `${run.id}: instance ${instanceId} is back at ${from.sha.slice(0, 9)}.`,
      };
    },
  },
  extensions: {
    question: 'Put the extensions back as they were?',
    async resume(context, run) {
      const { doneText, extensionsDocument, resumeExtensions } = await import('./upgrade-extensions.js');
      const plan = await resumeExtensions(context, run);
      return { document: { ...extensionsDocument(plan), run: run.id }, text: doneText(plan) };
    },
    async undo(context, run) {
      const { extensionsDocument, undoExtensionsRun } = await import('./upgrade-extensions.js');
      const plan = await undoExtensionsRun(context, run);
      return { document: { ...extensionsDocument(plan), run: run.id }, text: `${run.id}: the extensions are back.` };
    },
  },
  migrate: {
    question: 'Put the destination back as it was?',
    async resume(context, run) {
      const { resumeMigration } = await import('./migrate-resume.js');
      const { document, text } = await resumeMigration(context, run);
      return { document, text };
    },
    async undo(context, run) {
      const { undoMigrationRun } = await import('./migrate-resume.js');
      const { source, destination } = await undoMigrationRun(context, run);
      return {
        document: { run: run.id, source_id: source.id, destination_id: destination.id },
        text: `${run.id}: instance ${destination.id} is as it was, and ${source.id} was only read.`,
      };
    },
  },
  venv: {
    question: 'Put the packages back as they were?',
    async resume(context, run) {
      const { doneText, packagesDocument, resumePackages } = await import('./venv-change.js');
      const plan = await resumePackages(context, run);
      return { document: { ...packagesDocument(plan), run: run.id }, text: doneText(plan) };
    },
    async undo(context, run) {
      const { packagesDocument, undoPackagesRun } = await import('./venv-change.js');
      const plan = await undoPackagesRun(context, run);
      return { document: { ...packagesDocument(plan), run: run.id }, text: `${run.id}: the packages are back.` };
    },
  },
  snapshot: {
    question: 'Remove what is half made?',
    async resume(context, run) {
      const { resumeCreate } = await import('./snapshot-create.js');
      const { manifestDocument } = await import('./snapshot-output.js');
      const manifest = await resumeCreate(context, run);
      return {
        document: { ...manifestDocument(manifest), run: run.id },
        text: `Snapshot ${manifest.name} is complete.`,
      };
    },
    async undo(context, run) {
      const { undoCreateRun } = await import('./snapshot-create.js');
      const name = await undoCreateRun(context, run);
      return { document: { run: run.id, name }, text: `${run.id}: nothing is left of the snapshot ${name}.` };
    },
  },
  restore: {
    question: 'Put the machine back as it was?',
    async resume(context, run) {
      const { resumeRestore } = await import('./snapshot-restore.js');
      const { instanceId, name } = await resumeRestore(context, run);
      return {
        document: { run: run.id, instance_id: instanceId, name, result: 'done' },
        text: `Restored ${name} onto instance ${instanceId}; Forge answers.`,
      };
    },
    async undo(context, run) {
      const { undoRestoreRun } = await import('./snapshot-restore.js');
      const { instanceId, name } = await undoRestoreRun(context, run);
      return {
        document: { run: run.id, instance_id: instanceId, name, result: 'undone' },
        text: `${run.id}: instance ${instanceId} is as it was before the restore of ${name}.`,
      };
    },
  },
};

/** Null for a kind that a newer forgectl has made. */
export function kindOf(run: RunRecord): RunKind | null {
  return KINDS[run.kind] ?? null;
}
