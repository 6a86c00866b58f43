import { EXIT, ForgeError } from '../errors.js';
import { cleanLine } from '../ui/sanitize.js';
import type { Finding, FindingKind } from '../workflows/audit.js';
import { changePower } from '../workflows/power.js';
import { perDay } from './audit-output.js';
import type { ForgeContext } from './context.js';
import { unknownKind } from './run-command-base.js';
import { kindOf } from './run-kinds.js';

export interface FixOutcome {
  ended: boolean;
  error: { code: string; message: string; hint: string | null; exit: number } | null;
}

/**
 * Which findings are to be ended. With `yes` alone only what nobody can have worked on; a kind that is named counts as
 * looked at. Without `yes` each is asked for.
 */
export async function chooseFixes(
  context: ForgeContext,
  findings: readonly Finding[],
  { yes, kinds }: { yes: boolean; kinds: readonly FindingKind[] },
): Promise<Finding[]> {
  if (yes) return findings.filter(({ isSafe, kind }) => isSafe || kinds.includes(kind));
  const { prompts, terminal } = context;
  if (!terminal.canPrompt) throw prompts.needAnswer(['--yes'], 'A confirmation');
  const chosen: Finding[] = [];
  for (const finding of findings) {
    const name = cleanLine(finding.name);
    const question = `${'run' in finding.subject ? `Undo ${name}` : `Destroy ${name} with its data`}: ${cleanLine(finding.reason)} (${perDay(finding.perHourUsd)})?`;
    if (await prompts.confirm(question)) chosen.push(finding);
  }
  return chosen;
}

/** Ends them one by one; a failure does not spare the others. */
export async function endFindings(
  context: ForgeContext,
  findings: readonly Finding[],
): Promise<Map<Finding, FixOutcome>> {
  const outcomes = new Map<Finding, FixOutcome>();
  for (const finding of findings) {
    try {
      await endFinding(context, finding);
      outcomes.set(finding, { ended: true, error: null });
    } catch (error) {
      if (!(error instanceof ForgeError) || error.exit === EXIT.interrupted || error.exit === EXIT.terminated)
        throw error;
      const { code, message, hint, exit } = error;
      outcomes.set(finding, { ended: false, error: { code, message, hint, exit } });
      context.reporter.warn([`${cleanLine(finding.name)}: ${message}`, hint].filter(Boolean).join('\n  '));
    }
  }
  return outcomes;
}

async function endFinding(context: ForgeContext, { subject }: Finding): Promise<void> {
  const vast = await context.vast();
  if ('volumeId' in subject) return vast.volumes.remove(subject.volumeId);
  if ('run' in subject) {
    const run = context.journal.reopen(subject.run);
    const kind = kindOf(run.record);
    if (kind !== null) return void (await kind.undo(context, run));
    await run.leave(run.record.outcome ?? 'cut off');
    throw unknownKind(run.record);
  }
  const instance = await vast.instances.get(subject.instanceId);
  if (instance !== null) await changePower(await context.power(), 'destroy', instance);
}
