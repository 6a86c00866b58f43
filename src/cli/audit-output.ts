import { formatPerDay } from '../ui/format.js';
import { cleanLine } from '../ui/sanitize.js';
import { type Finding, totalPerHourUsd } from '../workflows/audit.js';
import type { FixOutcome } from './audit-fixes.js';
import type { ForgeContext } from './context.js';

export function findingDocument(finding: Finding, outcome: FixOutcome | null): Record<string, unknown> {
  const { kind, subject, reason, perHourUsd, isSafe } = finding;
  return {
    kind,
    run: 'run' in subject ? subject.run : null,
    instance_id: 'instanceId' in subject ? subject.instanceId : null,
    volume_id: 'volumeId' in subject ? subject.volumeId : null,
    reason: cleanLine(reason),
    price_per_hour_usd: perHourUsd,
    price_per_day_usd: perHourUsd === null ? null : perHourUsd * 24,
    safe_to_end: isSafe,
    command: endCommand(finding),
    ended: outcome?.ended ?? false,
    error: outcome?.error ?? null,
  };
}

/** What ends it, to be typed. */
function endCommand({ subject }: Finding): string {
  if ('run' in subject) return `forgectl undo ${subject.run}`;
  if ('instanceId' in subject) return `forgectl destroy ${subject.instanceId}`;
  return 'forgectl audit --fix --kind volume';
}

export async function findingsText(findings: readonly Finding[], context: ForgeContext): Promise<string> {
  const table = await context.table(findings, [
    { header: 'WHAT', value: ({ kind }) => kind },
    { header: 'NAME', value: ({ name }) => cleanLine(name) },
    { header: 'COST', value: ({ perHourUsd }) => perDay(perHourUsd), align: 'right' },
    { header: 'WHY', value: ({ reason }) => cleanLine(reason), priority: 3 },
    { header: 'TO END IT', value: endCommand, priority: 2 },
  ]);
  return `${table}\n${findings.length === 1 ? 'It costs' : 'Together they cost'} ${formatPerDay(totalPerHourUsd(findings) * 24)}${findings.some(({ perHourUsd }) => perHourUsd === null) ? ', and what the API does not say' : ''}.`;
}

export function perDay(perHourUsd: number | null): string {
  return perHourUsd === null ? 'unknown' : formatPerDay(perHourUsd * 24);
}
